// The CustomResourceDefinitions of static addresses: VNodeIPPool and IPAllocation.
#include <fmt/format.h>

#include "api/ip_pool.h"
#include "api/vk8s.h"
#include "controller/manifests.h"
#include "controller/schema.h"

namespace vk8s::controller {
namespace {

using namespace schema;  // NOLINT: the schema reads as a document this way

constexpr std::string_view kDnsLabel = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
constexpr std::string_view kDnsSubdomain = R"(^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$)";
constexpr int kMaxLabel = 63;
constexpr int kMaxName = 253;
// "2001:db8:...": eight groups of four. No IPv4-mapped form is taken.
constexpr int kMaxAddress = 39;
constexpr int kMaxRange = 2 * kMaxAddress + 1;

JsonObject ranges(std::string_view description, std::string_view field, int max_items) {
  // That a range does not end before it begins has no word in CEL: the pool's condition
  // says it.
  const std::string_view valid =
      "self.contains('/') ? isCIDR(self) && cidr(self) == cidr(self).masked() : "
      "self.contains('-') ? self.split('-').size() == 2 && self.split('-').all(a, isIP(a)) && "
      "ip(self.split('-')[0]).family() == ip(self.split('-')[1]).family() : isIP(self)";
  return list(
      description,
      with_rules(text("", kMaxRange),
                 JsonArray{rule(valid, fmt::format("{}[] must be a network such as 10.1.0.0/24 "
                                                   "without bits beyond its prefix, a range such "
                                                   "as 10.1.0.5-10.1.0.9, or one address",
                                                   field))}),
      max_items);
}

JsonObject pool_spec_schema() {
  JsonObject selector;
  selector["matchLabels"] = text_map("", text("", kMaxLabel), 64);

  JsonObject properties;
  properties["ranges"] = ranges(
      "What may be given. Of a network the network and broadcast address (IPv4) and the "
      "subnet-router anycast address (IPv6) are left out.",
      "spec.ranges", api::kMaxPoolRanges);
  properties["ranges"].as_object()["minItems"] = 1;
  properties["exclusions"] =
      ranges("What of them may not.", "spec.exclusions", api::kMaxPoolExclusions);
  properties["gateway"] = with_rules(
      text("The network's gateway: never given.", kMaxAddress),
      JsonArray{rule("isIP(self) && ip.isCanonical(self)",
                     "spec.gateway must be an IP address in its canonical form, such as 10.1.0.1 "
                     "or fd00::1")});
  properties["namespaces"] = list("Namespaces whose pods may have them. Without it: all.",
                                  pattern_text("", kMaxLabel, kDnsLabel), api::kMaxPoolNamespaces);
  properties["clusterSelector"] = object(
      "Labels that a Vk8s must have for its nodes to get one. Without it: any Vk8s, and "
      "pods of none.",
      std::move(selector));
  return object("", std::move(properties), {"ranges"});
}

JsonObject pool_status_schema() {
  JsonObject properties;
  properties["observedGeneration"] = long_integer("");
  properties["capacity"] = long_integer("Addresses that may be given.");
  properties["allocated"] = long_integer("Those of them that are taken.");
  properties["outside"] =
      long_integer("Addresses that were given from this pool and lie outside it now.");
  properties["conditions"] = map_list("", condition(), 32, {"type"});
  return object("Ready is False with reason Invalid, Overlap, OverlapsNodes or Exhausted.",
                std::move(properties));
}

JsonObject owner_schema() {
  JsonObject properties;
  properties["namespace"] = pattern_text("", kMaxLabel, kDnsLabel);
  properties["pod"] =
      pattern_text("Name of the pod, whether it runs or not.", kMaxName, kDnsSubdomain);
  properties["cluster"] =
      pattern_text("Name of the Vk8s whose node it is.", kMaxName, kDnsSubdomain);
  properties["clusterUID"] = text("That Vk8s and no later one of its name.", kMaxLabel);
  properties["node"] = pattern_text("Name of the node in spec.nodes.", kMaxLabel, kDnsLabel);
  return with_rules(
      object("The pod that has it. Without it: reserved, for nobody. Immutable once set.",
             std::move(properties), {"namespace", "pod"}),
      JsonArray{rule("has(self.cluster) == has(self.clusterUID)",
                     "spec.owner: cluster and clusterUID go together", ".clusterUID")});
}

JsonObject allocation_spec_schema() {
  const auto same = [](std::string_view field) {
    return rule(
        fmt::format("has(self.{0}) == has(oldSelf.{0}) && "
                    "(!has(self.{0}) || self.{0} == oldSelf.{0})",
                    field),
        fmt::format("spec.{} is immutable: delete the IPAllocation and make another", field),
        fmt::format(".{}", field));
  };
  JsonObject properties;
  properties["address"] = with_rules(
      text("In canonical form. Immutable.", kMaxAddress),
      JsonArray{rule("isIP(self) && ip.isCanonical(self)",
                     "spec.address must be an IP address in its canonical form, such as 10.1.0.7 "
                     "or fd00::7; IPv4-mapped IPv6 is refused")});
  properties["pool"] = text("VNodeIPPool it was given from. Immutable.", kMaxName);
  properties["owner"] = owner_schema();
  properties["note"] = text("Words of whoever reserved it.", 1024);
  properties["releasing"] = flag("Given back: the object is deleted once no pod has the address.");
  // A reservation may be given to a pod; from then on it is that pod's.
  Json owner = rule("!has(oldSelf.owner) || (has(self.owner) && self.owner == oldSelf.owner)",
                    "spec.owner is immutable once it is set: delete the IPAllocation and make "
                    "another",
                    ".owner");
  return with_rules(object("", std::move(properties), {"address"}),
                    JsonArray{same("address"), same("pool"), std::move(owner)});
}

// The name is the address in one spelling, so nobody else can take it.
JsonArray name_rules() {
  return JsonArray{
      rule("!isIP(self.spec.address) || (ip(self.spec.address).family() == 4 ? "
           "self.metadata.name == self.spec.address : "
           "self.metadata.name.matches('^[0-9a-f]{4}(-[0-9a-f]{4}){7}$') && "
           "isIP(self.metadata.name.replace('-', ':')) && "
           "ip(self.metadata.name.replace('-', ':')) == ip(self.spec.address))",
           "metadata.name must be spec.address: 10.1.0.7, or for IPv6 its eight groups of four "
           "hexadecimal digits joined by '-', as in fd00-0000-0000-0000-0000-0000-0000-0007")};
}

JsonObject root(std::string_view description, JsonObject spec, JsonArray rules) {
  JsonObject properties;
  properties["apiVersion"] = JsonObject{{"type", "string"}};
  properties["kind"] = JsonObject{{"type", "string"}};
  properties["metadata"] = JsonObject{{"type", "object"}};
  properties["spec"] = std::move(spec);
  JsonObject out = object(description, std::move(properties), {"spec"});
  return rules.empty() ? out : with_rules(std::move(out), std::move(rules));
}

JsonObject names(std::string_view kind, std::string_view plural, std::string_view singular,
                 std::string_view short_name) {
  JsonObject out;
  out["kind"] = kind;
  out["listKind"] = std::string(kind) + "List";
  out["plural"] = plural;
  out["singular"] = singular;
  out["shortNames"] = JsonArray{Json(short_name)};
  return out;
}

// Cluster-scoped: an address is the whole host's.
Json crd(JsonObject names, JsonObject version) {
  version["name"] = "v1alpha1";
  version["served"] = true;
  version["storage"] = true;
  JsonObject metadata;
  metadata["name"] =
      fmt::format("{}.{}", std::string_view(names["plural"].as_string()), api::kVk8sGroup);
  JsonObject spec;
  spec["group"] = api::kVk8sGroup;
  spec["names"] = std::move(names);
  spec["scope"] = "Cluster";
  spec["versions"] = JsonArray{std::move(version)};

  JsonObject out;
  out["apiVersion"] = "apiextensions.k8s.io/v1";
  out["kind"] = "CustomResourceDefinition";
  out["metadata"] = std::move(metadata);
  out["spec"] = std::move(spec);
  return out;
}

}  // namespace

Json ip_pool_crd_manifest() {
  JsonObject schema =
      root("Addresses that may be given to nodes of virtual clusters, for as long as they live.",
           pool_spec_schema(), {});
  schema["properties"].as_object()["status"] = pool_status_schema();

  JsonObject version;
  version["subresources"] = JsonObject{{"status", JsonObject()}};
  version["additionalPrinterColumns"] = JsonArray{
      column("Ranges", ".spec.ranges", "string"),
      column("Capacity", ".status.capacity", "integer"),
      column("Allocated", ".status.allocated", "integer"),
      column("Reason", ".status.conditions[?(@.type==\"Ready\")].reason", "string"),
      column("Age", ".metadata.creationTimestamp", "date"),
      column("Message", ".status.conditions[?(@.type==\"Ready\")].message", "string", 1),
  };
  version["schema"] = JsonObject{{"openAPIV3Schema", std::move(schema)}};
  return crd(names("VNodeIPPool", "vnodeippools", "vnodeippool", "vippool"), std::move(version));
}

Json ip_allocation_crd_manifest() {
  JsonObject version;
  version["additionalPrinterColumns"] = JsonArray{
      column("Address", ".spec.address", "string"),
      column("Pool", ".spec.pool", "string"),
      column("Namespace", ".spec.owner.namespace", "string"),
      column("Pod", ".spec.owner.pod", "string"),
      column("Releasing", ".spec.releasing", "boolean"),
      column("Age", ".metadata.creationTimestamp", "date"),
      column("Note", ".spec.note", "string", 1),
  };
  version["schema"] = JsonObject{
      {"openAPIV3Schema",
       root("One address that is taken, and by whom. Its name is the address, so none is taken "
            "twice.",
            allocation_spec_schema(), name_rules())}};
  return crd(names("IPAllocation", "ipallocations", "ipallocation", "ipalloc"), std::move(version));
}

std::vector<Json> crd_manifests() {
  return {crd_manifest(), ip_pool_crd_manifest(), ip_allocation_crd_manifest()};
}

}  // namespace vk8s::controller
