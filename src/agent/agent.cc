#include "agent/agent.h"

#include <chrono>

#include "agent/leaf_certificates.h"
#include "agent/local_probe.h"
#include "agent/network.h"
#include "agent/node_setup.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

constexpr const char* kApiServer = "kube-apiserver";
// A worker's: the master's, as it is seen from here.
constexpr const char* kOutsideApiServer = "api-server";
// Certificates live a year and are renewed after two thirds of it.
constexpr auto kRenewalInterval = std::chrono::hours(6);
// One small file; the host's kubelet brings a new one about as often.
constexpr auto kRegistryAuthInterval = std::chrono::minutes(1);
// Of the 30 s that a vnode's pod has in all.
constexpr auto kPodStopTimeout = std::chrono::seconds(15);

// This node's API server, without saying who one is.
Result<kube::ClientConfig> server_config(const NodePaths& paths, const api::NodeConfig& config) {
  kube::ClientConfig client;
  client.server = api_server_url(config);
  client.ca_pem = VK8S_TRY(sys::read_file(paths.given("ca.crt")));
  return client;
}

Result<kube::ClientConfig> given_identity(const NodePaths& paths, const api::NodeConfig& config,
                                          const std::string& name) {
  kube::ClientConfig client = VK8S_TRY(server_config(paths, config));
  client.client_certificate_pem = VK8S_TRY(sys::read_file(paths.given(name + ".crt")));
  client.client_key_pem = VK8S_TRY(sys::read_file(paths.given(name + ".key")));
  return client;
}

Result<kube::ClientConfig> bootstrap_identity(const NodePaths& paths,
                                              const api::NodeConfig& config) {
  kube::ClientConfig client = VK8S_TRY(server_config(paths, config));
  const auto pair = VK8S_TRY_CONTEXT(issue_bootstrap_identity(paths), "bootstrap identity");
  client.client_certificate_pem = pair.certificate_pem;
  client.client_key_pem = pair.key_pem;
  return client;
}

Status write_config_files(const std::vector<ConfigFile>& files) {
  for (const ConfigFile& file : files) {
    VK8S_TRY(sys::ensure_directory(file.path.substr(0, file.path.rfind('/'))));
    VK8S_TRY(sys::write_file(file.path, file.content, {.mode = file.mode}));
  }
  return {};
}

}  // namespace

Agent::Agent(EventLoop& loop, NodePaths paths, Log log)
    : loop_(loop),
      paths_(std::move(paths)),
      log_(std::move(log)),
      runner_(loop),
      pod_stopper_(loop, log_.child("pods")) {}

Agent::~Agent() = default;

Result<std::unique_ptr<Agent>> Agent::start(EventLoop& loop, NodePaths paths, Log log) {
  std::unique_ptr<Agent> agent(new Agent(loop, std::move(paths), std::move(log)));
  VK8S_TRY(agent->prepare());
  VK8S_TRY(agent->create_clients());
  VK8S_TRY(agent->add_components());
  agent->supervisor_->start();
  agent->follow_registry_auth();
  agent->renew_later();
  return agent;
}

Status Agent::prepare() {
  const std::string file = paths_.given(api::kNodeConfigFile);
  const std::string text = VK8S_TRY_CONTEXT(sys::read_file(file), "node configuration");
  config_ = VK8S_TRY_CONTEXT(api::parse_node_config(text), "node configuration {}", file);
  VK8S_TRY_CONTEXT(prepare_node(paths_, log_), "prepare the node");
  facts_ = VK8S_TRY_CONTEXT(find_node_facts(paths_), "look at the machine");
  cgroup_procs_ = VK8S_TRY_CONTEXT(component_cgroup(), "cgroup of the node's programs");
  log_.info("node prepared", {{"node", config_.node_name},
                              {"role", api::to_string(config_.role)},
                              {"ip", facts_.node_ip},
                              {"snapshotter", facts_.snapshotter}});
  tracker_ = std::make_unique<NodeTracker>(config_);
  status_server_ = VK8S_TRY_CONTEXT(
      StatusServer::start(loop_, paths_, *tracker_, log_.child("status")), "status server");
  VK8S_TRY_CONTEXT(set_up_network(config_, facts_, log_), "set up the pod network");
  if (config_.role == api::NodeRole::kMaster) {
    VK8S_TRY(ensure_leaves(paths_, master_leaves(config_, facts_.node_ip),
                           std::chrono::system_clock::now()));
  }
  VK8S_TRY(write_kubeconfigs(paths_, config_));
  take_registry_auth();
  const auto files = VK8S_TRY(config_files(config_, paths_, facts_));
  return write_config_files(files);
}

