// The pod that is a node.
#include <fmt/format.h>

#include <algorithm>

#include "api/ip_allocation.h"
#include "api/quantity.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kAgentPath = "/opt/vk8s/bin/vk8s-agent";
constexpr std::string_view kConfigPath = "/etc/vk8s/config";
constexpr std::string_view kStatePath = "/var/lib/vk8s";

// Of a pod: what it was told at its start, as a fingerprint. A change rolls the node.
constexpr std::string_view kNodeConfigAnnotation = "vk8s.sktelecom.com/node-config";

// What the host reserves for a node where the user does not say. Without this the
// API server would reserve the whole limit, and small hosts could not overcommit.
struct DefaultRequest {
  std::string_view resource;
  std::string_view master;
  std::string_view worker;
};
constexpr DefaultRequest kDefaultRequests[] = {{"cpu", "100m", "50m"},
                                               {"memory", "512Mi", "256Mi"}};

std::int64_t millis(const Json& quantity) {
  const std::string text =
      quantity.is_string() ? std::string(quantity.get_string()) : base::to_string(quantity);
  return api::parse_quantity_millis(text).value_or(0);
}

const Json* entry(const JsonObject& resources, std::string_view list, std::string_view name) {
  const Json* entries = resources.if_contains({list.data(), list.size()});
  const JsonObject* object = entries == nullptr ? nullptr : entries->if_object();
  return object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
}

JsonObject resources_of(const api::NodeSpec& node) {
  JsonObject out = node.resources;
  if (!out["requests"].is_object()) {
    out["requests"] = JsonObject();
  }
  for (const DefaultRequest& request : kDefaultRequests) {
    if (entry(out, "requests", request.resource) != nullptr) {
      continue;
    }
    const Json wanted(node.role == api::NodeRole::kMaster ? request.master : request.worker);
    const Json* limit = entry(out, "limits", request.resource);
    const bool above = limit != nullptr && millis(*limit) < millis(wanted);
    out["requests"].get_object()[request.resource] = above ? *limit : wanted;
  }
  return out;
}

// /readyz is true once the Node inside is Ready. Often at first, for a user is
// waiting; then seldom, for each probe costs a TLS handshake.
JsonObject probe(int period_seconds, int failures) {
  JsonObject http;
  http["path"] = "/readyz";
  http["port"] = kAgentPort;
  http["scheme"] = "HTTPS";
  JsonObject out;
  out["httpGet"] = std::move(http);
  out["periodSeconds"] = period_seconds;
  out["timeoutSeconds"] = 3;
  out["failureThreshold"] = failures;
  return out;
}

JsonObject mount(std::string_view name, std::string_view path, bool read_only = false) {
  JsonObject out;
  out["name"] = name;
  out["mountPath"] = path;
  if (read_only) {
    out["readOnly"] = true;
  }
  return out;
}

JsonObject container_port(std::string_view name, int port) {
  JsonObject out;
  out["name"] = name;
  out["containerPort"] = port;
  out["protocol"] = "TCP";
  return out;
}

JsonObject container(const Cluster& cluster, const api::NodeSpec& node) {
  JsonArray ports{container_port("agent", kAgentPort)};
  if (node.role == api::NodeRole::kMaster) {
    ports.push_back(container_port("https", kApiServerPort));
  }
  JsonObject security;
  security["privileged"] = true;
  JsonObject out;
  out["name"] = "vnode";
  out["image"] = cluster.image_of(node);
  out["imagePullPolicy"] = "IfNotPresent";
  out["command"] = JsonArray{Json(kAgentPath)};
  out["ports"] = std::move(ports);
  out["resources"] = resources_of(node);
  out["securityContext"] = std::move(security);
  // The limit is a day: a node that heals slowly must not be killed by its host.
  out["startupProbe"] = probe(1, 24 * 3600);
  out["readinessProbe"] = probe(5, 3);
  out["volumeMounts"] = JsonArray{mount("data", kStatePath), mount("config", kConfigPath, true),
                                  mount("run", "/run")};
  return out;
}

JsonObject secret_source(std::string_view name, std::initializer_list<std::string_view> files) {
  JsonObject secret;
  secret["name"] = name;
  if (files.size() > 0) {
    JsonArray items;
    for (const std::string_view file : files) {
      JsonObject item;
      item["key"] = file;
      item["path"] = file;
      items.push_back(std::move(item));
    }
    secret["items"] = std::move(items);
  }
  JsonObject out;
  out["secret"] = std::move(secret);
  return out;
}

JsonObject config_volume(const Cluster& cluster, const api::NodeSpec& node) {
  JsonArray sources{secret_source(config_secret_of(node.name), {})};
  if (node.role == api::NodeRole::kMaster) {
    // Without ca.crt: every node's own Secret has that.
    sources.push_back(secret_source(cluster.pki_secret(),
                                    {"ca.key", "etcd-ca.crt", "etcd-ca.key", "front-proxy-ca.crt",
                                     "front-proxy-ca.key", "sa.pub", "sa.key"}));
  }
  JsonObject projected;
  projected["defaultMode"] = 0400;
  projected["sources"] = std::move(sources);
  JsonObject out;
  out["name"] = "config";
  out["projected"] = std::move(projected);
  return out;
}

