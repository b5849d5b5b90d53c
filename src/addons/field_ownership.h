// Whose the fields of an object are (metadata.managedFields), and what of a wanted object
// somebody else has another wish for. Pure; bytes of others.
// Source: Kubernetes documentation, "Server-Side Apply"; sigs.k8s.io/structured-merge-diff,
// its serialisation of field paths.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace vk8s::addons {

// A field that stays as somebody else has it.
struct KeptField {
  std::string path;     // "spec.replicas", "spec.containers[name=web].image"; safe to show
  std::string manager;  // "kubectl-edit"
  bool operator==(const KeptField&) const = default;
};

struct OwnershipSplit {
  Json object;                  // wanted without what others own with another value
  std::vector<KeptField> kept;  // what was left out; at most 32
};

// live: the object as the API server has it, with managedFields. Those of
// `manager` by Apply are ours. The result can be applied without a conflict, as far as
// the managers' API versions are that of `wanted`.
OwnershipSplit split_by_ownership(const Json& wanted, const Json& live, std::string_view manager);

// Whether the manager owns, by Apply, every field of wanted (null says nothing): then all
// of them are as it has applied them, however the API server writes the values.
bool owns_all(const Json& wanted, const Json& live, std::string_view manager);

}  // namespace vk8s::addons
