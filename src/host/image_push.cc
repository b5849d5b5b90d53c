#include "host/image_push.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/event_loop.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

constexpr std::size_t kPieceBytes = 16U << 20U;
constexpr std::size_t kMaxDocumentBytes = 4U << 20U;

bool is_digest(std::string_view text) {
  constexpr std::string_view kPrefix = "sha256:";
  return text.starts_with(kPrefix) && text.size() == kPrefix.size() + 64 &&
         text.find_first_not_of("0123456789abcdef", kPrefix.size()) == std::string_view::npos;
}

bool is_path_component(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string_view::npos &&
         text.front() != '.' && text.front() != '-';
}

Result<Blob> parse_descriptor(const Json& json, std::string_view what) {
  const auto type = base::get_string(json, "mediaType");
  const auto digest = base::get_string(json, "digest");
  const auto size = base::get_int(json, "size");
  if (!type || !digest || !size || !is_digest(*digest) || *size < 0) {
    return fail(Errc::kInvalidArgument, "{}: no mediaType, sha256 digest and size", what);
  }
  return Blob{std::string(*type), std::string(*digest), *size};
}

std::string blob_path(const std::string& layout, const std::string& digest) {
  return fmt::format("{}/blobs/sha256/{}", layout, digest.substr(7));
}

// One push: requests one after the other, over one connection.
class Push {
 public:
  explicit Push(const PushRequest& request)
      : request_(request),
        identity_(std::make_shared<const http::TlsIdentity>(request.identity)),
        base_(fmt::format("{}/v2/{}", request.registry, request.name.repository)) {}

  Result<std::string> run() {
    client_ = VK8S_TRY(http::Client::create(loop_, {}, Log::silent()));
    const std::string index =
        VK8S_TRY(sys::read_file(request_.layout + "/index.json", kMaxDocumentBytes));
    const Blob manifest = VK8S_TRY(parse_image_index(index));
    const std::string document =
        VK8S_TRY(sys::read_file(blob_path(request_.layout, manifest.digest), kMaxDocumentBytes));
    const std::vector<Blob> blobs = VK8S_TRY(parse_image_manifest(document));
    for (std::size_t i = 0; i < blobs.size(); ++i) {
      if (request_.on_step) {
        request_.on_step(fmt::format("part {} of {}, {} KiB", i + 1, blobs.size(),
                                     (blobs[i].size + 1023) / 1024));
      }
      VK8S_TRY(ensure_blob(blobs[i]));
    }
    VK8S_TRY(ask("PUT", fmt::format("{}/manifests/{}", base_, request_.name.tag),
                 manifest.media_type, document, 201));
    return manifest.digest;
  }

 private:
  Result<http::Response> send(std::string method, std::string url, const std::string& content_type,
                              std::string body) {
    http::Request request{.method = std::move(method),
                          .url = std::move(url),
                          .identity = identity_,
                          .body = std::move(body),
                          .timeout = std::chrono::seconds(120),
                          .max_body_bytes = kMaxDocumentBytes};
    if (!content_type.empty()) {
      request.headers.emplace_back("Content-Type", content_type);
    }
    Result<http::Response> result = fail(Errc::kInternal, "no answer");
    const http::Call call = client_->send(std::move(request), [&](Result<http::Response> response) {
      result = std::move(response);
      loop_.stop();
    });
    loop_.run();
    return result;
  }

  Result<http::Response> ask(const std::string& method, const std::string& url,
                             const std::string& content_type, std::string body, int wanted) {
    http::Response response = VK8S_TRY(send(method, url, content_type, std::move(body)));
    if (response.status != wanted) {
      return fail(response.status < 500 ? Errc::kForbidden : Errc::kUnavailable,
                  "{} {}: the registry answers {} {}", method, url.substr(0, url.find('?')),
                  response.status, base::printable(response.body, 300));
    }
    return response;
  }

  // Where the next piece goes: an absolute URL of this registry, or a path.
  Result<std::string> location_of(const http::Response& response) const {
    const auto found = response.headers.find("location");
    const std::string location = found == response.headers.end() ? "" : found->second;
    if (location.starts_with('/') && !location.starts_with("//")) {
      return request_.registry + location;
    }
    if (!location.starts_with(request_.registry + "/")) {
      return fail(Errc::kInvalidArgument, "the registry sends an upload elsewhere: \"{}\"",
                  base::printable(location, 200));
    }
    return location;
  }

