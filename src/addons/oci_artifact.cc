#include "addons/oci_artifact.h"

#include "addons/digest.h"
#include "addons/image_reference.h"
#include "base/json.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

std::string_view text_of(const Json& json, std::string_view key) {
  return base::get_string(json, key).value_or(std::string_view());
}

Result<OciDescriptor> parse_descriptor(const Json& json, std::string_view what,
                                       std::int64_t max_bytes) {
  OciDescriptor out{std::string(text_of(json, "mediaType")), std::string(text_of(json, "digest")),
                    base::get_int(json, "size").value_or(-1)};
  if (out.media_type.empty() || !is_sha256_digest(out.digest) || out.size < 0) {
    return fail(Errc::kInvalidArgument, "{}: no mediaType, sha256 digest and size", what);
  }
  if (out.size > max_bytes) {
    return fail(Errc::kTooLarge, "{}: it has {} bytes, at most {} are read", what, out.size,
                max_bytes);
  }
  return out;
}

}  // namespace

Result<ArtifactReference> ArtifactReference::parse(std::string_view text) {
  const auto image = ImageReference::parse(text);
  const std::string_view host = text.substr(0, text.find('/'));
  if (!image || !is_sha256_digest(image->digest) || image->registry != host) {
    return fail(Errc::kInvalidArgument,
                "\"{}\" is no artifact such as registry.example/vk8s/addon-training@sha256:...",
                base::printable(text, 256));
  }
  return ArtifactReference{image->registry, image->repository, image->digest};
}

std::string ArtifactReference::image_prefix() const {
  std::string_view path = repository;
  for (int part = 0; part < 2; ++part) {
    const std::size_t slash = path.rfind('/');
    path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
  }
  return path.empty() ? registry : registry + "/" + std::string(path);
}

Result<OciDescriptor> parse_artifact_index(std::string_view json, const ArtifactLimits& limits) {
  const Json document =
      VK8S_TRY_CONTEXT(base::parse_json(json, limits.max_document_bytes), "index");
  const JsonArray* manifests = base::get_array(document, "manifests");
  if (manifests == nullptr || manifests->size() != 1) {
    return fail(Errc::kInvalidArgument, "index: exactly one manifest is expected");
  }
  return parse_descriptor(manifests->front(), "index: manifests[0]",
                          static_cast<std::int64_t>(limits.max_document_bytes));
}

Result<OciDescriptor> parse_artifact_manifest(std::string_view json, const ArtifactLimits& limits) {
  const Json document =
      VK8S_TRY_CONTEXT(base::parse_json(json, limits.max_document_bytes), "manifest");
  // Registries and tools of OCI 1.0 know the type by the configuration's.
  const std::string_view type = text_of(document, "artifactType");
  const std::string_view config = text_of(document, "config.mediaType");
  if (type != kArtifactType && config != kArtifactType) {
    return fail(Errc::kInvalidArgument, "manifest: it is \"{}\", not {}",
                base::printable(type.empty() ? config : type, 128), kArtifactType);
  }
  const JsonArray* layers = base::get_array(document, "layers");
  if (layers == nullptr || layers->size() != 1) {
    return fail(Errc::kInvalidArgument, "manifest: exactly one layer is expected");
  }
  return parse_descriptor(layers->front(), "manifest: layers[0]", limits.max_layer_bytes);
}

}  // namespace vk8s::addons
