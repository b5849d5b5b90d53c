#include "addons/digest.h"
#include "addons/oci_artifact.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto reference = addons::ArtifactReference::parse(text)) {
    fuzz::require(addons::is_sha256_digest(reference->digest), "a reference is pinned");
    fuzz::require(reference->repository.find_first_of("?#%@: ") == std::string::npos &&
                      reference->repository.find("/..") == std::string::npos,
                  "a repository is a path of its own");
    fuzz::require(
        (reference->registry + "/" + reference->repository).starts_with(reference->image_prefix()),
        "images lie beside it");
    const auto again = addons::ArtifactReference::parse(
        reference->registry + "/" + reference->repository + "@" + reference->digest);
    fuzz::require(again && *again == *reference, "a reference survives the round trip");
  }
  const addons::ArtifactLimits limits{.max_document_bytes = 4096, .max_layer_bytes = 100};
  if (const auto manifest = addons::parse_artifact_index(text, limits)) {
    fuzz::require(addons::is_sha256_digest(manifest->digest) && manifest->size <= 4096,
                  "an index names a manifest of bounded size");
  }
  if (const auto layer = addons::parse_artifact_manifest(text, limits)) {
    fuzz::require(addons::is_sha256_digest(layer->digest) && layer->size >= 0 && layer->size <= 100,
                  "a layer has a bounded size");
  }
  return 0;
}
