#include "host/host_cluster.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "api/version_catalogue.h"
#include "base/cidr.h"
#include "base/text.h"
#include "host/agent_reader.h"
#include "host/host_network.h"
#include "host/host_registry.h"
#include "sys/file.h"
#include "sys/mount.h"

namespace vk8s::host {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kAgent = "/opt/vk8s/bin/vk8s-agent";
constexpr std::string_view kRuncInImage = "/opt/vk8s/bin/runc";

std::string settings_path(const std::string& state_folder) { return state_folder + "/host.json"; }
std::string kept_runc(const std::string& state_folder) { return state_folder + "/bin/runc"; }

Status check_root() {
  if (::geteuid() != 0) {
    return fail(Errc::kForbidden,
                "the embedded host needs root, for namespaces and mounts: use sudo");
  }
  return {};
}

// One `up` or `down` of a host at a time. The lock ends with the process.
Result<UniqueFd> lock_host(const HostPlan& plan) {
  VK8S_TRY(sys::ensure_directory(plan.run_folder, 0700));
  const std::string path = plan.run_folder + "/lock";
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) {
    return fail_errno(errno, "open {}", path);
  }
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(Errc::kConflict, "another process works on this host: wait until it has ended");
  }
  return fd;
}

template <class T>
void override_with(T& setting, const std::optional<T>& option) {
  if (option) {
    setting = *option;
  }
}

// What containers were given at their birth cannot change under them.
Status check_change(const HostSettings& before, const HostSettings& after) {
  const auto refuse = [](std::string_view option, std::string_view was, std::string_view is) {
    return fail(Errc::kConflict,
                "{} {}: this host was made with {}; run 'host down --purge' first, or use another "
                "--state-dir",
                option, is, was);
  };
  if (before.name != after.name) {
    return refuse("--name", before.name, after.name);
  }
  if (before.subnet != after.subnet) {
    return refuse("--subnet", before.subnet, after.subnet);
  }
  if (before.pod_network_cidr != after.pod_network_cidr) {
    return refuse("--pod-network-cidr", before.pod_network_cidr, after.pod_network_cidr);
  }
  if (before.service_cidr != after.service_cidr) {
    return refuse("--service-cidr", before.service_cidr, after.service_cidr);
  }
  if (before.node_count > after.node_count) {
    return refuse("--nodes", std::to_string(before.node_count), std::to_string(after.node_count));
  }
  return {};
}

Status check_rootfs(const HostSettings& settings) {
  if (!sys::exists(settings.rootfs + std::string(kAgent))) {
    return fail(Errc::kInvalidArgument,
                "--rootfs {}: no {} in it; give the folder of an unpacked vnode image",
                settings.rootfs, kAgent);
  }
  if (!settings.registry_rootfs.empty() &&
      !sys::exists(settings.registry_rootfs + "/usr/bin/docker-registry")) {
    return fail(Errc::kInvalidArgument,
                "--registry-rootfs {}: no docker-registry in it; give the folder of an unpacked "
                "registry image",
                settings.registry_rootfs);
  }
  return {};
}

std::string make_hosts(const HostPlan& plan) {
  std::string text = "127.0.0.1 localhost\n::1 localhost ip6-localhost\n";
  for (const NodePlan& node : plan.nodes) {
    text += fmt::format("{} {}\n", node.container.address, node.container.name);
  }
  return text;
}

}  // namespace

HostCluster::HostCluster(HostOptions options, Progress progress)
    : options_(std::move(options)), progress_(std::move(progress)) {
  if (!progress_) {
    progress_ = [](std::string_view, std::string_view) {};
  }
}

Result<HostSettings> HostCluster::stored_settings() const {
  const std::string text =
      VK8S_TRY(sys::read_file(settings_path(options_.state_folder), 64U << 10U));
  return parse_host_settings(text);
}

