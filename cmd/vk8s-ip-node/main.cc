// vk8s-ip-node: static addresses on one node of a host that is not ours.
#include <CLI/CLI.hpp>

#include "ipnode/ip_node.h"

int main(int argc, char** argv) {
  using vk8s::base::LogLevel;
  using vk8s::ipnode::Routes;
  vk8s::ipnode::IpNodeOptions options;
  bool verbose = false;

  CLI::App app{"Serves the CNI plugin vk8s-ipam of one node.", "vk8s-ip-node"};
  app.add_option("--node", options.node, "name of this node")->envname("NODE_NAME")->required();
  app.add_option("--kubeconfig", options.kubeconfig, "default: the pod's ServiceAccount");
  app.add_option("--socket", options.socket, "where the plugin asks")->capture_default_str();
  app.add_option("--store", options.store, "the plugin's records")->capture_default_str();
  app.add_option("--plugin", options.plugin, "the plugin's program, to be installed");
  app.add_option("--plugin-dir", options.plugin_folder, "where the runtime looks for plugins")
      ->capture_default_str();
  app.add_option("--routes", options.routes, "to pods on other nodes: none, or host-gateway")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Routes>{
          {"none", Routes::kNone}, {"host-gateway", Routes::kHostGateway}}));
  app.add_flag("--verbose", verbose, "log debugging detail");
  CLI11_PARSE(app, argc, argv);

  const LogLevel level = verbose ? LogLevel::kDebug : LogLevel::kInfo;
  return vk8s::ipnode::run(options, vk8s::Log::to_stderr("ip-node", level));
}
