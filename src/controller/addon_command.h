// What a manifest set is made of, before it is brought to a registry (addons/prepare.sh).
#pragma once

#include <string>

#include "base/error.h"

namespace vk8s::controller {

// Reads the folder, or the file, as the controller would read it out of a registry; refuses
// what that would refuse. Returns a line for each image that the set names, in one spelling,
// once: "image ghcr.io/dexidp/dex:v2.45.0 Deployment auth/dex", with the first object that
// names it; "maybe ..." of what only looks like one, in a ConfigMap or an argument.
// Blocking.
Result<std::string> list_addon_images(const std::string& path);

}  // namespace vk8s::controller
