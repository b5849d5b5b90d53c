#include "controller/cluster.h"

#include <fmt/format.h>

#include <algorithm>

namespace vk8s::controller {
namespace {

std::string catalogue_image(const Settings& settings, const api::KubernetesRelease& release) {
  if (const auto own = settings.vnode_images.find(std::string(release.minor));
      own != settings.vnode_images.end()) {
    return own->second;
  }
  return settings.image_registry.empty()
             ? std::string(release.image)
             : fmt::format("{}/{}", settings.image_registry, release.image);
}

bool is_allowed(const Cluster& cluster, std::string_view image) {
  const auto& prefixes = cluster.settings.vnode_image_prefixes;
  const bool of_catalogue = std::any_of(
      api::releases().begin(), api::releases().end(),
      [&](const auto& release) { return image == catalogue_image(cluster.settings, release); });
  return of_catalogue || std::any_of(prefixes.begin(), prefixes.end(), [&](const auto& prefix) {
           // Up to a boundary: "registry/vk8s" is no "registry/vk8s-of-others".
           return !prefix.empty() && image.starts_with(prefix) &&
                  (image.size() == prefix.size() || prefix.ends_with('/') ||
                   std::string_view("/:@").find(image[prefix.size()]) != std::string_view::npos);
         });
}

bool tolerates_control_plane(const Json& toleration) {
  const auto key = base::get_string(toleration, "key").value_or("");
  return key.empty() || key == "node-role.kubernetes.io/control-plane" ||
         key == "node-role.kubernetes.io/master";
}

}  // namespace

std::string Cluster::external_endpoint() const {
  if (host.node_addresses.empty() || host.api_node_port == 0) {
    return internal_endpoint();
  }
  return fmt::format("https://{}:{}", host.node_addresses.front(), host.api_node_port);
}

std::string Cluster::internal_endpoint() const {
  return host.api_address.empty() ? std::string()
                                  : fmt::format("https://{}:{}", host.api_address, kApiServerPort);
}

std::string Cluster::image_of(const api::NodeSpec& node) const {
  return node.image.empty() ? catalogue_image(settings, release) : node.image;
}

const api::KubernetesRelease* release_of_image(const Settings& settings, std::string_view image) {
  const auto releases = api::releases();
  const auto at = std::find_if(releases.begin(), releases.end(), [&](const auto& release) {
    return image == catalogue_image(settings, release);
  });
  return at == releases.end() ? api::find_release(api::image_tag(image)) : &*at;
}

std::string config_secret_of(std::string_view node_name) {
  return fmt::format("{}-config", node_name);
}

std::string pod_of(std::string_view node_name) { return fmt::format("{}-0", node_name); }

std::string claim_of(std::string_view node_name) {
  return fmt::format("data-{}", pod_of(node_name));
}

std::string agent_server_name(const Cluster& cluster, std::string_view node_name) {
  return fmt::format("{}.{}.{}.svc", pod_of(node_name), cluster.peers_service(),
                     cluster.namespace_name());
}

JsonObject cluster_labels(const Cluster& cluster) {
  JsonObject out;
  out["app"] = "vk8s";
  out["clusterName"] = cluster.name();
  return out;
}

JsonObject node_labels(const Cluster& cluster, const api::NodeSpec& node) {
  JsonObject out = cluster_labels(cluster);
  out["role"] = api::to_string(node.role);
  out["vnode"] = node.name;
  return out;
}

bool is_labelled(const Cluster& cluster, const api::NodeSpec& node) {
  return !node.labels.empty() || !node.taints.empty() || cluster.labelled_nodes.contains(node.name);
}

Status check_policy(const Cluster& cluster) {
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    const std::string image = cluster.image_of(node);
    if (!is_allowed(cluster, image)) {
      return fail(
          Errc::kForbidden,
          "node \"{}\": image {} is not of an allowed prefix: leave spec.nodes[].image out, "
          "or ask the administrator to allow it (--vnode-image-prefix)",
          node.name, image);
    }
    for (const Json& toleration : node.tolerations) {
      if (tolerates_control_plane(toleration) && !cluster.settings.tolerate_control_plane) {
        return fail(Errc::kForbidden,
                    "node \"{}\": it may not tolerate the taints of control-plane nodes: name "
                    "another key in spec.nodes[].tolerations, or ask the administrator to allow it "
                    "(--tolerate-control-plane)",
                    node.name);
      }
    }
  }
  return {};
}

}  // namespace vk8s::controller