  Status ensure_blob(const Blob& blob) {
    const http::Response present =
        VK8S_TRY(send("HEAD", fmt::format("{}/blobs/{}", base_, blob.digest), "", ""));
    if (present.status == 200) {
      return {};
    }
    const std::string path = blob_path(request_.layout, blob.digest);
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
      return fail_errno(errno, "open {}", path);
    }
    const http::Response begun = VK8S_TRY(ask("POST", base_ + "/blobs/uploads/", "", "", 202));
    std::string location = VK8S_TRY(location_of(begun));
    while (true) {
      std::string piece = VK8S_TRY(read_piece(file.get(), path));
      if (piece.empty()) {
        break;
      }
      const http::Response taken =
          VK8S_TRY(ask("PATCH", location, "application/octet-stream", std::move(piece), 202));
      location = VK8S_TRY(location_of(taken));
    }
    const char joint = location.find('?') == std::string::npos ? '?' : '&';
    VK8S_TRY(ask("PUT", fmt::format("{}{}digest={}", location, joint, blob.digest), "", "", 201));
    return {};
  }

  static Result<std::string> read_piece(int fd, const std::string& path) {
    std::string piece(kPieceBytes, '\0');
    std::size_t filled = 0;
    while (filled < piece.size()) {
      const ssize_t got = ::read(fd, piece.data() + filled, piece.size() - filled);
      if (got < 0 && errno != EINTR) {
        return fail_errno(errno, "read {}", path);
      }
      if (got == 0) {
        break;
      }
      filled += got > 0 ? static_cast<std::size_t>(got) : 0;
    }
    piece.resize(filled);
    return piece;
  }

  const PushRequest& request_;
  std::shared_ptr<const http::TlsIdentity> identity_;
  std::string base_;
  EventLoop loop_;
  std::unique_ptr<http::Client> client_;
};

}  // namespace

Result<ImageName> parse_image_name(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const bool has_tag = colon != std::string_view::npos;
  ImageName name{.repository = std::string(text.substr(0, colon)),
                 .tag = has_tag ? std::string(text.substr(colon + 1)) : "latest"};
  const auto parts = base::split(name.repository, '/');
  const bool valid = !parts.empty() && text.size() <= 255 &&
                     std::all_of(parts.begin(), parts.end(), is_path_component) &&
                     !name.tag.empty() && name.tag.size() <= 128 && name.tag.front() != '.' &&
                     name.tag.front() != '-' &&
                     name.tag.find_first_not_of(
                         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                         "0123456789._-") == std::string::npos;
  if (!valid) {
    return fail(Errc::kInvalidArgument,
                "\"{}\" is no image name such as vk8s/vnode:v1.37.2, without a registry",
                base::printable(text, 200));
  }
  return name;
}

Result<Blob> parse_image_index(std::string_view json) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(json, kMaxDocumentBytes), "index.json");
  const JsonArray* manifests = base::get_array(document, "manifests");
  if (manifests == nullptr || manifests->size() != 1) {
    return fail(Errc::kInvalidArgument, "index.json: exactly one manifest is expected");
  }
  return parse_descriptor(manifests->front(), "index.json: manifests[0]");
}

Result<std::vector<Blob>> parse_image_manifest(std::string_view json) {
  const Json document =
      VK8S_TRY_CONTEXT(base::parse_json(json, kMaxDocumentBytes), "image manifest");
  const Json* config = base::find(document, "config");
  const JsonArray* layers = base::get_array(document, "layers");
  if (config == nullptr || layers == nullptr || layers->size() > 128) {
    return fail(Errc::kInvalidArgument, "image manifest: config and at most 128 layers expected");
  }
  std::vector<Blob> blobs;
  Blob first = VK8S_TRY(parse_descriptor(*config, "image manifest: config"));
  blobs.push_back(std::move(first));
  for (std::size_t i = 0; i < layers->size(); ++i) {
    Blob layer =
        VK8S_TRY(parse_descriptor((*layers)[i], fmt::format("image manifest: layers[{}]", i)));
    blobs.push_back(std::move(layer));
  }
  return blobs;
}

Result<std::string> push_image(const PushRequest& request) {
  auto digest = Push(request).run();
  if (!digest) {
    return tl::unexpected(std::move(digest).error().context(
        "push {}:{} from {}", request.name.repository, request.name.tag, request.layout));
  }
  return digest;
}

}  // namespace vk8s::host
