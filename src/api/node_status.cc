#include "api/node_status.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/names.h"
#include "base/text.h"

namespace vk8s::api {
namespace {

using base::printable;

constexpr std::size_t kMaxNameBytes = 63;
constexpr std::int64_t kMaxCount = 1'000'000'000;

constexpr std::array kPhases = {NodePhase::kStarting, NodePhase::kReady, NodePhase::kDegraded,
                                NodePhase::kStopping};
constexpr std::array kStates = {ComponentState::kWaiting, ComponentState::kStarting,
                                ComponentState::kRunning, ComponentState::kBackoff,
                                ComponentState::kStopped};
constexpr std::array kRoles = {NodeRole::kMaster, NodeRole::kWorker};

template <class Values>
auto from_name(const Values& values, std::string_view name)
    -> std::optional<typename Values::value_type> {
  const auto found = std::find_if(values.begin(), values.end(),
                                  [&](auto value) { return to_string(value) == name; });
  return found == values.end() ? std::nullopt : std::optional(*found);
}

boost::json::string json_text(std::string_view text) {
  return boost::json::string(text.data(), text.size());
}

Json to_json(const ComponentStatus& component) {
  JsonArray lines;
  const auto& all = component.last_lines;
  const std::size_t first = all.size() - std::min(all.size(), kMaxLastLines);
  for (std::size_t i = first; i < all.size(); ++i) {
    lines.push_back(json_text(printable(all[i], kMaxLineBytes)));
  }
  return {{"name", printable(component.name, kMaxNameBytes)},
          {"state", json_text(to_string(component.state))},
          {"pid", std::clamp<std::int64_t>(component.pid, 0, kMaxCount)},
          {"restarts", std::clamp<std::int64_t>(component.restarts, 0, kMaxCount)},
          {"lastExit", printable(component.last_exit, kMaxLineBytes)},
          {"lastLines", std::move(lines)}};
}

// Reads fields of hostile JSON: absent ones are empty, another type is a failure.
class StatusReader {
 public:
  StatusReader(const JsonObject& object, std::string path, std::optional<Error>& error)
      : object_(object), path_(std::move(path)), error_(error) {}

  std::string text(std::string_view field, std::size_t max_bytes) {
    const Json* value = get(field);
    if (value == nullptr) {
      return {};
    }
    const auto* string = value->if_string();
    if (string == nullptr) {
      refuse(field, "must be a string");
      return {};
    }
    return printable({string->data(), string->size()}, max_bytes);
  }

  std::int64_t number(std::string_view field, std::int64_t max) {
    const Json* value = get(field);
    if (value == nullptr) {
      return 0;
    }
    if (value->is_uint64()) {
      return max;
    }
    if (!value->is_int64()) {
      refuse(field, "must be an integer");
      return 0;
    }
    return std::clamp<std::int64_t>(value->get_int64(), 0, max);
  }

  const JsonArray& array(std::string_view field) {
    static const JsonArray kNone;
    const Json* value = get(field);
    if (value == nullptr) {
      return kNone;
    }
    if (!value->is_array()) {
      refuse(field, "must be a list");
      return kNone;
    }
    return value->get_array();
  }

  template <class Values>
  typename Values::value_type one_of(std::string_view field, const Values& values) {
    const auto value = from_name(values, text(field, kMaxNameBytes));
    if (!value) {
      refuse(field, "is missing or unknown");
    }
    return value.value_or(values[0]);
  }

  void refuse(std::string_view field, std::string_view reason) {
    if (!error_) {
      error_ =
          Error(Errc::kInvalidArgument, fmt::format("node status: {}{}: {}", path_, field, reason));
    }
  }

 private:
  const Json* get(std::string_view field) const {
    return object_.if_contains({field.data(), field.size()});
  }