Status Agent::create_clients() {
  const bool is_master = config_.role == api::NodeRole::kMaster;
  auto identity = is_master ? bootstrap_identity(paths_, config_)
                            : given_identity(paths_, config_, "agent-kube");
  client_ = VK8S_TRY(kube::Client::create(
      loop_, VK8S_TRY_CONTEXT(std::move(identity), "identity of the agent"), log_.child("kube")));
  auto kubelet = VK8S_TRY(given_identity(paths_, config_, "kubelet"));
  node_client_ = VK8S_TRY(kube::Client::create(loop_, std::move(kubelet), log_.child("kube")));
  overlay_ = std::make_unique<Overlay>(loop_, runner_, paths_, config_, log_.child("overlay"));
  probe_paths();
  watch_nodes();
  if (config_.is_host_node) {
    static_addresses_ = VK8S_TRY_CONTEXT(
        StaticAddresses::start(loop_, *client_, *node_client_, paths_, config_, log_),
        "static addresses");
  }
  events_ = std::make_unique<kube::EventRecorder>(loop_, *client_, kAgentFieldManager,
                                                  config_.node_name, log_);
  provisioner_ = std::make_unique<LocalProvisioner>(loop_, runner_, *client_, *events_, paths_,
                                                    config_, log_.child("volumes"));
  if (is_master) {
    std::string ca_pem = VK8S_TRY(sys::read_file(paths_.given("ca.crt")));
    control_plane_ = std::make_unique<ControlPlane>(loop_, *client_, config_, std::move(ca_pem),
                                                    log_.child("master"));
  }
  return {};
}

sys::SpawnOptions Agent::component_command(Argv argv) const {
  sys::SpawnOptions options{.argv = std::move(argv),
                            .environment = sys::scrubbed_environment(),
                            .cgroup_procs = cgroup_procs_,
                            .die_with_parent = true};
  // runc, the shims and the CNI plugins are found by PATH.
  options.environment["PATH"] = fmt::format("{}:{}", paths_.programs, options.environment["PATH"]);
  return options;
}

void Agent::add(ComponentSpec spec, Argv argv) {
  spec.command = [options = component_command(std::move(argv))]() -> Result<sys::SpawnOptions> {
    return options;
  };
  [[maybe_unused]] const Status added = supervisor_->add(std::move(spec));
}

Status Agent::add_components() {
  supervisor_ = std::make_unique<Supervisor>(
      loop_, runner_, log_.child("supervisor"),
      Supervisor::Options{.log_folder = paths_.log_folder(), .restart = {}});
  supervisor_->on_change([this](const api::ComponentStatus& status) {
    tracker_->update(supervisor_->status());
    if ((status.name == kApiServer || status.name == kOutsideApiServer) &&
        status.state == api::ComponentState::kRunning) {
      on_api_server_ready();
    }
  });
  const bool is_master = config_.role == api::NodeRole::kMaster;
  const std::string api_server = is_master ? kApiServer : kOutsideApiServer;
  if (is_master) {
    add({.name = "etcd"}, etcd_argv(paths_));
    // It retries etcd, so it need not wait: most of its start is its own.
    // Its clients on this node have ended when it is told to stop; what is left are
    // watches of others, for which it would wait a minute. Its state is etcd's.
    add({.name = kApiServer,
         .probe = api_server_probe(*client_),
         .stop_timeout = std::chrono::seconds(2)},
        api_server_argv(config_, paths_, facts_));
  } else {
    // Who starts before it answers backs off for longer than it takes to answer.
    VK8S_TRY(supervisor_->add({.name = api_server,
                               .probe = api_server_probe(*client_),
                               .probe_interval = std::chrono::milliseconds(100)}));
  }
  add({.name = "containerd", .probe = unix_socket_probe(paths_.containerd_socket())},
      containerd_argv(paths_));
  add({.name = "pause-image", .after = {"containerd"}, .is_task = true},
      pause_import_argv(config_, paths_, facts_));
  add({.name = "kubelet",
       .after = {api_server, "containerd"},
       .after_stop = [this](auto done) { pod_stopper_.stop(kPodStopTimeout, std::move(done)); }},
      kubelet_argv(config_, paths_, facts_));
  add({.name = "kube-proxy", .after = {api_server}}, proxy_argv(paths_));
  if (is_master) {
    add({.name = "kube-controller-manager", .after = {api_server}},
        controller_manager_argv(config_, paths_));
    add({.name = "kube-scheduler", .after = {api_server}}, scheduler_argv(config_, paths_));
    add({.name = "coredns", .after = {api_server}}, coredns_argv(paths_));
  }
  return {};
}

