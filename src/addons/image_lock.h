// Which image of the site's registry stands for which image of a manifest, by digest.
// Pure; bytes of others.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "addons/manifest_set.h"

namespace vk8s::addons {

struct LockedImage {
  std::string repository;  // "kubeflow/dex"
  std::string digest;      // "sha256:..."
  bool operator==(const LockedImage&) const = default;
};

class ImageLock {
 public:
  // {"images": {"ghcr.io/dexidp/dex:v2.45.0": {"repository": "kubeflow/dex", "digest":
  // "sha256:..."}}}. Without "repository" it is the upstream one behind its registry's
  // name: "ghcr.io/dexidp/dex".
  static Result<ImageLock> parse(std::string_view json);

  // In any spelling; nothing where the lock does not name it.
  std::optional<LockedImage> find(std::string_view reference) const;
  // Each once.
  std::vector<LockedImage> images() const;

 private:
  std::map<std::string, LockedImage> images_;  // by ImageReference::to_string()
};

// An image that a manifest names.
struct ImageUse {
  std::string image;
  ObjectId object;
};

// Every `image` of a container and every image volume, in workloads and in custom
// resources that hold pods' containers, and of kinds that are known to name one
// otherwise; each image once, with the first object that names it.
std::vector<ImageUse> list_images(const ManifestSet& set);

struct ImageReport {
  std::vector<ImageUse> missing;   // not in the lock: left as they are
  std::vector<ImageUse> doubtful;  // look like images in a ConfigMap, an argument or a
                                   // variable, and are not in the lock either
};

// Puts "<registry>/<repository>@<digest>" in the place of each image that the lock
// names: where list_images() finds it and, word for word, in arguments, variables and
// ConfigMaps (not in their keys that begin with "_": examples, with checksums).
ImageReport rewrite_images(ManifestSet& set, const ImageLock& lock, std::string_view registry);

}  // namespace vk8s::addons
