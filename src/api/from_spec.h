// Which labels and taints of a Node came from spec.nodes[]: what an edit of the
// spec may take away again, and nothing else may. It stands in an annotation of the
// Node: a node's agent begins it, with what its kubelet registers; the controller
// keeps it. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/node_config.h"

namespace vk8s::api {

inline constexpr std::string_view kFromSpecAnnotation = "vk8s.sktelecom.com/from-spec";

struct FromSpec {
  std::set<std::string> labels;  // their keys
  std::set<std::string> taints;  // taint_id() of each
  bool empty() const { return labels.empty() && taints.empty(); }
  bool operator==(const FromSpec&) const = default;
};

// "<key>:<effect>", by which Kubernetes tells a Node's taints apart.
std::string taint_id(std::string_view key, std::string_view effect);

FromSpec from_spec(const std::map<std::string, std::string>& labels,
                   const std::vector<Taint>& taints);

// The annotation's value: {"labels":["zone"],"taints":["gpu:NoSchedule"]}.
std::string to_string(const FromSpec& from_spec);
// Wary, for whoever may write the Node may write this: at most 64 KiB, and what is
// no list of strings counts as empty.
FromSpec parse_from_spec(std::string_view json);

}  // namespace vk8s::api