void Agent::watch_nodes() {
  kube::InformerOptions options;
  options.resource = kube::resources::kNode;
  options.projection = kube::keep_fields(
      {"spec.podCIDR", "status.addresses", "status.conditions", "status.nodeInfo.kubeletVersion"});
  // Short: the first attempts come before the API server lets the agent in.
  options.max_backoff = std::chrono::milliseconds(400);
  nodes_ =
      std::make_unique<kube::Informer>(loop_, *client_, std::move(options), log_.child("nodes"));
  nodes_->add_handlers(
      {.on_added = [this](const kube::ObjectPtr& node) { on_node(*node); },
       .on_updated = [this](const kube::ObjectPtr&,
                            const kube::ObjectPtr& node) { on_node(*node); },
       .on_deleted = [this](const kube::ObjectPtr& node) { on_node_deleted(*node); }});
}

void Agent::on_api_server_ready() {
  if (watching_ || !nodes_) {
    return;  // known already, or stopping
  }
  watching_ = true;
  if (control_plane_) {
    const Status started = control_plane_->start();
    if (!started) {
      log_.error("bootstrap objects cannot be made", {{"error", started.error().message()}});
    }
  }
  nodes_->start();
  if (static_addresses_) {
    static_addresses_->follow_pods([this] { update_overlay(); });
  }
  provisioner_->start();
}

void Agent::on_node(const Json& node) {
  if (control_plane_) {
    control_plane_->on_node(node);
  }
  update_overlay();
  if (base::get_string(node, "metadata.name") != config_.node_name) {
    return;
  }
  const NodeObservation observed = observe_node(node);
  if (observed.pod_cidr.empty()) {
    claim_pod_cidr();
  }
  keep_volumes_label(node);
  tracker_->update(observed);
}

void Agent::on_node_deleted(const Json& node) {
  const std::string name(base::get_string(node, "metadata.name").value_or(""));
  if (control_plane_) {
    control_plane_->on_node_deleted(name);
  }
  update_overlay();
  if (name == config_.node_name) {
    tracker_->update(NodeObservation{});
  }
}

void Agent::claim_pod_cidr() {
  pod_cidr_call_ = node_client_->merge_patch(
      kube::resources::kNode, {"", config_.node_name}, pod_cidr_patch(config_),
      [this](const Result<Json>& patched) {
        if (!patched) {  // the next change of the Node tries again
          log_.warning("pod CIDR not claimed", {{"error", patched.error().message()}});
        }
      });
}

void Agent::keep_volumes_label(const Json& node) {
  const auto patch = volumes_label_patch(config_, node);
  if (!patch) {
    return;
  }
  volumes_label_call_ = node_client_->merge_patch(
      kube::resources::kNode, {"", config_.node_name}, *patch, [this](const Result<Json>& patched) {
        if (!patched) {  // the next change of the Node tries again
          log_.warning("label of the node not kept", {{"error", patched.error().message()}});
        }
      });
}

void Agent::update_overlay() {
  std::vector<OverlayPeer> peers;
  for (const kube::ObjectPtr& node : nodes_->store().list()) {
    if (auto peer = read_peer(*node, config_)) {
      peer->path_mtu = mtu_probe_->path_mtu(peer->node).value_or(0);
      peers.push_back(*std::move(peer));
    }
  }
  if (static_addresses_) {
    add_static_addresses(static_addresses_->by_node(), config_, peers);
  }
  overlay_->set_peers(std::move(peers));
}