Result<HostSettings> HostCluster::wanted_settings() const {
  const auto stored = stored_settings();
  if (!stored && stored.error().code() != Errc::kNotFound) {
    return stored;
  }
  HostSettings settings = stored.value_or(HostSettings{});
  override_with(settings.name, options_.name);
  override_with(settings.subnet, options_.subnet);
  override_with(settings.pod_network_cidr, options_.pod_network_cidr);
  override_with(settings.service_cidr, options_.service_cidr);
  override_with(settings.rootfs, options_.rootfs);
  override_with(settings.registry_rootfs, options_.registry_rootfs);
  override_with(settings.node_count, options_.node_count);
  if (options_.kubernetes_version || settings.kubernetes_version.empty()) {
    const auto* release =
        VK8S_TRY(api::resolve_release(options_.kubernetes_version.value_or(""), ""));
    settings.kubernetes_version = release->version;
  }
  VK8S_TRY(validate(settings));
  VK8S_TRY(check_rootfs(settings));
  if (stored) {
    VK8S_TRY(check_change(*stored, settings));
  }
  return settings;
}

Status HostCluster::adopt_settings(const HostSettings& settings) const {
  if (options_.state_folder.empty() || options_.state_folder.front() != '/') {
    return fail(Errc::kInvalidArgument, "--state-dir \"{}\": an absolute path is needed",
                options_.state_folder);
  }
  VK8S_TRY(sys::ensure_directory(options_.state_folder, 0700));
  return sys::write_file(settings_path(options_.state_folder),
                         base::to_string(to_json(settings)) + "\n",
                         {.mode = 0600, .durable = true});
}

// Kept with the host's state: it must be there to stop the containers, also when
// the image they were made of is not.
Status HostCluster::keep_runc(const HostSettings& settings) const {
  const std::string source =
      options_.runc.empty() ? settings.rootfs + std::string(kRuncInImage) : options_.runc;
  const std::string target = kept_runc(options_.state_folder);
  const std::string program = VK8S_TRY_CONTEXT(sys::read_file(source, 128U << 20U), "runc");
  const auto present = sys::read_file(target, 128U << 20U);
  if (present && *present == program) {
    return {};
  }
  VK8S_TRY(sys::ensure_directory(options_.state_folder + "/bin", 0700));
  return sys::write_file(target, program, {.mode = 0700});
}

Result<Runc> HostCluster::make_runc(const HostPlan& plan) const {
  const std::string kept = kept_runc(options_.state_folder);
  std::string program = sys::exists(kept) ? kept : options_.runc;
  return Runc(program.empty() ? "runc" : std::move(program), plan.run_folder + "/runc");
}

HostContainer HostCluster::node_container(const HostSettings& settings, const HostPlan& plan,
                                          const NodePlan& node, std::string config_version) const {
  ContainerProgram program;
  program.image_rootfs = settings.rootfs;
  program.argv = {std::string(kAgent)};
  program.config_destination = "/etc/vk8s/config";
  program.volume_destination = "/var/lib/vk8s";
  program.is_node = true;
  program.config_version = std::move(config_version);
  return {node.container, std::move(program), *make_runc(plan)};
}

Status HostCluster::ensure_machine(const HostSettings& settings, const HostPlan& plan) {
  MachineLimits limits(options_.limit_files);
  for (const std::string& trouble : VK8S_TRY(limits.raise(settings.name))) {
    progress_("machine", fmt::format("a limit stays as it is: {}", trouble));
  }
  return ensure_bridge(plan);
}

Status HostCluster::ensure_node(const HostSettings& settings, const HostPlan& plan,
                                const NodePlan& node, const HostPki& pki) {
  VK8S_TRY(ensure_container_network(plan, node.container));
  VK8S_TRY(sys::ensure_directory(node.container.folder, 0700));
  std::string version =
      VK8S_TRY(ensure_node_files(settings, plan, node, pki, node.container.folder + "/config"));
  HostContainer container = node_container(settings, plan, node, std::move(version));
  const bool as_wanted = VK8S_TRY(container.is_as_wanted());
  const ContainerStatus status = VK8S_TRY(container.status());
  if (!as_wanted && status.state == ContainerState::kRunning) {
    progress_(node.container.name, "stopping: it must start anew with what has changed");
  }
  const bool anew =
      VK8S_TRY_CONTEXT(container.ensure_running(make_hosts(plan)), "node {}", node.container.name);
  progress_(node.container.name, anew ? "started" : "runs already");
  return {};
}

Status HostCluster::ensure_registry(const HostSettings& settings, const HostPlan& plan,
                                    const HostPki& pki) {
  if (settings.registry_rootfs.empty()) {
    return {};
  }
  VK8S_TRY(ensure_container_network(plan, plan.registry));
  const std::string version = VK8S_TRY(ensure_registry_files(plan, pki));
  const Runc runc = VK8S_TRY(make_runc(plan));
  bool anew = false;
  for (HostContainer& container : registry_containers(settings, plan, runc, version)) {
    anew |=
        VK8S_TRY_CONTEXT(container.ensure_running(make_hosts(plan)), "{}", container.plan().name);
  }
  progress_(kRegistryName, anew ? "started" : "runs already");
  return {};
}

