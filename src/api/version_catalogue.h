// Which Kubernetes versions a virtual cluster can have, and what runs them.
// One entry a minor version; all that differs between versions stands here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::api {

struct KubernetesRelease {
  std::string_view minor;    // "1.37"
  std::string_view version;  // "1.37.2", of the upstream programs
  std::string_view image;    // "vk8s/vnode:v1.37.2", below the installation's registry
};

// Newest first. The first is the default.
std::span<const KubernetesRelease> releases();

// By "1.37", "1.37.2" or either with a "v" before it; nullptr if there is none.
const KubernetesRelease* find_release(std::string_view version);

// The version asked for; else the one in the image's tag ("registry/vnode:v1.37.2");
// else the default. kUnsupported names the versions there are.
Result<const KubernetesRelease*> resolve_release(std::string_view version, std::string_view image);

// "v1.37.2" of "registry:5000/vk8s/vnode:v1.37.2@sha256:..."; "" where it has none.
std::string_view image_tag(std::string_view image);

}  // namespace vk8s::api
