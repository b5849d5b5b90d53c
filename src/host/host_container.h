// One container of the host: its folders, root file system, cgroup and process.
//
// On disk, below ContainerPlan::folder:
//   config/   what it is told; mounted read-only
//   volume/   its state: all that outlives a restart
//   root/     {upper,work,merged}: a writable layer on the image, fresh at each start
//   bundle/   config.json for runc
//   etc/      hosts and resolv.conf
//   console.log
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "host/host_plan.h"
#include "host/oci_spec.h"
#include "host/runc.h"

namespace vk8s::host {

// What differs between a node and the registry.
struct ContainerProgram {
  std::string image_rootfs;  // read only
  std::vector<std::string> argv;
  std::vector<BindMount> binds;    // beside config and volume
  std::string config_destination;  // where config/ and volume/ appear inside
  std::string volume_destination;
  bool is_node = false;
  // Changes when the container must be started anew: of what it is told.
  std::string config_version;
};

class HostContainer {
 public:
  HostContainer(ContainerPlan plan, ContainerProgram program, Runc runc);

  const ContainerPlan& plan() const { return plan_; }
  std::string config_folder() const { return plan_.folder + "/config"; }
  std::string volume_folder() const { return plan_.folder + "/volume"; }
  std::string console_file() const { return plan_.folder + "/console.log"; }

  // It runs, from this image, with this configuration, in its network.
  Result<bool> is_as_wanted();
  // Running afterwards. False: it ran already, as wanted. Its network exists.
  // names: lines of its /etc/hosts.
  Result<bool> ensure_running(const std::string& hosts);
  Result<ContainerStatus> status();
  // Stopped, its root unmounted, its cgroup gone. Absent is no error.
  Status stop(std::chrono::milliseconds grace);
  // The last lines it wrote, printable.
  std::string last_output(std::size_t max_bytes = 2000) const;

 private:
  Result<std::string> make_spec() const;
  Status prepare_folders(const std::string& hosts) const;
  Status mount_root() const;
  Status unmount_root() const;
  Status start(const std::string& spec);

  ContainerPlan plan_;
  ContainerProgram program_;
  Runc runc_;
};

// Removes the cgroup and all below it, in every hierarchy of the machine, after
// the processes still in it have been killed. Absent is no error.
Status remove_cgroup(const std::string& cgroup, const std::string& root = "/sys/fs/cgroup");

}  // namespace vk8s::host
