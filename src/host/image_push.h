// Puts an image, as an OCI layout on disk, into a registry.
// Source: OCI distribution-spec v1.1 "Pushing blobs in chunks" and "Pushing
// manifests"; OCI image-spec v1.1, image-layout.md.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "http/client.h"

namespace vk8s::host {

struct ImageName {
  std::string repository;  // "vk8s/vnode"
  std::string tag;         // "v1.37.2"
};
// "vk8s/vnode:v1.37.2"; without a tag it is "latest". Refuses hosts and digests.
Result<ImageName> parse_image_name(std::string_view text);

struct Blob {
  std::string media_type;
  std::string digest;  // "sha256:" and 64 hexadecimal digits
  std::int64_t size = 0;
  bool operator==(const Blob&) const = default;
};
// Bytes of others: refused if malformed. Of an index.json the only manifest.
Result<Blob> parse_image_index(std::string_view json);
// Configuration and layers.
Result<std::vector<Blob>> parse_image_manifest(std::string_view json);

struct PushRequest {
  std::string registry;  // "https://198.18.0.2:5001"
  http::TlsIdentity identity;
  std::string layout;  // folder with index.json and blobs/
  ImageName name;
  std::function<void(std::string_view)> on_step;  // "layer 2 of 3, 300 MiB"
};

// What the registry has already is not sent again. Returns the image's digest.
// Blocking; runs a loop of its own.
Result<std::string> push_image(const PushRequest& request);

}  // namespace vk8s::host
