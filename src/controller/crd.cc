// The CustomResourceDefinition of Vk8s: what the API server accepts.
//
// CEL rules have a budget by the estimated cost: so every string has a
// maxLength, every list a maxItems, and rules over pairs of items stay few.
#include <fmt/format.h>

#include "api/vk8s.h"
#include "controller/manifests.h"
#include "controller/schema.h"

namespace vk8s::controller {
namespace {

using namespace schema;  // NOLINT: the schema reads as a document this way

constexpr std::string_view kDnsLabel = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
constexpr int kMaxName = 253;
// It is a part of names inside the cluster.
constexpr int kMaxAddonName = 40;

// A StatefulSet's name: its pods carry "<name>-<revision hash>" as a label value
// of at most 63 characters.
constexpr int kMaxNodeName = 52;

JsonObject cidr(std::string_view description, std::string_view field, std::string_view fallback,
                int shortest_prefix, int longest_prefix) {
  const std::string ipv4 = "isCIDR(self) && cidr(self).ip().family() == 4";
  return with_default(
      with_rules(
          text(description, 43),
          JsonArray{
              rule(ipv4, fmt::format("{} must be an IPv4 network such as {}", field, fallback)),
              rule(fmt::format("!({}) || cidr(self) == cidr(self).masked()", ipv4),
                   fmt::format("{} must not have bits set beyond its prefix", field)),
              rule(fmt::format("!({}) || (cidr(self).prefixLength() >= {} && "
                               "cidr(self).prefixLength() <= {})",
                               ipv4, shortest_prefix, longest_prefix),
                   fmt::format("{} must have a prefix length of {} to {}", field, shortest_prefix,
                               longest_prefix)),
          }),
      Json(fallback));
}

JsonObject kubernetes_schema() {
  JsonObject properties;
  properties["version"] = pattern_text(
      "Version of the virtual Kubernetes, such as \"1.37\". Without it: the version "
      "in the image's tag, else the newest there is.",
      32, R"(^v?1\.[0-9]{1,3}(\.[0-9]{1,3})?$)");
  properties["podNetworkCidr"] =
      cidr("Network of the pods inside. Immutable.", "spec.kubernetes.podNetworkCidr",
           api::kDefaultPodNetworkCidr, 8, 22);
  properties["serviceCidr"] = cidr("Network of the Services inside. Immutable.",
                                   "spec.kubernetes.serviceCidr", api::kDefaultServiceCidr, 12, 24);
  const std::string_view overlap =
      "!isCIDR(self.podNetworkCidr) || !isCIDR(self.serviceCidr) || "
      "!(cidr(self.podNetworkCidr).containsIP(cidr(self.serviceCidr).ip()) || "
      "cidr(self.serviceCidr).containsIP(cidr(self.podNetworkCidr).ip()))";
  return with_default(with_rules(object("The virtual Kubernetes.", std::move(properties)),
                                 JsonArray{rule(overlap,
                                                "spec.kubernetes.serviceCidr must not overlap "
                                                "spec.kubernetes.podNetworkCidr",
                                                ".serviceCidr")}),
                      JsonObject{{"podNetworkCidr", Json(api::kDefaultPodNetworkCidr)},
                                 {"serviceCidr", Json(api::kDefaultServiceCidr)}});
}

JsonObject resources_schema() {
  JsonObject properties;
  properties["limits"] = text_map("Most the node may use.", quantity(""), 16);
  properties["requests"] = text_map("What the host reserves for the node.", quantity(""), 16);
  return object("Compute resources of the node's pod, as a container has them.",
                std::move(properties));
}

JsonObject storage_schema() {
  JsonObject properties;
  properties["size"] = quantity("Size of the node's volume. Masters have 8Gi by default.");
  properties["storageClassName"] =
      text("StorageClass of the host. Without it: the host's default.", kMaxName);
  properties["reclaim"] = with_default(
      choice("What becomes of the volume when the node goes.", {"Delete", "Retain"}), "Delete");
  properties["ephemeral"] = flag(
      "Keep the node's state in the pod: it is lost when the pod goes, with the volumes inside "
      "that lie on the node.");
  return object(
      "The node's volume, where all its state lies, and the volumes inside. Workers have "
      "none by default, and no volumes inside lie on these. Immutable.",
      std::move(properties));
}

JsonObject toleration_schema() {
  JsonObject properties;
  properties["key"] = text("", 317);
  properties["operator"] = choice("", {"Exists", "Equal"});
  properties["value"] = text("", 63);
  properties["effect"] = choice("", {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  properties["tolerationSeconds"] = long_integer("");
  return object("", std::move(properties));
}

JsonObject taint_schema() {
  JsonObject properties;
  properties["key"] = text("", 317);
  properties["value"] = text("", 63);
  properties["effect"] = choice("", {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  return object("", std::move(properties), {"key", "effect"});
}

JsonObject node_schema() {
  JsonObject properties;
  properties["name"] = pattern_text(
      "Name of the node, and of its StatefulSet on the host: two clusters of one "
      "namespace cannot share one.",
      kMaxNodeName, kDnsLabel);
  properties["role"] = choice("Immutable.", {"master", "worker"});
  properties["image"] =
      text("Image of the node. Without it: the one of spec.kubernetes.version.", 512);
  properties["ip"] = with_rules(
      text("Address of the node's pod on the host, of a VNodeIPPool. Without it: any, or with "
           "spec.network.staticIPs a fixed one that is chosen. Immutable.",
           39),
      JsonArray{rule("isIP(self) && ip.isCanonical(self)",
                     "spec.nodes[].ip must be an IP address in its canonical form, such as "
                     "10.1.0.7 or fd00::7; IPv4-mapped IPv6 is refused")});
  properties["resources"] = resources_schema();
  properties["storage"] = storage_schema();
  properties["labels"] = with_rules(
      text_map("Labels of the Node inside. Edits reach a running node at once; labels set "
               "inside stay.",
               text("", 63), 64),
      JsonArray{rule(fmt::format("!('{}' in self)", api::kVolumesLabel),
                     fmt::format("spec.nodes[].labels must not have {}: it follows from "
                                 "spec.nodes[].storage",
                                 api::kVolumesLabel))});
  properties["taints"] = list(
      "Taints of the Node inside. Edits reach a running node at once; taints set inside "
      "stay. Those of node.kubernetes.io are Kubernetes' own.",
      taint_schema(), 32);
  properties["tolerations"] =
      list("Tolerations of the node's pod on the host.", toleration_schema(), 32);
  return with_rules(
      object("", std::move(properties), {"name", "role"}),
      JsonArray{
          rule("self.role == oldSelf.role", "spec.nodes[].role is immutable", ".role"),
          rule("has(self.storage) == has(oldSelf.storage) && "
               "(!has(self.storage) || self.storage == oldSelf.storage)",
               "spec.nodes[].storage is immutable"),
          rule("has(self.ip) == has(oldSelf.ip) && (!has(self.ip) || self.ip == oldSelf.ip)",
               "spec.nodes[].ip is immutable: it is set when the node is made; to change it, "
               "remove the node and add another"),
      });
}

JsonObject nodes_schema() {
  JsonObject out = with_rules(
      map_list("The nodes: one master, any number of workers.", node_schema(), kMaxNodes, {"name"}),
      JsonArray{
          rule("self.exists(n, n.role == 'master')",
               "spec.nodes must have one node of role master"),
          rule("self.filter(n, n.role == 'master').size() <= 1",
               "spec.nodes must have no more than one node of role master"),
          rule("self.all(n, !has(n.ip) || self.filter(m, has(m.ip) && m.ip == n.ip).size() == 1)",
               "spec.nodes[].ip must be unique: two nodes cannot have one address"),
      });
  out["minItems"] = 1;
  return out;
}

JsonObject ports_schema() {
  JsonObject properties;
  properties["name"] = pattern_text("", 63, kDnsLabel);
  properties["protocol"] = with_default(choice("", {"TCP", "UDP", "SCTP"}), "TCP");
  properties["port"] = integer("Port of the Service <cluster>-ports.", 1, 65535);
  properties["targetPort"] =
      integer("Port of the nodes: a NodePort or hostPort inside. Without it: port.", 1, 65535);
  properties["service"] =
      pattern_text("Or a Service inside, <namespace>/<name>: the node keeps a NodePort for it.",
                   127, "^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
  properties["nodePort"] = integer("Port of the host's nodes. Without it: any free one.", 1, 65535);
  JsonObject item =
      with_rules(object("", std::move(properties), {"port"}),
                 JsonArray{rule("!(has(self.targetPort) && has(self.service))",
                                "spec.ports[]: set targetPort or service, not both", ".service")});
  return with_rules(map_list("Ports of the cluster that the host's network reaches.",
                             std::move(item), kMaxPorts, {"port", "protocol"}),
                    JsonArray{rule("self.all(p, !has(p.name) || "
                                   "self.filter(q, has(q.name) && q.name == p.name).size() == 1)",
                                   "spec.ports[].name must be unique")});
}

JsonObject name_reference(std::string_view description) {
  JsonObject properties;
  properties["name"] = text("", kMaxName);
  return object(description, std::move(properties), {"name"});
}

JsonObject kubeflow_schema() {
  JsonObject properties;
  properties["version"] =
      text("Such as \"2.0\". Without it: the one that this installation has.", 32);
  properties["profile"] = text(
      "Which of Kubeflow's components are installed: training or full. Without it: training.", 63);
  properties["email"] = pattern_text(
      "The first user's, where the profile has a login. Without it: that of its manifests.", 254,
      R"(^([A-Za-z0-9][A-Za-z0-9._%+-]*@[A-Za-z0-9]([A-Za-z0-9._%+-]*[A-Za-z0-9])?)?$)");
  properties["password"] = text("Deprecated: it is moved to a Secret. Use passwordSecretRef.", 256);
  properties["passwordSecretRef"] =
      name_reference("Secret of this namespace with the first user's password (key password).");
  return object("Kubeflow inside the cluster. Without it, or once it is removed: none.",
                std::move(properties));
}

JsonObject addons_schema() {
  JsonObject properties;
  properties["name"] =
      with_rules(pattern_text("As this installation calls it.", kMaxAddonName, kDnsLabel),
                 JsonArray{rule("!(self in ['kubeflow', 'training', 'full'])",
                                "spec.addons[].name: Kubeflow is asked for by spec.kubeflow")});
  properties["version"] = text("Without it: the one that this installation has.", 32);
  return map_list("What else is installed inside the cluster.",
                  object("", std::move(properties), {"name"}), kMaxAddons, {"name"});
}

JsonObject address_list(std::string_view description, int max_items) {
  return list(
      description,
      with_rules(text("", 45),
                 JsonArray{rule("isIP(self)", "spec.network.upstreamDNS[] must be an IP address")}),
      max_items);
}

JsonArray spec_rules() {
  const auto same = [](std::string_view field) {
    return rule(fmt::format("!has(oldSelf.kubernetes) || !has(oldSelf.kubernetes.{0}) || "
                            "(has(self.kubernetes) && has(self.kubernetes.{0}) && "
                            "self.kubernetes.{0} == oldSelf.kubernetes.{0})",
                            field),
                fmt::format("spec.kubernetes.{} is immutable", field),
                fmt::format(".kubernetes.{}", field));
  };
  // Its volume is the cluster's state: under another name it would begin empty.
  Json same_master = rule(
      "self.nodes.all(n, n.role != 'master' || "
      "oldSelf.nodes.exists(o, o.name == n.name && o.role == 'master'))",
      "spec.nodes[]: the master's name is immutable: its volume holds the cluster's state",
      ".nodes");
  // Nodes would lose the addresses that others know them by.
  Json still_static = rule(
      "!has(oldSelf.network) || !has(oldSelf.network.staticIPs) || !oldSelf.network.staticIPs || "
      "(has(self.network) && has(self.network.staticIPs) && self.network.staticIPs)",
      "spec.network.staticIPs cannot be turned off again: addresses stay until their nodes leave",
      ".network.staticIPs");
  return JsonArray{same("podNetworkCidr"), same("serviceCidr"), std::move(same_master),
                   std::move(still_static)};
}

JsonObject network_schema() {
  JsonObject properties;
  properties["upstreamDNS"] =
      address_list("Resolvers of names outside the cluster. Without it: the host's.", 3);
  properties["staticIPs"] = flag(
      "Every node keeps its address on the host for the life of the cluster: over restarts, "
      "pauses and moves to another host node. Cannot be turned off again.");
  properties["ipPool"] = text(
      "VNodeIPPool that new fixed addresses come from. Without it: any that allows the "
      "cluster. Nodes that have an address keep it.",
      kMaxName);
  return object("", std::move(properties));
}

JsonObject spec_schema() {
  JsonObject api_server;
  api_server["extraSANs"] =
      list("More names and addresses of the API server's certificate.", text("", kMaxName), 32);
  JsonObject properties;
  properties["kubernetes"] = kubernetes_schema();
  properties["nodes"] = nodes_schema();
  properties["ports"] = ports_schema();
  properties["apiServer"] = object("", std::move(api_server));
  properties["network"] = network_schema();
  properties["imagePullSecrets"] =
      list("Secrets of this namespace for pulling the nodes' images.", name_reference(""), 16);
  properties["accessPodImage"] =
      text("Image of a pod that is given the cluster's kubeconfig. Without it: no such pod.", 512);
  properties["accessPodPort"] = integer("Port of that pod, behind <cluster>-access-svc.", 1, 65535);
  properties["paused"] = flag("Stop the nodes and keep their volumes.");
  properties["kubeflow"] = kubeflow_schema();
  properties["addons"] = addons_schema();
  return with_rules(object("", std::move(properties), {"nodes"}), spec_rules());
}

// How far an add-on is; with_name: it is one of several.
JsonObject addon_status_schema(std::string_view description, bool with_name) {
  JsonObject component;
  component["name"] = text("", kMaxName);
  component["ready"] = flag("");
  component["message"] = text("What it waits for; of a ready one, what others have set.", 4096);
  JsonObject properties;
  if (with_name) {
    properties["name"] = text("", kMaxAddonName);
  }
  properties["phase"] =
      text("Pending, Blocked, Installing, Failed, Ready, Removing or Removed.", 32);
  properties["version"] = text("", 64);
  properties["message"] = text("", 4096);
  properties["progress"] = integer("Percent.", 0, 100);
  properties["components"] = map_list("", object("", std::move(component), {"name"}), 64, {"name"});
  return with_name ? object(description, std::move(properties), {"name"})
                   : object(description, std::move(properties));
}

JsonObject status_schema() {
  JsonObject node;
  node["name"] = text("", 63);
  node["role"] = text("", 16);
  node["phase"] = text("", 64);
  node["message"] = text("", 4096);
  node["progress"] = integer("Percent.", 0, 100);
  node["ip"] = text("", 45);
  node["reservedIP"] = text("The fixed address, whether a pod has it now or not.", 45);
  node["kubeletVersion"] = text("", 64);

  JsonObject properties;
  properties["phase"] = text("", 64);
  properties["message"] = text("", 32768);
  properties["observedGeneration"] = long_integer("");
  properties["version"] = text("Version of the virtual Kubernetes.", 32);
  properties["endpoint"] = text("Where the host's network reaches the API server.", 512);
  properties["kubeconfigSecret"] = text("Secret with the kubeconfig.", kMaxName);
  properties["readyNodes"] = text("Nodes that are ready of those wanted, as in 1/2.", 16);
  properties["nodes"] = map_list("", object("", std::move(node), {"name"}), kMaxNodes, {"name"});
  properties["conditions"] = map_list("", condition(), 32, {"type"});
  properties["kubeflow"] = addon_status_schema(
      "How far Kubeflow is. It is there until the last of it has been removed.", false);
  properties["addons"] = map_list("How far spec.addons are, and those that are being removed.",
                                  addon_status_schema("", true), 2 * kMaxAddons, {"name"});
  return object("What the controller observes.", std::move(properties));
}

JsonArray printer_columns() {
  return JsonArray{
      column("Phase", ".status.phase", "string"),
      column("Version", ".status.version", "string"),
      column("Nodes", ".status.readyNodes", "string"),
      column("Age", ".metadata.creationTimestamp", "date"),
      column("Endpoint", ".status.endpoint", "string", 1),
      column("Message", ".status.message", "string", 1),
  };
}

JsonObject resource_schema() {
  JsonObject properties;
  properties["apiVersion"] = JsonObject{{"type", "string"}};
  properties["kind"] = JsonObject{{"type", "string"}};
  properties["metadata"] = JsonObject{{"type", "object"}};
  properties["spec"] = spec_schema();
  properties["status"] = status_schema();
  return with_rules(
      object("A virtual Kubernetes cluster that runs in pods of this one.", std::move(properties),
             {"spec"}),
      JsonArray{rule("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$')",
                     "metadata.name must begin with a letter and have at most 50 letters, digits "
                     "and '-': Services are named after it")});
}

}  // namespace

Json crd_manifest() {
  JsonObject version;
  version["name"] = "v1alpha1";
  version["served"] = true;
  version["storage"] = true;
  version["subresources"] = JsonObject{{"status", JsonObject()}};
  version["additionalPrinterColumns"] = printer_columns();
  version["schema"] = JsonObject{{"openAPIV3Schema", resource_schema()}};

  JsonObject names;
  names["kind"] = "Vk8s";
  names["listKind"] = "Vk8sList";
  names["plural"] = "vk8s";
  names["singular"] = "vk8s";
  names["shortNames"] = JsonArray{"vk"};

  JsonObject spec;
  spec["group"] = api::kVk8sGroup;
  spec["names"] = std::move(names);
  spec["scope"] = "Namespaced";
  spec["versions"] = JsonArray{std::move(version)};

  JsonObject out;
  out["apiVersion"] = "apiextensions.k8s.io/v1";
  out["kind"] = "CustomResourceDefinition";
  out["metadata"] = JsonObject{{"name", fmt::format("vk8s.{}", api::kVk8sGroup)}};
  out["spec"] = std::move(spec);
  return out;
}

}  // namespace vk8s::controller
