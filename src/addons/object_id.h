// Which object of a cluster: what names it, in whatever API version.
#pragma once

#include <compare>
#include <string>

#include "base/json.h"
#include "kube/client.h"

namespace vk8s::addons {

struct ObjectId {
  std::string group;  // "" for the core group
  std::string kind;
  std::string namespace_name;  // "" for a cluster-scoped object
  std::string name;

  kube::ObjectKey key() const { return {.namespace_name = namespace_name, .name = name}; }
  // "Deployment kubeflow/ml-pipeline", "Profile team-a": for messages, safe to show.
  std::string to_string() const;

  auto operator<=>(const ObjectId&) const = default;
  bool operator==(const ObjectId&) const = default;
};

// "apps/v1" is group "apps" and version "v1"; "v1" is of the core group.
struct GroupVersion {
  std::string group;
  std::string version;

  static GroupVersion parse(std::string_view api_version);
  std::string to_string() const { return group.empty() ? version : group + "/" + version; }
  auto operator<=>(const GroupVersion&) const = default;
};

// The string at a dotted path, or "".
std::string text_at(const Json& object, std::string_view path);

}  // namespace vk8s::addons
