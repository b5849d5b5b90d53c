#include "agent/node_metrics.h"

#include <fmt/format.h>

namespace vk8s::agent {
namespace {

std::string heading(std::string_view name, std::string_view type, std::string_view help) {
  return fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
}

}  // namespace

std::string node_metrics(const api::NodeStatus& status) {
  const bool ready = status.phase == api::NodePhase::kReady;
  std::string out = heading("vk8s_node_ready", "gauge", "Whether the Node inside is Ready.");
  out += fmt::format("vk8s_node_ready {}\n", ready ? 1 : 0);
  out += heading("vk8s_component_running", "gauge", "Whether a program of the node runs.");
  for (const api::ComponentStatus& component : status.components) {
    out += fmt::format("vk8s_component_running{{component=\"{}\"}} {}\n", component.name,
                       component.state == api::ComponentState::kRunning ? 1 : 0);
  }
  out += heading("vk8s_component_restarts_total", "counter",
                 "Times a program of the node ended and was started again.");
  for (const api::ComponentStatus& component : status.components) {
    out += fmt::format("vk8s_component_restarts_total{{component=\"{}\"}} {}\n", component.name,
                       component.restarts);
  }
  return out;
}

}  // namespace vk8s::agent
