#include "api/vk8s.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/fields.h"
#include "api/quantity.h"
#include "base/cidr.h"

namespace vk8s::api {
namespace {

// It is a part of names inside the cluster.
constexpr std::size_t kMaxAddonName = 40;

ObjectMeta parse_metadata(Fields meta) {
  ObjectMeta out;
  out.namespace_name = meta.required_text("namespace");
  out.name = meta.required_text("name");
  out.uid = meta.required_text("uid");
  out.resource_version = meta.text("resourceVersion");
  out.creation_timestamp = meta.text("creationTimestamp");
  out.generation = meta.number("generation");
  out.being_deleted = meta.has("deletionTimestamp");
  out.labels = meta.text_map("labels");
  out.annotations = meta.text_map("annotations");
  return out;
}

NodeStorage parse_storage(Fields storage, NodeRole role, bool given) {
  NodeStorage out;
  out.size = storage.quantity("size");
  out.storage_class_name = storage.text("storageClassName");
  out.retain = storage.text("reclaim") == "Retain";
  out.ephemeral = storage.flag("ephemeral");
  if (!given && role == NodeRole::kWorker) {
    out.ephemeral = true;
    out.offers_volumes = false;
  }
  if (out.size.empty() && !out.ephemeral) {
    out.size = kDefaultMasterStorage;
  }
  return out;
}

std::vector<Taint> parse_taints(Fields& node) {
  std::vector<Taint> out;
  const JsonArray taints = node.array("taints");
  for (std::size_t i = 0; i < taints.size(); ++i) {
    Fields taint(&taints[i], fmt::format("{}[{}]", node.path("taints"), i), node.error());
    out.push_back({taint.required_text("key"), taint.text("value"), taint.required_text("effect")});
  }
  return out;
}

NodeSpec parse_node(Fields node) {
  NodeSpec out;
  out.name = node.required_text("name");
  const std::string role = node.required_text("role");
  if (role != "master" && role != "worker") {
    node.refuse("role", "\"master\" or \"worker\"");
  }
  out.role = role == "master" ? NodeRole::kMaster : NodeRole::kWorker;
  out.image = node.text("image");
  out.ip = node.text("ip");
  if (const auto address = IpAddress::parse(out.ip);
      !out.ip.empty() && (!address || address->to_string() != out.ip)) {
    node.refuse("ip", "an IP address in its canonical form");
  }
  out.resources = node.object("resources");
  out.storage = parse_storage(Fields(node.find("storage"), node.path("storage"), node.error()),
                              out.role, node.has("storage"));
  out.labels = node.text_map("labels");
  out.taints = parse_taints(node);
  out.tolerations = node.array("tolerations");
  return out;
}

PortSpec parse_port(Fields port) {
  PortSpec out;
  out.port = port.port("port");
  if (out.port == 0) {
    port.refuse("port", "a port number");
  }
  out.name = port.text("name");
  if (out.name.empty()) {
    out.name = fmt::format("port-{}", out.port);
  }
  out.protocol = port.text("protocol");
  if (out.protocol.empty()) {
    out.protocol = "TCP";
  }
  out.service = port.text("service");
  if (out.service.empty()) {
    out.target_port = port.has("targetPort") ? port.port("targetPort") : out.port;
  }
  out.node_port = port.port("nodePort");
  return out;
}

std::string text_or(std::string value, std::string_view fallback) {
  return value.empty() ? std::string(fallback) : std::move(value);
}

KubeflowSpec parse_kubeflow(Fields kubeflow) {
  KubeflowSpec out;
  out.version = kubeflow.text("version");
  out.profile = text_or(kubeflow.text("profile"), kDefaultKubeflowProfile);
  out.email = kubeflow.text("email");
  out.password = kubeflow.text("password");
  Fields secret(kubeflow.find("passwordSecretRef"), kubeflow.path("passwordSecretRef"),
                kubeflow.error());
  out.password_secret = secret.text("name");
  return out;
}

std::vector<AddonSpec> parse_addons(Fields& spec) {
  std::vector<AddonSpec> out;
  const JsonArray addons = spec.array("addons");
  for (std::size_t i = 0; i < addons.size(); ++i) {
    Fields addon(&addons[i], fmt::format("{}[{}]", spec.path("addons"), i), spec.error());
    AddonSpec parsed{addon.required_text("name"), addon.text("version")};
    const bool is_twice = std::any_of(
        out.begin(), out.end(), [&](const AddonSpec& other) { return other.name == parsed.name; });
    if (parsed.name.size() > kMaxAddonName || is_twice) {
      addon.refuse("name", "the name of one add-on, of at most 40 characters");
    }
    out.push_back(std::move(parsed));
  }
  return out;
}

void parse_networks(Fields& spec, Vk8sSpec& out) {
  Fields kubernetes(spec.find("kubernetes"), spec.path("kubernetes"), spec.error());
  out.kubernetes_version = kubernetes.text("version");
  out.pod_network_cidr = text_or(kubernetes.text("podNetworkCidr"), kDefaultPodNetworkCidr);
  out.service_cidr = text_or(kubernetes.text("serviceCidr"), kDefaultServiceCidr);
  Fields api_server(spec.find("apiServer"), spec.path("apiServer"), spec.error());
  out.extra_sans = api_server.texts("extraSANs");
  Fields network(spec.find("network"), spec.path("network"), spec.error());
  out.upstream_dns = network.texts("upstreamDNS");
  out.static_ips = network.flag("staticIPs");
  out.ip_pool = network.text("ipPool");
}

Vk8sSpec parse_spec(Fields spec) {
  Vk8sSpec out;
  parse_networks(spec, out);
  const JsonArray nodes = spec.array("nodes");
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    out.nodes.push_back(
        parse_node(Fields(&nodes[i], fmt::format("{}[{}]", spec.path("nodes"), i), spec.error())));
  }
  const JsonArray ports = spec.array("ports");
  for (std::size_t i = 0; i < ports.size(); ++i) {
    out.ports.push_back(
        parse_port(Fields(&ports[i], fmt::format("{}[{}]", spec.path("ports"), i), spec.error())));
  }
  for (const Json& item : spec.array("imagePullSecrets")) {
    out.image_pull_secrets.push_back(
        Fields(&item, spec.path("imagePullSecrets[]"), spec.error()).required_text("name"));
  }
  out.access_pod_image = spec.text("accessPodImage");
  out.access_pod_port = spec.port("accessPodPort");
  out.paused = spec.flag("paused");
  if (spec.has("kubeflow")) {
    out.kubeflow =
        parse_kubeflow(Fields(spec.find("kubeflow"), spec.path("kubeflow"), spec.error()));
  }
  out.addons = parse_addons(spec);
  std::size_t masters = 0;
  for (const NodeSpec& node : out.nodes) {
    masters += node.role == NodeRole::kMaster ? 1 : 0;
  }
  if (masters != 1) {
    spec.refuse("nodes", "a list with exactly one node of role master");
  }
  return out;
}

}  // namespace

