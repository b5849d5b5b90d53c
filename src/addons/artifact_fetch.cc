#include "addons/artifact_fetch.h"

#include <algorithm>
#include <utility>

#include "addons/digest.h"
#include "base/json.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxErrorBytes = 64U << 10U;

Error refusal(const http::Response& response, const std::string& what) {
  const bool is_busy = response.status == 429 || response.status >= 500;
  const Errc code = response.status == 404 ? Errc::kNotFound
                    : is_busy              ? Errc::kUnavailable
                                           : Errc::kForbidden;
  const std::string more =
      response.status / 100 == 3 ? "it sends on too often"
      : response.status == 401
          ? "it wants other credentials than those of the installation's pull Secret"
          : base::printable(response.body, 300);
  return Error(code, fmt::format("{}: the registry answers {}: {}", what, response.status, more));
}

bool is_index(std::string_view json, const ArtifactLimits& limits) {
  const auto document = base::parse_json(json, limits.max_document_bytes);
  return document && base::find(*document, "manifests") != nullptr;
}

}  // namespace

ArtifactFetch::ArtifactFetch(http::Client& client, RegistryAccess access,
                             ArtifactReference reference, ArtifactLimits limits)
    : client_(client),
      access_(std::move(access)),
      reference_(std::move(reference)),
      limits_(limits) {}

void ArtifactFetch::start(Done done) {
  done_ = std::move(done);
  get_manifest(reference_.digest, true);
}

void ArtifactFetch::get_manifest(const std::string& digest, bool may_be_index) {
  get("manifests", digest, limits_.max_document_bytes,
      [this, may_be_index](const std::string& body) { take_manifest(body, may_be_index); });
}

void ArtifactFetch::take_manifest(const std::string& body, bool may_be_index) {
  if (may_be_index && is_index(body, limits_)) {
    const auto manifest = parse_artifact_index(body, limits_);
    if (!manifest) {
      end(tl::unexpected<Error>(manifest.error()));
      return;
    }
    get_manifest(manifest->digest, false);
    return;
  }
  const auto layer = parse_artifact_manifest(body, limits_);
  if (!layer) {
    end(tl::unexpected<Error>(layer.error()));
    return;
  }
  get("blobs", layer->digest, static_cast<std::size_t>(layer->size),
      [this](std::string bytes) { end(std::move(bytes)); });
}

void ArtifactFetch::get(const std::string& what, const std::string& digest, std::size_t max_bytes,
                        TakeBody take) {
  const std::string name =
      fmt::format("{}/{}@{}", reference_.registry, reference_.repository, digest);
  ended_ = std::move(call_);
  call_ = std::make_unique<RegistryCall>(
      client_, access_,
      RegistryQuery{.path = fmt::format("{}/{}/{}", reference_.repository, what, digest),
                    .accept = fmt::format("{}, {}, */*", kOciManifest, kOciIndex),
                    // Its words, where it refuses, may be longer than what is asked for.
                    .max_body_bytes = std::max(max_bytes, kMaxErrorBytes)});
  call_->start(
      [this, name, digest, max_bytes, take = std::move(take)](Result<http::Response> response) {
        if (!response) {
          end(tl::unexpected<Error>(std::move(response).error().context("read {}", name)));
        } else if (response->status != 200) {
          end(tl::unexpected<Error>(refusal(*response, "read " + name)));
        } else if (response->body.size() > max_bytes || sha256_digest(response->body) != digest) {
          end(fail(Errc::kInvalidArgument, "read {}: what the registry sends has not that digest",
                   name));
        } else {
          take(std::move(response->body));
        }
      });
}

void ArtifactFetch::end(Result<std::string> result) {
  std::exchange(done_, nullptr)(std::move(result));
}

ImageSearch::ImageSearch(http::Client& client, RegistryAccess access, std::string prefix)
    : client_(client), access_(std::move(access)), prefix_(std::move(prefix)) {}

void ImageSearch::start(const std::vector<LockedImage>& images, Done done) {
  done_ = std::move(done);
  unanswered_ = images.size();
  for (const LockedImage& image : images) {
    const std::string repository =
        prefix_.empty() ? image.repository : prefix_ + "/" + image.repository;
    calls_.push_back(std::make_unique<RegistryCall>(
        client_, access_,
        RegistryQuery{
            .method = "HEAD",
            .path = fmt::format("{}/manifests/{}", repository, image.digest),
            .accept = fmt::format("{}, {}, application/vnd.docker.distribution.manifest.v2+json, "
                                  "application/vnd.docker.distribution.manifest.list.v2+json",
                                  kOciManifest, kOciIndex),
            .max_body_bytes = kMaxErrorBytes}));
    calls_.back()->start([this, name = repository + "@" + image.digest](
                             Result<http::Response> response) { take(name, std::move(response)); });
  }
}

void ImageSearch::take(const std::string& image, Result<http::Response> response) {
  if (!response) {
    error_ = std::move(response).error().context("look for {}", image);
  } else if (response->status == 404) {
    missing_.push_back(image);
  } else if (response->status != 200) {
    error_ = refusal(*response, "look for " + image);
  }
  if (--unanswered_ > 0) {
    return;
  }
  std::sort(missing_.begin(), missing_.end());
  std::exchange(done_, nullptr)(
      error_ && missing_.empty() ? Result<std::vector<std::string>>(tl::unexpected<Error>(*error_))
                                 : Result<std::vector<std::string>>(missing_));
}

}  // namespace vk8s::addons
