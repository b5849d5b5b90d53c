// YAML into Json, for kubeconfigs and manifests.
//
// Bytes of others: refused beyond a size, a depth of 64, a number of values;
// refused too are duplicate keys, keys that are not scalars, and anchors and
// aliases (a few bytes of which can stand for gigabytes). Plain scalars follow
// the YAML 1.2 core schema, but that a leading 0 means octal, as everywhere in
// Kubernetes ("defaultMode: 0644").
#pragma once

#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::kube {

struct YamlLimits {
  std::size_t max_bytes = 4U << 20U;
  std::size_t max_values = 200'000;
};

// One value a document; empty documents are left out.
Result<std::vector<Json>> parse_yaml_documents(std::string_view text, const YamlLimits& = {});

// Exactly one document.
Result<Json> parse_yaml(std::string_view text, const YamlLimits& = {});

}  // namespace vk8s::kube