Status HostCluster::up() {
  VK8S_TRY(check_root());
  const HostSettings settings = VK8S_TRY(wanted_settings());
  const HostPlan plan = VK8S_TRY(make_plan(settings, options_.state_folder));
  const UniqueFd lock = VK8S_TRY(lock_host(plan));
  VK8S_TRY(adopt_settings(settings));
  VK8S_TRY(keep_runc(settings));
  VK8S_TRY(ensure_machine(settings, plan));
  const HostPki pki = VK8S_TRY(ensure_host_pki(settings, options_.state_folder));
  VK8S_TRY(ensure_kubeconfig(settings, plan, pki));
  for (const NodePlan& node : plan.nodes) {
    VK8S_TRY(ensure_node(settings, plan, node, pki));
  }
  VK8S_TRY(ensure_registry(settings, plan, pki));
  return options_.wait ? wait_until_ready(settings, plan, pki) : Status{};
}

Status HostCluster::wait_until_ready(const HostSettings& settings, const HostPlan& plan,
                                     const HostPki& pki) {
  Runc runc = VK8S_TRY(make_runc(plan));
  std::vector<ReadableNode> nodes;
  for (const NodePlan& node : plan.nodes) {
    const ContainerStatus status = VK8S_TRY(runc.status(node.container.id));
    nodes.push_back(
        {.name = node.container.name, .address = node.container.address, .pid = status.pid});
  }
  Status ready = host::wait_until_ready(
      nodes, {.agent_ca = pki.agent,
              .kubeconfig_file = kubeconfig_path(options_.state_folder),
              .timeout = options_.timeout,
              .on_step = [this](const std::string& node, const std::string& step, int percent) {
                progress_(node, fmt::format("{} ({} %)", step, percent));
              }});
  if (!ready) {
    return explain_ended_agents(settings, plan, std::move(ready).error());
  }
  return ready;
}

// The error with what the agents that have ended said last.
Status HostCluster::explain_ended_agents(const HostSettings& settings, const HostPlan& plan,
                                         Error error) {
  std::string words;
  for (const NodePlan& node : plan.nodes) {
    HostContainer container = node_container(settings, plan, node, "");
    const auto status = container.status();
    if (status && status->state != ContainerState::kRunning) {
      words += fmt::format("\n{} wrote last ({}):\n{}", node.container.name,
                           container.console_file(), container.last_output());
    }
  }
  return fail(error.code(), "{}{}", error.message(), words);
}

// Every container that a host of this name may have, also one whose settings are lost.
Result<HostPlan> HostCluster::widest_plan() const {
  auto stored = stored_settings();
  if (!stored && stored.error().code() != Errc::kNotFound) {
    return tl::unexpected(std::move(stored).error().context(
        "the state in {} cannot be read: repair or remove host.json", options_.state_folder));
  }
  HostSettings settings = stored.value_or(HostSettings{});
  if (options_.name && stored && *options_.name != stored->name) {
    return fail(Errc::kConflict, "--name {}: the host in {} is called {}", *options_.name,
                options_.state_folder, stored->name);
  }
  if (!stored) {
    override_with(settings.name, options_.name);
    override_with(settings.subnet, options_.subnet);
    settings.rootfs = "/";
  }
  const Cidr pods = VK8S_TRY(Cidr::parse(settings.pod_network_cidr));
  settings.node_count = std::min(kMaxNodes, 1 << std::clamp(24 - pods.prefix_length(), 0, 6));
  VK8S_TRY(validate(settings));
  return make_plan(settings, options_.state_folder);
}

