// The files that are made from manifests.h and committed: config/, a base for
// kustomize, and charts/vk8s, for Helm. A test fails where they differ. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vk8s::controller {

struct GeneratedFile {
  std::string path;  // below the repository's root: "config/crd/vk8s.yaml"
  std::string content;
};

std::vector<GeneratedFile> generated_files();

// The first line of each of them; what is the word that `generate` knows them by.
std::string generated_header(std::string_view what);

}  // namespace vk8s::controller