JsonObject empty_dir(std::string_view name, JsonObject options) {
  JsonObject out;
  out["name"] = name;
  out["emptyDir"] = std::move(options);
  return out;
}

JsonArray volumes(const Cluster& cluster, const api::NodeSpec& node) {
  JsonObject memory;
  memory["medium"] = "Memory";
  JsonArray out{config_volume(cluster, node), empty_dir("run", std::move(memory))};
  if (node.storage.ephemeral) {
    JsonObject options;
    if (!node.storage.size.empty()) {
      options["sizeLimit"] = node.storage.size;
    }
    out.push_back(empty_dir("data", std::move(options)));
  }
  return out;
}

// Rather on another host node than the cluster's other nodes: one that fails then
// takes one of them.
JsonObject apart_from_peers(const Cluster& cluster) {
  JsonObject selector;
  selector["matchLabels"] = cluster_labels(cluster);
  JsonObject term;
  term["topologyKey"] = "kubernetes.io/hostname";
  term["labelSelector"] = std::move(selector);
  JsonObject preference;
  preference["weight"] = 100;
  preference["podAffinityTerm"] = std::move(term);
  JsonObject anti_affinity;
  anti_affinity["preferredDuringSchedulingIgnoredDuringExecution"] =
      JsonArray{std::move(preference)};
  return JsonObject{{"podAntiAffinity", std::move(anti_affinity)}};
}

JsonObject pod_spec(const Cluster& cluster, const api::NodeSpec& node) {
  JsonObject out;
  // No credentials and no names of the host reach the inside.
  out["automountServiceAccountToken"] = false;
  out["enableServiceLinks"] = false;
  out["terminationGracePeriodSeconds"] = 30;
  JsonArray pull_secrets;
  for (const std::string& name : cluster.vk8s.spec.image_pull_secrets) {
    pull_secrets.push_back(JsonObject{{"name", Json(name)}});
  }
  if (!pull_secrets.empty()) {
    out["imagePullSecrets"] = std::move(pull_secrets);
  }
  const auto& annotations = cluster.vk8s.metadata.annotations;
  if (const auto gpu = annotations.find(node.name); gpu != annotations.end()) {
    JsonObject selector;
    selector[api::kGpuTypeLabel] = gpu->second;
    out["nodeSelector"] = std::move(selector);
  }
  if (!node.tolerations.empty()) {
    out["tolerations"] = node.tolerations;
  }
  out["affinity"] = apart_from_peers(cluster);
  out["containers"] = JsonArray{container(cluster, node)};
  out["volumes"] = volumes(cluster, node);
  return out;
}

// Labels and annotations. What a fixed address adds is no part of a selector: a
// cluster may begin to have them.
JsonObject pod_metadata(const Cluster& cluster, const api::NodeSpec& node) {
  JsonObject labels = node_labels(cluster, node);
  JsonObject annotations;
  if (const auto at = cluster.addresses.find(node.name); at != cluster.addresses.end()) {
    labels[api::kStaticIpLabel] = "true";
    annotations[api::kIpAnnotation] = at->second.address.to_string();
    for (const auto& [name, value] : at->second.annotations) {
      annotations[name] = value;
    }
  }
  JsonObject out;
  out["labels"] = std::move(labels);
  out["annotations"] = std::move(annotations);
  return out;
}

// The claim goes with the Vk8s, and not with the StatefulSet: that would write the
// claim once more while the scheduler binds it, and one of the two must then try again.
JsonObject claim_owner(const Cluster& cluster) {
  JsonObject out;
  out["apiVersion"] = api::kVk8sApiVersion;
  out["kind"] = "Vk8s";
  out["name"] = cluster.name();
  out["uid"] = cluster.vk8s.metadata.uid;
  return out;
}

JsonObject claim_template(const Cluster& cluster, const api::NodeSpec& node) {
  JsonObject metadata;
  metadata["name"] = "data";
  metadata["labels"] = node_labels(cluster, node);
  if (!node.storage.retain) {
    metadata["ownerReferences"] = JsonArray{claim_owner(cluster)};
  }
  JsonObject requests;
  requests["storage"] = node.storage.size;
  JsonObject resources;
  resources["requests"] = std::move(requests);
  JsonObject spec;
  spec["accessModes"] = JsonArray{"ReadWriteOnce"};
  spec["resources"] = std::move(resources);
  if (!node.storage.storage_class_name.empty()) {
    spec["storageClassName"] = node.storage.storage_class_name;
  }
  JsonObject out;
  out["apiVersion"] = "v1";
  out["kind"] = "PersistentVolumeClaim";
  out["metadata"] = std::move(metadata);
  out["spec"] = std::move(spec);
  return out;
}

