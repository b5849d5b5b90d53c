// A manifest set as an OCI artifact: what its documents say. Pure; bytes of others.
// Source: OCI image-spec v1.1, manifest.md ("Guidelines for Artifact Usage") and
// image-index.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::addons {

inline constexpr std::string_view kArtifactType = "application/vnd.vk8s.addon.v1";
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";

struct ArtifactLimits {
  std::size_t max_document_bytes = 1U << 20U;
  std::int64_t max_layer_bytes = std::int64_t(16) << 20U;
};

// Where an artifact is: "registry.example:5000/team/vk8s/addon-training@sha256:...".
struct ArtifactReference {
  std::string registry;    // "registry.example:5000"
  std::string repository;  // "team/vk8s/addon-training"
  std::string digest;

  // kInvalidArgument for what names no registry, or is not pinned by digest.
  static Result<ArtifactReference> parse(std::string_view text);
  // What stands before the repositories of the images that belong to it, which lie where
  // it lies itself: "registry.example:5000/team" of ".../team/vk8s/addon-training".
  std::string image_prefix() const;
  bool operator==(const ArtifactReference&) const = default;
};

struct OciDescriptor {
  std::string media_type;
  std::string digest;
  std::int64_t size = 0;
  bool operator==(const OciDescriptor&) const = default;
};

// The only manifest of an index.
Result<OciDescriptor> parse_artifact_index(std::string_view json,
                                           const ArtifactLimits& limits = {});
// The only layer of an artifact of kArtifactType. kTooLarge before anybody reads it.
Result<OciDescriptor> parse_artifact_manifest(std::string_view json,
                                              const ArtifactLimits& limits = {});

}  // namespace vk8s::addons
