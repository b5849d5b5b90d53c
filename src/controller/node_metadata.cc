#include "controller/node_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "api/from_spec.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

constexpr seconds kRetryAfter{5};
// Many write a Node, above all a young one: a write that came between ours and what
// it was computed from is looked at again at once, so often.
constexpr int kRounds = 3;

// Labels that the kubelet or the agents keep, whatever the spec once said.
constexpr std::array<std::string_view, 8> kKeptByOthers = {api::kVolumesLabel,
                                                           "kubernetes.io/hostname",
                                                           "kubernetes.io/os",
                                                           "kubernetes.io/arch",
                                                           "beta.kubernetes.io/os",
                                                           "beta.kubernetes.io/arch",
                                                           "node-role.kubernetes.io/control-plane",
                                                           "node-role.kubernetes.io/worker"};

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

const Json* entry(const Json& node, std::string_view map, std::string_view key) {
  const JsonObject* entries = base::get_object(node, map);
  return entries == nullptr ? nullptr : entries->if_contains({key.data(), key.size()});
}

std::string note_of(const Json& node) {
  const Json* note = entry(node, "metadata.annotations", api::kFromSpecAnnotation);
  return note != nullptr && note->is_string() ? std::string(note->get_string()) : std::string();
}

// Conditions of the node as Kubernetes puts them: not-ready, unschedulable, ...
bool is_of_kubernetes(std::string_view taint_key) {
  return taint_key.starts_with("node.kubernetes.io/") ||
         taint_key.starts_with("node.cloudprovider.kubernetes.io/");
}

JsonObject label_changes(const api::NodeSpec& wanted, const api::FromSpec& before,
                         const Json& node) {
  JsonObject out;
  for (const auto& [key, value] : wanted.labels) {
    const Json* label = entry(node, "metadata.labels", key);
    if (label == nullptr || *label != Json(value)) {
      out[key] = value;
    }
  }
  for (const std::string& key : before.labels) {
    const bool is_ours =
        std::find(kKeptByOthers.begin(), kKeptByOthers.end(), key) == kKeptByOthers.end();
    if (is_ours && !wanted.labels.contains(key) && entry(node, "metadata.labels", key) != nullptr) {
      out[key] = nullptr;
    }
  }
  return out;
}

// A taint of the spec, as it stands on the Node: with the time it was added.
Json with_value(Json taint, const std::string& value) {
  if (text(taint, "value") != value) {
    taint.get_object()["value"] = value;
  }
  return taint;
}

// All taints that the Node is to have, in the order in which it has them.
JsonArray taints_to_be(const api::NodeSpec& wanted, const api::FromSpec& before,
                       const JsonArray& present) {
  std::map<std::string, const api::Taint*> missing;
  for (const api::Taint& taint : wanted.taints) {
    if (!is_of_kubernetes(taint.key)) {
      missing[api::taint_id(taint.key, taint.effect)] = &taint;
    }
  }
  std::set<std::string> placed;
  JsonArray out;
  for (const Json& taint : present) {
    const std::string key = text(taint, "key");
    const std::string id = api::taint_id(key, text(taint, "effect"));
    if (const auto ours = missing.find(id); ours != missing.end()) {
      out.push_back(with_value(taint, ours->second->value));
      missing.erase(ours);
      placed.insert(id);
    } else if (placed.contains(id)) {
      continue;  // twice: no API server of Kubernetes' keeps that
    } else if (is_of_kubernetes(key) || !before.taints.contains(id)) {
      out.push_back(taint);
    }
  }
  for (const auto& [id, taint] : missing) {
    JsonObject added;
    added["key"] = taint->key;
    added["effect"] = taint->effect;
    out.push_back(with_value(std::move(added), taint->value));
  }
  return out;
}

std::string wanted_text(const api::NodeSpec& node, const std::string& pod_uid) {
  std::string out = pod_uid + "\n";
  for (const auto& [key, value] : node.labels) {
    out += fmt::format("{}={}\n", key, value);
  }
  for (const api::Taint& taint : node.taints) {
    out += fmt::format("{}={}:{}\n", taint.key, taint.value, taint.effect);
  }
  return out;
}

}  // namespace

