// JSON documents as YAML 1.2 block style, for manifests and kubeconfigs that people
// read. parse_yaml() reads them back. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace vk8s::kube {

// Keys keep their order; a string is quoted wherever a reader could take it for
// something else. Ends in a newline.
std::string to_yaml(const Json& document);

// Several documents in one text, parted by "---".
std::string to_yaml(const std::vector<Json>& documents);

}  // namespace vk8s::kube