bool Vk8s::wants_pause() const {
  return spec.paused || metadata.annotations.contains(std::string(kStoppedAnnotation));
}

bool Vk8s::wants_addresses() const {
  return std::any_of(spec.nodes.begin(), spec.nodes.end(),
                     [this](const NodeSpec& node) { return wants_address(node); });
}

bool Vk8s::has_addons() const {
  return spec.kubeflow || !spec.addons.empty() || status.kubeflow || !status.addons.empty();
}

const NodeSpec* Vk8s::find_node(std::string_view name) const {
  for (const NodeSpec& node : spec.nodes) {
    if (node.name == name) {
      return &node;
    }
  }
  return nullptr;
}

const NodeSpec& Vk8s::master() const {
  for (const NodeSpec& node : spec.nodes) {
    if (node.role == NodeRole::kMaster) {
      return node;
    }
  }
  return spec.nodes.front();
}

Result<Vk8s> parse_vk8s(const Json& object) {
  std::optional<Error> error;
  Fields root(&object, "Vk8s", error);
  Vk8s out;
  out.metadata = parse_metadata(Fields(root.find("metadata"), "metadata", error));
  out.spec = parse_spec(Fields(root.find("spec"), "spec", error));
  if (error) {
    return tl::unexpected<Error>(*std::move(error));
  }
  if (const Json* status = root.find("status")) {
    out.status = parse_vk8s_status(*status);
  }
  return out;
}

}  // namespace vk8s::api
