#include "ipnode/ip_node.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"
#include "ipnode/host_routes.h"
#include "ipnode/plugin_file.h"
#include "sys/file.h"

namespace vk8s::ipnode {
namespace {

// Of a burst of changes, one look; and again where the kernel did not take a route.
constexpr auto kSettle = std::chrono::milliseconds(50);
constexpr auto kRetryDelay = std::chrono::seconds(5);

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// SIGTERM and SIGINT as a readable descriptor: PID 1 of a container has no default for them.
Result<UniqueFd> open_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (const int error = pthread_sigmask(SIG_BLOCK, &set, nullptr); error != 0) {
    return fail_errno(error, "block signals");
  }
  UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) {
    return fail_errno(errno, "signalfd");
  }
  return fd;
}

Status serve(const IpNodeOptions& options, const Log& log) {
  const UniqueFd signals = VK8S_TRY(open_signals());
  EventLoop loop;
  auto config = VK8S_TRY(options.kubeconfig.empty()
                             ? kube::ClientConfig::in_cluster()
                             : kube::ClientConfig::from_kubeconfig_file(options.kubeconfig));
  config.user_agent = "vk8s-ip-node";
  const auto client = VK8S_TRY(kube::Client::create(loop, config, log.child("kube")));
  const auto node = VK8S_TRY(IpNode::start(loop, *client, options, log));
  const Registration on_signal =
      loop.watch(signals.get(), EventLoop::Interest::kReadable, [&loop] { loop.stop(); });
  loop.run();
  log.info("stopping");
  return {};
}

}  // namespace

Result<std::unique_ptr<IpNode>> IpNode::start(EventLoop& loop, kube::Client& client,
                                              const IpNodeOptions& options, const Log& log) {
  VK8S_TRY(sys::ensure_directory(folder_of(options.socket)));
  std::unique_ptr<IpNode> node(new IpNode(loop, options.node, log));
  // Served before the plugin is there to ask.
  node->server_ =
      VK8S_TRY(AddressServer::start(loop, client, options.socket, log.child("addresses")));
  node->held_ =
      VK8S_TRY(HeldAddresses::start(loop, client, options.node, options.store, log.child("held")));
  if (!options.plugin.empty()) {
    const bool copied = VK8S_TRY_CONTEXT(install_plugin(options.plugin, options.plugin_folder),
                                         "install the CNI plugin");
    log.info(copied ? "plugin installed" : "plugin is there", {{"folder", options.plugin_folder}});
  }
  if (options.routes == Routes::kHostGateway) {
    node->follow_routes(client);
  }
  log.info("serving", {{"node", options.node}, {"socket", options.socket}});
  return node;
}

IpNode::IpNode(EventLoop& loop, std::string node, Log log)
    : loop_(loop), node_(std::move(node)), log_(std::move(log)) {}

void IpNode::follow_routes(kube::Client& client) {
  const auto look = [this] {
    if (!later_) {
      later_ = loop_.after(kSettle, [this] { set_routes(); });
    }
  };
  pods_ = std::make_unique<StaticPods>(loop_, client, log_.child("pods"));
  pods_->on_change(look);
  nodes_ = std::make_unique<kube::Informer>(
      loop_, client,
      kube::InformerOptions{
          .resource = kube::resources::kNode,
          .projection = kube::keep_fields({"spec.podCIDR", "spec.podCIDRs", "status.addresses"})},
      log_.child("nodes"));
  nodes_->add_handlers(
      {.on_added = [look](const kube::ObjectPtr&) { look(); },
       .on_updated = [look](const kube::ObjectPtr&, const kube::ObjectPtr&) { look(); },
       .on_deleted = [look](const kube::ObjectPtr&) { look(); }});
  // An earlier process's routes stay until all is known.
  nodes_->when_synced(look);
  pods_->when_synced(look);
  pods_->start();
  nodes_->start();
}

void IpNode::set_routes() {
  later_.cancel();
  if (!nodes_->has_synced() || !pods_->has_synced()) {
    return;
  }
  const auto set = [this]() -> Result<std::vector<HostRoute>> {
    sys::Netlink netlink = VK8S_TRY(sys::Netlink::open());
    return set_host_routes(netlink, host_routes(node_, nodes_->store().list(), pods_->by_node()));
  }();
  if (!set) {
    log_.error("routes to other nodes cannot be set", {{"error", set.error().message()}});
    later_ = loop_.after(kRetryDelay, [this] { set_routes(); });
    return;
  }
  for (const HostRoute& route : *set) {
    log_.warning("no route: this node and the pod's are in no network together",
                 {{"address", route.destination.to_string()}, {"node", route.gateway.to_string()}});
  }
}

int run(const IpNodeOptions& options, const Log& log) {
  const Status status = serve(options, log);
  if (!status) {
    log.error("the program ends", {{"error", status.error().message()}});
  }
  return status ? 0 : 1;
}

}  // namespace vk8s::ipnode
