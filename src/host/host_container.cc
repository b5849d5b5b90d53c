#include "host/host_container.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/text.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/netns.h"

namespace vk8s::host {
namespace {

constexpr std::size_t kMaxConsoleBytes = 16U << 20U;
constexpr std::uint64_t kOpenFiles = 1U << 20U;

// A usual container's, without what the registry has no use for.
const std::vector<std::string> kFewCapabilities = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER",
                                                   "CAP_NET_BIND_SERVICE"};

// The most that this process may give on: raising the hard limit is not always allowed.
std::uint64_t open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return 0;
  }
  return std::min<std::uint64_t>(limit.rlim_max, kOpenFiles);
}

Result<std::vector<std::string>> own_capabilities() {
  const std::string status = VK8S_TRY(sys::read_file("/proc/self/status"));
  return capability_names(VK8S_TRY(parse_bounding_set(status)));
}

// Two files of output at most: the present one and the one before it.
void rotate_console(const std::string& path) {
  const auto content = sys::read_file(path, kMaxConsoleBytes);
  if (!content && content.error().code() == Errc::kTooLarge) {
    ::rename(path.c_str(), (path + ".1").c_str());
  }
}

// overlayfs(5): ',' and ':' separate options and layers.
Status check_overlay_path(const std::string& path) {
  if (path.find_first_of(",:\\") != std::string::npos) {
    return fail(Errc::kInvalidArgument,
                "{}: a path with ',', ':' or '\\' cannot be a layer of an overlay", path);
  }
  return {};
}

// Whether the process is in the network namespace of that name, and not in one
// of the same name that has been removed meanwhile.
bool is_in_namespace(pid_t pid, const std::string& name) {
  struct stat own {};
  struct stat named {};
  return ::stat(fmt::format("/proc/{}/ns/net", pid).c_str(), &own) == 0 &&
         ::stat(sys::NetNs::path_of(name).c_str(), &named) == 0 && own.st_ino == named.st_ino &&
         own.st_dev == named.st_dev;
}

}  // namespace

HostContainer::HostContainer(ContainerPlan plan, ContainerProgram program, Runc runc)
    : plan_(std::move(plan)), program_(std::move(program)), runc_(std::move(runc)) {}

Result<ContainerStatus> HostContainer::status() { return runc_.status(plan_.id); }

Result<std::string> HostContainer::make_spec() const {
  ContainerSpec spec;
  spec.argv = program_.argv;
  spec.environment = {
      {"PATH", "/opt/vk8s/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"}};
  spec.host_name = plan_.name;
  spec.root = plan_.folder + "/root/merged";
  spec.netns_path = sys::NetNs::path_of(plan_.netns);
  spec.cgroup = plan_.cgroup;
  spec.binds = {{config_folder(), program_.config_destination, true},
                {volume_folder(), program_.volume_destination, false},
                {plan_.folder + "/etc/hosts", "/etc/hosts", false},
                {plan_.folder + "/etc/resolv.conf", "/etc/resolv.conf", false}};
  spec.binds.insert(spec.binds.end(), program_.binds.begin(), program_.binds.end());
  spec.is_node = program_.is_node;
  if (program_.is_node) {
    spec.capabilities = VK8S_TRY(own_capabilities());
  } else {
    spec.capabilities = kFewCapabilities;
  }
  spec.open_files = open_files();
  spec.annotations = {{"vk8s.image-rootfs", program_.image_rootfs},
                      {"vk8s.config-version", program_.config_version}};
  return base::to_string(make_oci_spec(spec));
}

Status HostContainer::prepare_folders(const std::string& hosts) const {
  VK8S_TRY(sys::ensure_directory(plan_.folder, 0700));
  for (const std::string& folder : {config_folder(), plan_.folder + "/bundle"}) {
    VK8S_TRY(sys::ensure_directory(folder, 0700));
  }
  for (const std::string& folder : {volume_folder(), plan_.folder + "/etc"}) {
    VK8S_TRY(sys::ensure_directory(folder));
  }
  VK8S_TRY(sys::write_file(plan_.folder + "/etc/hosts", hosts));
  return sys::write_file(plan_.folder + "/etc/resolv.conf", "# nothing is asked outside\n");
}

Status HostContainer::mount_root() const {
  const std::string root = plan_.folder + "/root";
  VK8S_TRY(unmount_root());
  // A fresh layer: the image below it may be another one than last time.
  VK8S_TRY(sys::remove_tree(root));
  for (const char* layer : {"upper", "work", "merged"}) {
    VK8S_TRY(sys::ensure_directory(fmt::format("{}/{}", root, layer)));
  }
  VK8S_TRY(check_overlay_path(program_.image_rootfs));
  VK8S_TRY(check_overlay_path(root));
  VK8S_TRY_CONTEXT(
      sys::mount_file_system("overlay", root + "/merged", 0,
                             fmt::format("lowerdir={1},upperdir={0}/upper,workdir={0}/work", root,
                                         program_.image_rootfs),
                             "overlay"),
      "root of {} on image {} (--state-dir must be on a disk, not on an overlay)", plan_.name,
      program_.image_rootfs);
  // What is mounted inside must not come back to the machine.
  return sys::set_propagation(root + "/merged", MS_PRIVATE);
}

Status HostContainer::unmount_root() const {
  const std::string merged = plan_.folder + "/root/merged";
  while (sys::is_mount_point(merged)) {
    VK8S_TRY(sys::detach_mount(merged));
  }
  return {};
}

Result<bool> HostContainer::is_as_wanted() {
  const std::string spec = VK8S_TRY(make_spec());
  const ContainerStatus now = VK8S_TRY(status());
  const auto running_spec = sys::read_file(plan_.folder + "/bundle/config.json");
  return now.state == ContainerState::kRunning && running_spec && *running_spec == spec &&
         is_in_namespace(now.pid, plan_.netns);
}

Result<bool> HostContainer::ensure_running(const std::string& hosts) {
  if (VK8S_TRY(is_as_wanted())) {
    VK8S_TRY(sys::write_file(plan_.folder + "/etc/hosts", hosts));
    return false;
  }
  const std::string spec = VK8S_TRY(make_spec());
  VK8S_TRY(stop(std::chrono::seconds(60)));
  VK8S_TRY(prepare_folders(hosts));
  VK8S_TRY(start(spec));
  return true;
}

Status HostContainer::start(const std::string& spec) {
  VK8S_TRY(mount_root());
  VK8S_TRY(sys::write_file(plan_.folder + "/bundle/config.json", spec, {.mode = 0600}));
  rotate_console(console_file());
  Status started = runc_.start(plan_.id, plan_.folder + "/bundle", console_file());
  if (!started) {
    [[maybe_unused]] const Status stopped = stop(std::chrono::milliseconds(0));
  }
  return started;
}

Status HostContainer::stop(std::chrono::milliseconds grace) {
  VK8S_TRY(runc_.stop(plan_.id, grace));
  VK8S_TRY(remove_cgroup(plan_.cgroup));
  return unmount_root();
}

std::string HostContainer::last_output(std::size_t max_bytes) const {
  const auto content = sys::read_file(console_file(), 4 * kMaxConsoleBytes);
  if (!content) {
    return {};
  }
  const std::size_t from = content->size() > max_bytes ? content->size() - max_bytes : 0;
  std::string out;
  for (const std::string_view line : base::split(std::string_view(*content).substr(from), '\n')) {
    if (!line.empty()) {
      out += base::printable(line, 400) + "\n";
    }
  }
  return out;
}

}  // namespace vk8s::host