// nullptr: the node has no volume.
const Json* claim_template_of(const Json& stateful_set) {
  const JsonArray* claims = base::get_array(stateful_set, "spec.volumeClaimTemplates");
  return claims == nullptr || claims->empty() ? nullptr : &claims->front();
}

// One node: a StatefulSet of one pod, replaced only by the controller.
class NodeStatefulSet final : public Resource {
 public:
  explicit NodeStatefulSet(std::string node_name) : node_name_(std::move(node_name)) {}

  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kStatefulSet, node_name_);
  }

  bool is_wanted(const Cluster& cluster) const override {
    return cluster.vk8s.find_node(node_name_) != nullptr;
  }

  Json desired(const Cluster& cluster) const override {
    const api::NodeSpec* node = cluster.vk8s.find_node(node_name_);
    if (node == nullptr) {
      return {};
    }
    JsonObject out = object_of(cluster, ref(cluster));
    JsonObject& metadata = out["metadata"].get_object();
    metadata["labels"] = node_labels(cluster, *node);
    JsonObject annotations;
    if (const auto cidr = cluster.pod_cidrs.find(node_name_); cidr != cluster.pod_cidrs.end()) {
      annotations[kPodCidrAnnotation] = cidr->second;
    }
    if (is_labelled(cluster, *node)) {
      annotations[kLabelledAnnotation] = "true";
    }
    if (!annotations.empty()) {
      metadata["annotations"] = std::move(annotations);
    }
    out["spec"] = spec(cluster, *node);
    return out;
  }

 private:
  static JsonObject spec(const Cluster& cluster, const api::NodeSpec& node) {
    JsonObject labels = cluster_labels(cluster);
    labels["vnode"] = node.name;
    JsonObject selector;
    selector["matchLabels"] = std::move(labels);
    JsonObject template_metadata = pod_metadata(cluster, node);
    template_metadata["annotations"].get_object()[kNodeConfigAnnotation] =
        node_config_fingerprint(cluster, node);
    JsonObject tmpl;
    tmpl["metadata"] = std::move(template_metadata);
    tmpl["spec"] = pod_spec(cluster, node);
    JsonObject strategy;
    strategy["type"] = "OnDelete";
    JsonObject out;
    out["replicas"] = cluster.paused ? 0 : 1;
    out["serviceName"] = cluster.peers_service();
    out["podManagementPolicy"] = "Parallel";
    out["updateStrategy"] = std::move(strategy);
    out["selector"] = std::move(selector);
    out["template"] = std::move(tmpl);
    if (!node.storage.ephemeral) {
      out["volumeClaimTemplates"] = JsonArray{claim_template(cluster, node)};
    }
    return out;
  }

  std::string node_name_;
};

}  // namespace

std::unique_ptr<Resource> make_node_stateful_set(std::string node_name) {
  return std::make_unique<NodeStatefulSet>(std::move(node_name));
}

bool has_owned_claim(const Json& stateful_set) {
  const Json* claim = claim_template_of(stateful_set);
  return claim != nullptr && base::find(*claim, "metadata.ownerReferences") != nullptr;
}

Json node_pod(const Cluster& cluster, const Json& stateful_set) {
  const std::string node(base::get_string(stateful_set, "metadata.name").value_or(""));
  JsonObject out = object_of(cluster, ref_of(cluster, kube::resources::kPod, pod_of(node)));
  const Json& made_from = *base::find(stateful_set, "spec.template");
  for (const auto& [name, value] : made_from.at("metadata").get_object()) {
    out["metadata"].get_object()[name] = value;
  }
  JsonObject spec = made_from.at("spec").get_object();
  if (claim_template_of(stateful_set) != nullptr) {
    JsonObject claim;
    claim["claimName"] = claim_of(node);
    JsonObject volume;
    volume["name"] = "data";
    volume["persistentVolumeClaim"] = std::move(claim);
    spec["volumes"].get_array().push_back(std::move(volume));
  }
  out["spec"] = std::move(spec);
  return out;
}

std::optional<Json> node_claim(const Cluster& cluster, const Json& stateful_set) {
  const Json* made_from = claim_template_of(stateful_set);
  if (made_from == nullptr) {
    return std::nullopt;
  }
  const std::string node(base::get_string(stateful_set, "metadata.name").value_or(""));
  JsonObject out = made_from->get_object();
  out["apiVersion"] = kube::resources::kPersistentVolumeClaim.api_version();
  out["kind"] = kube::resources::kPersistentVolumeClaim.kind;
  JsonObject& metadata = out["metadata"].get_object();
  metadata["name"] = claim_of(node);
  metadata["namespace"] = cluster.namespace_name();
  out.erase("status");
  return out;
}

}  // namespace vk8s::controller
