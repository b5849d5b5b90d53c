// Which part of an add-on an object is, as users name the parts. Pure.
#pragma once

#include <string>
#include <vector>

#include "addons/manifest_set.h"

namespace vk8s::addons {

// Overrides what is guessed.
inline constexpr const char* kComponentAnnotation = "vk8s.sktelecom.com/component";

// Sets Manifest::component: the annotation; else the folder of its file (files[i] is of
// manifests[i]); else a label that names the application; else, of a CRD or a custom
// resource, its API group; else its namespace; else "cluster".
void name_components(std::vector<Manifest>& manifests, const std::vector<std::string>& files);

}  // namespace vk8s::addons
