// What one node says: the body of an agent's /v1/status, and each line of
// /v1/status?watch=1. The agent writes it; the controller and the CLI read it and
// trust nothing in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/node_config.h"
#include "base/error.h"
#include "base/json.h"
#include "base/wall_time.h"

namespace vk8s::api {

enum class NodePhase { kStarting, kReady, kDegraded, kStopping };
std::string_view to_string(NodePhase phase);  // "Starting", ...

enum class ComponentState { kWaiting, kStarting, kRunning, kBackoff, kStopped };
std::string_view to_string(ComponentState state);  // "waiting", ...

// An upstream program that the agent runs.
struct ComponentStatus {
  std::string name;  // "etcd"
  ComponentState state = ComponentState::kWaiting;
  std::int64_t pid = 0;  // 0 = none runs
  std::int64_t restarts = 0;
  std::string last_exit;                // "exit code 1"; "" = it never ended
  std::vector<std::string> last_lines;  // of its output, when it fails
  bool operator==(const ComponentStatus&) const = default;
};

struct NodeStatus {
  std::string node;
  NodeRole role = NodeRole::kMaster;
  NodePhase phase = NodePhase::kStarting;
  std::string step;             // what goes on now: "waiting for the API server"
  int percent = 0;              // of the way to Ready, 0..100
  std::string message;          // what is wrong, and what to do
  base::WallTime since{};       // of the phase; whole seconds on the wire
  std::string kubelet_version;  // "v1.37.2"; "" = not known yet
  std::vector<ComponentStatus> components;
  bool operator==(const NodeStatus&) const = default;
};

// Limits of a status. What is beyond them is cut off, by writer and reader alike;
// the longest status that they allow is less than kMaxStatusBytes as JSON.
inline constexpr std::size_t kMaxStatusBytes = 64U << 10U;
inline constexpr std::size_t kMaxComponents = 16;
inline constexpr std::size_t kMaxLastLines = 8;
inline constexpr std::size_t kMaxLineBytes = 160;
inline constexpr std::size_t kMaxStepBytes = 160;
inline constexpr std::size_t kMaxMessageBytes = 1024;

// Cut to the limits, control characters replaced.
Json to_json(const NodeStatus& status);

// Hostile bytes. kTooLarge beyond kMaxStatusBytes; kInvalidArgument for what is
// no status: another apiVersion, a missing node, role or phase, a field of another
// type. Unknown fields are ignored, numbers and texts brought into their limits,
// control characters replaced: what comes out may be shown.
Result<NodeStatus> parse_node_status(std::string_view json);

}  // namespace vk8s::api
