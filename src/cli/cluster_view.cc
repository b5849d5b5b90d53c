#include "cli/cluster_view.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "cli/clean_text.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kMaxMessageBytes = 1024;

NodeView clean(const api::NodeSummary& node) {
  NodeView out;
  out.name = base::printable(node.name, 63);
  out.role = api::to_string(node.role);
  out.phase = base::printable(node.phase, 64);
  out.message = base::printable(node.message, kMaxMessageBytes);
  out.progress = std::clamp(node.progress, 0, 100);
  out.ip = base::printable(node.ip, 45);
  out.reserved_ip = base::printable(node.reserved_ip, 45);
  out.kubelet_version = base::printable(node.kubelet_version, 64);
  return out;
}

std::vector<NodeView> nodes_of(const Json& object, const api::Vk8sStatus& status) {
  std::vector<NodeView> out;
  if (const JsonArray* wanted = base::get_array(object, "spec.nodes")) {
    for (const Json& node : *wanted) {
      NodeView view;
      view.name = clean_field(node, "name", 63);
      view.role = clean_field(node, "role", 16);
      view.phase = api::phase::kWaiting;
      out.push_back(std::move(view));
    }
  }
  for (const api::NodeSummary& node : status.nodes) {
    NodeView view = clean(node);
    const auto wanted = std::find_if(out.begin(), out.end(),
                                     [&](const NodeView& one) { return one.name == view.name; });
    if (wanted == out.end()) {
      out.push_back(std::move(view));
    } else {
      *wanted = std::move(view);
    }
  }
  return out;
}

std::string version_of(const Json& object) {
  for (const char* path : {"status.version", "spec.kubernetes.version"}) {
    if (std::string version = clean_field(object, path, 32); !version.empty()) {
      return version;
    }
  }
  return "-";
}

}  // namespace

std::string ClusterView::master() const {
  for (const NodeView& node : nodes) {
    if (node.role == "master") {
      return node.name;
    }
  }
  return {};
}

std::string ClusterView::fixed_addresses() const {
  std::string out;
  for (const NodeView& node : nodes) {
    if (!node.reserved_ip.empty()) {
      out += (out.empty() ? "" : ",") + node.reserved_ip;
    }
  }
  return out;
}

ClusterView view_of(const Json& object) {
  const Json* given = base::find(object, "status");
  const api::Vk8sStatus status = api::parse_vk8s_status(given == nullptr ? Json() : *given);
  ClusterView out;
  out.namespace_name = clean_field(object, "metadata.namespace");
  out.name = clean_field(object, "metadata.name");
  out.created = clean_field(object, "metadata.creationTimestamp", 64);
  out.generation = base::get_int(object, "metadata.generation").value_or(0);
  out.being_deleted = base::find(object, "metadata.deletionTimestamp") != nullptr;
  out.phase = base::printable(status.phase.empty() ? api::phase::kWaiting : status.phase, 64);
  if (out.being_deleted) {
    out.phase = api::phase::kTerminating;
  }
  out.message = base::printable(status.message, kMaxMessageBytes);
  out.version = version_of(object);
  out.endpoint = base::printable(status.endpoint, 512);
  out.kubeconfig_secret = base::printable(status.kubeconfig_secret, 253);
  out.observed_generation = status.observed_generation;
  out.nodes = nodes_of(object, status);
  out.ready_nodes = base::printable(status.ready_nodes, 16);
  if (out.ready_nodes.empty()) {
    out.ready_nodes = fmt::format("0/{}", out.nodes.size());
  }
  for (api::Condition condition : status.conditions) {
    condition.type = base::printable(condition.type, 316);
    condition.reason = base::printable(condition.reason, 256);
    condition.message = base::printable(condition.message, kMaxMessageBytes);
    out.conditions.push_back(std::move(condition));
  }
  return out;
}

std::string age_text(std::string_view created, base::WallTime now) {
  const auto time = base::parse_time(created);
  if (!time) {
    return "-";
  }
  const auto elapsed = std::chrono::duration_cast<std::chrono::seconds>(now - *time);
  const auto seconds = std::max<std::int64_t>(0, elapsed.count());
  if (seconds < 120) {
    return fmt::format("{}s", seconds);
  }
  if (seconds < 600) {
    return seconds % 60 == 0 ? fmt::format("{}m", seconds / 60)
                             : fmt::format("{}m{}s", seconds / 60, seconds % 60);
  }
  if (seconds < 3 * 3600) {
    return fmt::format("{}m", seconds / 60);
  }
  if (seconds < 48 * 3600) {
    return fmt::format("{}h", seconds / 3600);
  }
  return fmt::format("{}d", seconds / 86400);
}

// Those that tell of something good are named so: Ready, NodesReady, ...
bool is_bad_when_true(std::string_view condition_type) {
  return !condition_type.ends_with("Ready");
}

}  // namespace vk8s::cli