void Agent::probe_paths() {
  mtu_probe_ = std::make_unique<MtuProbe>(
      loop_,
      [this](const IpAddress& to, EchoSocket::OnAnswer on_answer) {
        return open_icmp_echo(loop_, std::string(kOverlayLink), to, std::move(on_answer));
      },
      facts_.pod_mtu, log_.child("mtu"));
  mtu_probe_->on_change([this] { on_path_mtu(); });
  overlay_->on_applied([this](std::vector<OverlayPeer> peers) {
    std::erase_if(peers, [this](const OverlayPeer& peer) { return is_own(peer, config_); });
    if (mtu_probe_) {
      mtu_probe_->set_peers(peers);
    }
  });
}

// Routes hold packets to what their way carries; pods to come get what all ways do.
void Agent::on_path_mtu() {
  const auto narrowest = mtu_probe_->narrowest();
  NodeFacts facts = facts_;
  facts.pod_mtu = narrowest ? narrowest->mtu : facts_.pod_mtu;
  if (const Status written = write_config_files({cni_config_file(config_, paths_, facts)});
      !written) {
    log_.error("the MTU of new pods cannot be set", {{"error", written.error().message()}});
  }
  tracker_->set_network_trouble(describe_narrow_path(facts_.pod_mtu, narrowest));
  update_overlay();
}

// Whether it is other than before. What cannot be used is as if it were not there: the
// mirror may let nodes in without.
bool Agent::take_registry_auth() {
  auto found = read_registry_auth(paths_);
  const std::string problem = found ? "" : found.error().message();
  if (problem != registry_auth_problem_ && !problem.empty()) {
    log_.warning("credentials of the registry cannot be used", {{"error", problem}});
  }
  registry_auth_problem_ = problem;
  const std::string before = std::exchange(facts_.registry_auth, std::move(found).value_or(""));
  return facts_.registry_auth != before;
}

void Agent::follow_registry_auth() {
  if (!may_have_registry_auth(config_)) {
    return;
  }
  registry_auth_ = loop_.after(kRegistryAuthInterval, [this] {
    if (take_registry_auth()) {
      log_.info("credentials of the registry have changed");
      if (const Status written = write_config_files(registry_files(config_, paths_, facts_));
          !written) {
        log_.error("containerd cannot be told", {{"error", written.error().message()}});
      }
    }
    follow_registry_auth();
  });
}

void Agent::renew_later() {
  renewal_ = loop_.after(kRenewalInterval, [this] {
    if (const Status renewed = renew_certificates(); !renewed) {
      log_.error("certificates not renewed", {{"error", renewed.error().message()}});
    }
    renew_later();
  });
}

// What is due after two thirds of its life is issued anew, or was by the controller;
// the upstream programs read their files again by themselves.
Status Agent::renew_certificates() {
  const bool is_master = config_.role == api::NodeRole::kMaster;
  if (is_master) {
    const auto issued = VK8S_TRY(ensure_leaves(paths_, master_leaves(config_, facts_.node_ip),
                                               std::chrono::system_clock::now()));
    if (!issued.empty()) {
      log_.info("certificates renewed", {{"count", issued.size()}});
    }
  }
  const auto agent = VK8S_TRY(is_master ? bootstrap_identity(paths_, config_)
                                        : given_identity(paths_, config_, "agent-kube"));
  client_->set_client_certificate(agent.client_certificate_pem, agent.client_key_pem);
  const auto kubelet = VK8S_TRY(given_identity(paths_, config_, "kubelet"));
  node_client_->set_client_certificate(kubelet.client_certificate_pem, kubelet.client_key_pem);
  return status_server_->reload_certificate(paths_);
}

void Agent::stop(std::function<void()> stopped) {
  tracker_->stopping();
  // An open watch would hold up the end of the API server.
  provisioner_.reset();
  events_.reset();
  control_plane_.reset();
  mtu_probe_.reset();
  static_addresses_.reset();
  nodes_.reset();
  supervisor_->stop(std::move(stopped));
}

}  // namespace vk8s::agent