std::optional<Json> node_metadata_patch(const api::NodeSpec& wanted, const Json& node) {
  const std::string note_before = note_of(node);
  const api::FromSpec before = api::parse_from_spec(note_before);
  const api::FromSpec now = api::from_spec(wanted.labels, wanted.taints);
  JsonObject metadata;
  if (JsonObject labels = label_changes(wanted, before, node); !labels.empty()) {
    metadata["labels"] = std::move(labels);
  }
  if (const std::string note = now.empty() ? "" : to_string(now); note != note_before) {
    JsonObject annotations;
    annotations[api::kFromSpecAnnotation] = note.empty() ? Json() : Json(note);
    metadata["annotations"] = std::move(annotations);
  }
  const JsonArray* present = base::get_array(node, "spec.taints");
  const JsonArray taints_before = present == nullptr ? JsonArray() : *present;
  JsonArray taints = taints_to_be(wanted, before, taints_before);
  const bool has_new_taints = taints != taints_before;
  if (metadata.empty() && !has_new_taints) {
    return std::nullopt;
  }
  // A merge patch replaces all taints: none that came meanwhile may be lost.
  metadata["resourceVersion"] = text(node, "metadata.resourceVersion");
  JsonObject out;
  out["metadata"] = std::move(metadata);
  if (has_new_taints) {
    JsonObject spec;
    spec["taints"] = taints.empty() ? Json() : Json(std::move(taints));
    out["spec"] = std::move(spec);
  }
  return Json(std::move(out));
}

std::vector<NodeMetadata::Due> NodeMetadata::find_due(const Cluster& cluster,
                                                      const std::vector<NodeObservation>& seen,
                                                      std::map<std::string, Known>& known) const {
  std::vector<Due> out;
  std::map<std::string, Known> still;
  for (const NodeObservation& observed : seen) {
    const api::NodeSpec* node = cluster.vk8s.find_node(observed.name);
    if (node == nullptr || !observed.is_ready() || !is_labelled(cluster, *node)) {
      continue;  // looked at when it is ready (again)
    }
    std::string wanted = wanted_text(*node, observed.pod_uid);
    const auto last = known.find(node->name);
    if (last != known.end() && last->second.wanted == wanted &&
        (last->second.trouble.empty() || now_() < last->second.until)) {
      still[node->name] = std::move(last->second);
    } else {
      out.push_back({node, {std::move(wanted), {}, {}}});
    }
  }
  known = std::move(still);
  return out;
}

std::string NodeMetadata::ensure(const Cluster& cluster, const std::vector<NodeObservation>& seen) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  std::vector<Due> due;
  {
    const std::lock_guard lock(mutex_);
    due = find_due(cluster, seen, known_[key]);
  }
  write(key, due);
  const std::lock_guard lock(mutex_);
  auto& known = known_[key];
  for (Due& each : due) {
    known[each.node->name] = std::move(each.outcome);
  }
  for (const auto& [node, outcome] : known) {
    if (!outcome.trouble.empty()) {
      return fmt::format("node {}: labels and taints not applied: {}", node, outcome.trouble);
    }
  }
  return {};
}

void NodeMetadata::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  known_.erase(cluster);
}

void NodeMetadata::write(const kube::ObjectKey& cluster, std::vector<Due>& due) {
  std::vector<Due*> left;
  for (Due& each : due) {
    left.push_back(&each);
  }
  const auto note = [this](Due& each, const Result<Json>& answer) {
    each.outcome.trouble = answer ? std::string() : answer.error().message();
    each.outcome.until = now_() + kRetryAfter;
    return answer || answer.error().code() != Errc::kConflict;
  };
  for (int round = 0; round < kRounds && !left.empty(); ++round) {
    std::vector<BatchClient::Request> gets;
    for (const Due* each : left) {
      gets.push_back(get_request(kube::resources::kNode, {"", each->node->name}));
    }
    const auto nodes = inner_.run(cluster, std::move(gets));
    std::vector<Due*> patched;
    std::vector<BatchClient::Request> patches;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      note(*left[i], nodes[i]);
      if (auto patch = nodes[i] ? node_metadata_patch(*left[i]->node, *nodes[i]) : std::nullopt) {
        patched.push_back(left[i]);
        patches.push_back(merge_patch_request(kube::resources::kNode, {"", left[i]->node->name},
                                              *std::move(patch)));
      }
    }
    const auto answers = inner_.run(cluster, std::move(patches));
    left.clear();
    for (std::size_t i = 0; i < answers.size(); ++i) {
      if (!note(*patched[i], answers[i])) {
        left.push_back(patched[i]);
      }
    }
  }
}

}  // namespace vk8s::controller
