// A Vk8s object as it is shown to people. What comes from the server is cleaned here:
// every text of a view is safe to print. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/vk8s.h"
#include "base/json.h"
#include "base/wall_time.h"

namespace vk8s::cli {

struct NodeView {
  std::string name;
  std::string role;
  std::string phase;  // "Waiting" until the controller has said something
  std::string message;
  int progress = 0;
  std::string ip;
  std::string reserved_ip;  // the fixed address; "" = none
  std::string kubelet_version;
  bool operator==(const NodeView&) const = default;
};

struct ClusterView {
  std::string namespace_name;
  std::string name;
  std::string created;  // RFC 3339
  std::int64_t generation = 0;
  bool being_deleted = false;

  std::string phase;  // "Waiting" until the controller has said something
  std::string message;
  std::string version;  // as it runs, else as asked for, else "-"
  std::string endpoint;
  std::string kubeconfig_secret;
  std::string ready_nodes;  // "1/2"
  std::int64_t observed_generation = 0;
  std::vector<NodeView> nodes;  // those wanted, in their order, then those that leave
  std::vector<api::Condition> conditions;

  // Whether the status speaks of the spec there is.
  bool is_current() const { return observed_generation >= generation; }
  bool is_running() const { return phase == api::phase::kRunning && is_current(); }
  bool has_failed() const { return phase == api::phase::kFail && is_current(); }
  // The master's name; "" if it has none.
  std::string master() const;
  // Of all nodes, "10.1.0.5,10.1.0.6"; "" = none.
  std::string fixed_addresses() const;
};

ClusterView view_of(const Json& object);

// "5s", "3m12s", "4h", "12d": as kubectl shows ages; "-" for no time at all.
std::string age_text(std::string_view created, base::WallTime now);

// Whether a condition of that type is good news when it is False.
bool is_bad_when_true(std::string_view condition_type);

}  // namespace vk8s::cli