Status HostCluster::stop_all(const HostPlan& plan) {
  const Runc runc = VK8S_TRY(make_runc(plan));
  HostSettings settings;
  std::vector<HostContainer> containers = registry_containers(settings, plan, runc, "");
  // Workers first: a master that is gone leaves them with errors to write about.
  for (auto node = plan.nodes.rbegin(); node != plan.nodes.rend(); ++node) {
    containers.push_back(node_container(settings, plan, *node, ""));
  }
  std::rotate(containers.begin(), containers.begin() + 2, containers.end());
  for (HostContainer& container : containers) {
    const ContainerStatus status = VK8S_TRY(container.status());
    if (status.state == ContainerState::kRunning) {
      progress_(container.plan().name, "stopping");
    }
    VK8S_TRY_CONTEXT(container.stop(options_.stop_grace), "stop {}", container.plan().name);
  }
  for (const HostContainer& container : containers) {
    VK8S_TRY(remove_container_network(container.plan()));
  }
  VK8S_TRY(remove_bridge(plan));
  return remove_cgroup(plan.cgroup);
}

Status HostCluster::down() {
  VK8S_TRY(check_root());
  const HostPlan plan = VK8S_TRY(widest_plan());
  const UniqueFd lock = VK8S_TRY(lock_host(plan));
  return stop_all(plan);
}

Status HostCluster::purge() {
  VK8S_TRY(check_root());
  const HostPlan plan = VK8S_TRY(widest_plan());
  const UniqueFd lock = VK8S_TRY(lock_host(plan));
  VK8S_TRY(stop_all(plan));
  VK8S_TRY(remove_state(plan));
  MachineLimits limits(options_.limit_files);
  VK8S_TRY(limits.release(plan.name));
  return sys::remove_tree(plan.run_folder);
}

// Only what `up` has made, by name: whatever else is in the folder stays.
Status HostCluster::remove_state(const HostPlan& plan) const {
  std::vector<std::string> paths = {plan.registry.folder, plan.registry.folder + "-writer",
                                    options_.state_folder + "/registry-credentials",
                                    options_.state_folder + "/registry-credentials.new"};
  for (const NodePlan& node : plan.nodes) {
    paths.push_back(node.container.folder);
  }
  for (const char* name : {"pki", "pki.new", "agent-ca", "agent-ca.new", "kubeconfig", "bin"}) {
    paths.push_back(fmt::format("{}/{}", options_.state_folder, name));
  }
  // Last: what a purge that was interrupted needs.
  paths.push_back(settings_path(options_.state_folder));
  for (const std::string& path : paths) {
    VK8S_TRY(sys::remove_tree(path));
  }
  ::rmdir(options_.state_folder.c_str());  // stays if something else is in it
  return {};
}

Result<HostStatus> HostCluster::status() {
  const auto stored = stored_settings();
  if (!stored && stored.error().code() == Errc::kNotFound) {
    return HostStatus{};
  }
  const HostSettings settings = VK8S_TRY(stored_settings());
  const HostPlan plan = VK8S_TRY(make_plan(settings, options_.state_folder));
  Runc runc = VK8S_TRY(make_runc(plan));
  HostStatus status{.exists = true,
                    .name = settings.name,
                    .api_server = plan.api_server,
                    .kubeconfig = kubeconfig_path(options_.state_folder)};
  if (!settings.registry_rootfs.empty()) {
    status.registry = fmt::format("{}:{}", plan.registry.address, kRegistryReadPort);
  }
  status.address_pool = plan.address_pool;
  std::vector<ReadableNode> running;
  for (const NodePlan& node : plan.nodes) {
    const ContainerStatus container = VK8S_TRY(runc.status(node.container.id));
    status.nodes.push_back({.name = node.container.name,
                            .role = node.role,
                            .address = node.container.address,
                            .container = container,
                            .agent = std::nullopt});
    if (container.state == ContainerState::kRunning) {
      running.push_back({node.container.name, node.container.address, container.pid});
    }
  }
  const auto agent_ca = read_files(options_.state_folder + "/agent-ca");
  if (agent_ca && !running.empty()) {
    auto agents = VK8S_TRY(read_agents(running, *agent_ca, 2s));
    for (HostNodeStatus& node : status.nodes) {
      const auto found = agents.find(node.name);
      if (found != agents.end()) {
        node.agent = std::move(found->second);
      }
    }
  }
  return status;
}

Result<std::string> HostCluster::kubeconfig() {
  const std::string path = kubeconfig_path(options_.state_folder);
  auto text = sys::read_file(path);
  if (!text && text.error().code() == Errc::kNotFound) {
    return fail(Errc::kNotFound, "there is no host in {}: run 'host up'", options_.state_folder);
  }
  return text;
}

}  // namespace vk8s::host
