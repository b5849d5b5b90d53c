// The embedded host of a test program, with the operator on it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "e2e/command.h"
#include "sys/file.h"

namespace vk8s::e2e {

// What the tests need of the machine; why they cannot run, if they cannot.
std::optional<std::string> missing_prerequisite();

class Host {
 public:
  // Two nodes, the registry, the images, the operator: what quickstart.sh does. Beside the
  // default Kubernetes, the versions of VK8S_E2E_VERSIONS ("1.36 1.20").
  static Result<std::unique_ptr<Host>> start();
  // `host down --purge`. Called once, before the end.
  Status purge();

  const Kubectl& kubectl() const { return *kubectl_; }
  // kubectl-vk8s with the host's kubeconfig and state folder.
  Result<std::string> cli(std::vector<std::string> arguments,
                          std::chrono::seconds timeout = std::chrono::seconds(120)) const;
  // A script of the repository, acting on this host: {"install.sh", ...}.
  Result<std::string> script(std::vector<std::string> argv,
                             std::chrono::seconds timeout = std::chrono::seconds(300),
                             std::map<std::string, std::string> environment = {}) const;
  // quickstart.sh for this host, with more arguments: what it tells its user.
  Result<std::string> quickstart(const std::vector<std::string>& arguments,
                                 std::chrono::seconds timeout = std::chrono::seconds(180)) const;
  // "--version", "1.36", ... of VK8S_E2E_VERSIONS, as quickstart.sh and install.sh have it.
  std::vector<std::string> version_options() const;
  // `host status -o json`.
  Result<Json> status() const;
  // Ends the registry that is read; repair() brings it back, as a user would: `host up`.
  Status stop_registry() const;
  // Ends a node at once, as a machine that loses its power, and starts it again.
  Status restart_node(const std::string& node) const;
  Status repair() const;

  const std::vector<std::string>& node_names() const { return node_names_; }  // "host-1", ...
  // Theirs, as `ip netns` names them.
  std::vector<std::string> network_namespaces() const;
  // Where the machine sees a node's /var/lib/vk8s.
  std::string volume_folder(const std::string& node) const;
  const std::string& registry() const { return registry_; }  // "100.64.0.2:5000"
  // Where it is written, and the folder with what a writer needs.
  std::string writable_registry() const;
  std::string registry_credentials() const;
  const std::string& folder() const { return folder_.path(); }

 private:
  explicit Host(sys::TempDir folder) : folder_(std::move(folder)) {}

  sys::TempDir folder_;
  std::optional<Kubectl> kubectl_;
  std::string registry_;
  std::vector<std::string> node_names_;
};

// A Vk8s of the host, from its applied manifest to its kubeconfig.
class VirtualCluster {
 public:
  // Applies the manifest and waits until the phase is Running.
  static Result<VirtualCluster> create(const Host& host, const std::string& namespace_name,
                                       const std::string& name, const std::string& manifest);
  // Reads the kubeconfig of one that is Running.
  static Result<VirtualCluster> attach(const Host& host, const std::string& namespace_name,
                                       const std::string& name);

  const Kubectl& kubectl() const { return kubectl_; }
  const std::string& name() const { return name_; }
  const std::string& namespace_name() const { return namespace_; }

  // Until .status.phase is this.
  Status wait_for_phase(const std::string& phase,
                        std::chrono::seconds limit = std::chrono::seconds(120)) const;
  // `kubectl vk8s delete`, then waits until nothing of it is left: no object, and on the machine
  // no process, cgroup, mount, interface or folder of a pod that it has now.
  Status remove() const;

 private:
  VirtualCluster(const Host& host, std::string namespace_name, std::string name, Kubectl kubectl);

  const Host* host_;
  std::string namespace_;
  std::string name_;
  Kubectl kubectl_;
};

// A manifest of one master and so many workers, named <name>-master-1 and so on.
std::string vk8s_manifest(const std::string& namespace_name, const std::string& name, int workers,
                          const std::string& more_spec = {});

}  // namespace vk8s::e2e