  const JsonObject& object_;
  std::string path_;
  std::optional<Error>& error_;
};

ComponentStatus read_component(StatusReader& reader) {
  ComponentStatus component;
  component.name = reader.text("name", kMaxNameBytes);
  component.state = reader.one_of("state", kStates);
  component.pid = reader.number("pid", kMaxCount);
  component.restarts = reader.number("restarts", kMaxCount);
  component.last_exit = reader.text("lastExit", kMaxLineBytes);
  const JsonArray& lines = reader.array("lastLines");
  const std::size_t first = lines.size() - std::min(lines.size(), kMaxLastLines);
  for (std::size_t i = first; i < lines.size(); ++i) {
    const auto* line = lines[i].if_string();
    if (line == nullptr) {
      reader.refuse("lastLines", "must be a list of strings");
      return component;
    }
    component.last_lines.push_back(printable({line->data(), line->size()}, kMaxLineBytes));
  }
  return component;
}

std::vector<ComponentStatus> read_components(StatusReader& reader, std::optional<Error>& error) {
  std::vector<ComponentStatus> components;
  for (const Json& value : reader.array("components")) {
    if (components.size() == kMaxComponents || error) {
      break;
    }
    const JsonObject* object = value.if_object();
    if (object == nullptr) {
      reader.refuse("components", "must be a list of objects");
      break;
    }
    StatusReader inner(*object, fmt::format("components[{}].", components.size()), error);
    components.push_back(read_component(inner));
  }
  return components;
}

base::WallTime read_since(StatusReader& reader) {
  const std::string text = reader.text("since", kMaxNameBytes);
  if (text.empty()) {
    return {};
  }
  const auto time = base::parse_time(text);
  if (!time) {
    reader.refuse("since", "is not a time");
    return {};
  }
  return std::chrono::floor<std::chrono::seconds>(*time);
}

}  // namespace

std::string_view to_string(NodePhase phase) {
  switch (phase) {
    case NodePhase::kStarting:
      return "Starting";
    case NodePhase::kReady:
      return "Ready";
    case NodePhase::kDegraded:
      return "Degraded";
    case NodePhase::kStopping:
      return "Stopping";
  }
  return "Starting";
}

std::string_view to_string(ComponentState state) {
  switch (state) {
    case ComponentState::kWaiting:
      return "waiting";
    case ComponentState::kStarting:
      return "starting";
    case ComponentState::kRunning:
      return "running";
    case ComponentState::kBackoff:
      return "backoff";
    case ComponentState::kStopped:
      return "stopped";
  }
  return "waiting";
}

Json to_json(const NodeStatus& status) {
  JsonArray components;
  for (const ComponentStatus& component : status.components) {
    if (components.size() == kMaxComponents) {
      break;
    }
    components.push_back(to_json(component));
  }
  return {{"apiVersion", json_text(kAgentApiVersion)},
          {"kind", "NodeStatus"},
          {"node", printable(status.node, kMaxNameBytes)},
          {"role", json_text(to_string(status.role))},
          {"phase", json_text(to_string(status.phase))},
          {"step", printable(status.step, kMaxStepBytes)},
          {"percent", std::clamp(status.percent, 0, 100)},
          {"message", printable(status.message, kMaxMessageBytes)},
          {"since", base::format_time(status.since)},
          {"kubeletVersion", printable(status.kubelet_version, kMaxNameBytes)},
          {"components", std::move(components)}};
}

Result<NodeStatus> parse_node_status(std::string_view json) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(json, kMaxStatusBytes), "node status");
  const JsonObject* object = document.if_object();
  if (object == nullptr) {
    return fail(Errc::kInvalidArgument, "node status: must be an object");
  }
  std::optional<Error> error;
  StatusReader reader(*object, "", error);
  if (reader.text("apiVersion", kMaxNameBytes) != kAgentApiVersion) {
    reader.refuse("apiVersion", fmt::format("must be {}", kAgentApiVersion));
  }
  NodeStatus status;
  status.node = reader.text("node", kMaxNameBytes);
  if (!base::is_dns_label(status.node)) {
    reader.refuse("node", "is missing or not a DNS label");
  }
  status.role = reader.one_of("role", kRoles);
  status.phase = reader.one_of("phase", kPhases);
  status.step = reader.text("step", kMaxStepBytes);
  status.percent = static_cast<int>(reader.number("percent", 100));
  status.message = reader.text("message", kMaxMessageBytes);
  status.since = read_since(reader);
  status.kubelet_version = reader.text("kubeletVersion", kMaxNameBytes);
  status.components = read_components(reader, error);
  if (error) {
    return tl::unexpected<Error>(std::move(*error));
  }
  return status;
}

}  // namespace vk8s::api
