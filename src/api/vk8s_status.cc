#include "api/vk8s.h"

namespace vk8s::api {
namespace {

Json to_json(const Condition& condition) {
  JsonObject out;
  out["type"] = condition.type;
  out["status"] = to_string(condition.status);
  out["reason"] = condition.reason;
  out["message"] = condition.message;
  out["observedGeneration"] = condition.observed_generation;
  out["lastTransitionTime"] = condition.last_transition_time;
  return out;
}

Json to_json(const NodeSummary& node) {
  JsonObject out;
  out["name"] = node.name;
  out["role"] = to_string(node.role);
  out["phase"] = node.phase;
  out["message"] = node.message;
  out["progress"] = node.progress;
  out["ip"] = node.ip;
  if (!node.reserved_ip.empty()) {
    out["reservedIP"] = node.reserved_ip;
  }
  out["kubeletVersion"] = node.kubelet_version;
  return out;
}

std::string text(const Json& object, std::string_view key) {
  return std::string(base::get_string(object, key).value_or(std::string_view()));
}

Condition parse_condition(const Json& json) {
  Condition out;
  out.type = text(json, "type");
  const std::string status = text(json, "status");
  out.status = status == "True"    ? ConditionStatus::kTrue
               : status == "False" ? ConditionStatus::kFalse
                                   : ConditionStatus::kUnknown;
  out.reason = text(json, "reason");
  out.message = text(json, "message");
  out.observed_generation = base::get_int(json, "observedGeneration").value_or(0);
  out.last_transition_time = text(json, "lastTransitionTime");
  return out;
}

NodeSummary parse_node_summary(const Json& json) {
  NodeSummary out;
  out.name = text(json, "name");
  out.role = text(json, "role") == "worker" ? NodeRole::kWorker : NodeRole::kMaster;
  out.phase = text(json, "phase");
  out.message = text(json, "message");
  out.progress = static_cast<int>(base::get_int(json, "progress").value_or(0));
  out.ip = text(json, "ip");
  out.reserved_ip = text(json, "reservedIP");
  out.kubelet_version = text(json, "kubeletVersion");
  return out;
}

Json to_json(const AddonStatus& addon) {
  JsonObject out;
  if (!addon.name.empty()) {
    out["name"] = addon.name;
  }
  out["phase"] = addon.phase;
  out["version"] = addon.version;
  out["message"] = addon.message;
  out["progress"] = addon.progress;
  JsonArray& components = (out["components"] = JsonArray()).get_array();
  for (const AddonComponent& each : addon.components) {
    components.push_back(
        JsonObject{{"name", each.name}, {"ready", each.is_ready}, {"message", each.message}});
  }
  return out;
}

AddonStatus parse_addon(const Json& json) {
  AddonStatus out;
  out.name = text(json, "name");
  out.phase = text(json, "phase");
  out.version = text(json, "version");
  out.message = text(json, "message");
  out.progress = static_cast<int>(base::get_int(json, "progress").value_or(0));
  if (const JsonArray* components = base::get_array(json, "components")) {
    for (const Json& each : *components) {
      const Json* ready = base::find(each, "ready");
      out.components.push_back({text(each, "name"),
                                ready != nullptr && ready->is_bool() && ready->get_bool(),
                                text(each, "message")});
    }
  }
  return out;
}

}  // namespace

Json to_json(const Vk8sStatus& status) {
  JsonObject out;
  out["phase"] = status.phase;
  out["message"] = status.message;
  out["observedGeneration"] = status.observed_generation;
  out["version"] = status.version;
  out["endpoint"] = status.endpoint;
  out["kubeconfigSecret"] = status.kubeconfig_secret;
  out["readyNodes"] = status.ready_nodes;
  JsonArray& nodes = (out["nodes"] = JsonArray()).get_array();
  for (const NodeSummary& node : status.nodes) {
    nodes.push_back(to_json(node));
  }
  JsonArray& conditions = (out["conditions"] = JsonArray()).get_array();
  for (const Condition& condition : status.conditions) {
    conditions.push_back(to_json(condition));
  }
  if (status.kubeflow) {
    out["kubeflow"] = to_json(*status.kubeflow);
  }
  if (!status.addons.empty()) {
    JsonArray& addons = (out["addons"] = JsonArray()).get_array();
    for (const AddonStatus& addon : status.addons) {
      addons.push_back(to_json(addon));
    }
  }
  return out;
}

Vk8sStatus parse_vk8s_status(const Json& json) {
  Vk8sStatus out;
  out.phase = text(json, "phase");
  out.message = text(json, "message");
  out.observed_generation = base::get_int(json, "observedGeneration").value_or(0);
  out.version = text(json, "version");
  out.endpoint = text(json, "endpoint");
  out.kubeconfig_secret = text(json, "kubeconfigSecret");
  out.ready_nodes = text(json, "readyNodes");
  if (const JsonArray* nodes = base::get_array(json, "nodes")) {
    for (const Json& node : *nodes) {
      out.nodes.push_back(parse_node_summary(node));
    }
  }
  if (const JsonArray* conditions = base::get_array(json, "conditions")) {
    for (const Json& condition : *conditions) {
      out.conditions.push_back(parse_condition(condition));
    }
  }
  if (const Json* kubeflow = base::find(json, "kubeflow");
      kubeflow != nullptr && kubeflow->is_object()) {
    out.kubeflow = parse_addon(*kubeflow);
  }
  if (const JsonArray* addons = base::get_array(json, "addons")) {
    for (const Json& addon : *addons) {
      out.addons.push_back(parse_addon(addon));
    }
  }
  return out;
}

std::string_view to_string(ConditionStatus status) {
  switch (status) {
    case ConditionStatus::kTrue:
      return "True";
    case ConditionStatus::kFalse:
      return "False";
    case ConditionStatus::kUnknown:
      break;
  }
  return "Unknown";
}

void set_condition(std::vector<Condition>& conditions, Condition condition, std::string_view now) {
  condition.last_transition_time = now;
  for (Condition& old : conditions) {
    if (old.type == condition.type) {
      if (old.status == condition.status) {
        condition.last_transition_time = old.last_transition_time;
      }
      old = std::move(condition);
      return;
    }
  }
  conditions.push_back(std::move(condition));
}

const Condition* find_condition(const std::vector<Condition>& conditions, std::string_view type) {
  for (const Condition& condition : conditions) {
    if (condition.type == type) {
      return &condition;
    }
  }
  return nullptr;
}

}  // namespace vk8s::api
