// The Helm chart charts/vk8s: the manifests of config/, with the values of an
// installation in place of fixed ones. What does not follow from the manifests
// (_helpers.tpl, NOTES.txt, README.md) is written by hand. Pure.
#pragma once

#include <vector>

#include "controller/generated_files.h"

namespace vk8s::controller {

// Chart.yaml, values.yaml and templates/*.yaml.
std::vector<GeneratedFile> chart_files();

}  // namespace vk8s::controller
