// Names of images as container runtimes read them. Pure; bytes of others.
// Source: github.com/distribution/reference, its grammar and the rules of Docker Hub.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::addons {

struct ImageReference {
  std::string registry;    // "docker.io" where none is named
  std::string repository;  // "library/mysql"
  std::string tag;         // "latest" where neither tag nor digest is named; "" with a digest alone
  std::string digest;      // "sha256:..." or ""

  static Result<ImageReference> parse(std::string_view text);
  // "docker.io/library/mysql:8.0": one spelling for all that mean the same.
  std::string to_string() const;
  bool operator==(const ImageReference&) const = default;
};

}  // namespace vk8s::addons
