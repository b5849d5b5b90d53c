#include "addons/image_reference.h"

#include <algorithm>

#include "addons/digest.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::string_view kLowerAlphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kHub = "docker.io";

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= 128 && text.front() != '.' && text.front() != '-' &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
             "0123456789._-") == std::string_view::npos;
}

bool is_repository_part(std::string_view text) {
  return !text.empty() && kLowerAlphanumeric.find(text.front()) != std::string_view::npos &&
         kLowerAlphanumeric.find(text.back()) != std::string_view::npos &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789._-") ==
             std::string_view::npos;
}

bool is_repository(std::string_view text) {
  const auto parts = base::split(text, '/');
  return !parts.empty() && text.size() <= 255 && text.back() != '/' &&
         std::all_of(parts.begin(), parts.end(), is_repository_part);
}

bool is_registry(std::string_view text) {
  return !text.empty() && text.size() <= 255 && text.front() != '.' && text.front() != ':' &&
         text.back() != ':' &&
         text.find_first_not_of(
             "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
             "0123456789.-:[]") == std::string_view::npos;
}

// Whether the part before the first slash is a host and not of the repository.
bool names_registry(std::string_view part) {
  return part.find_first_of(".:") != std::string_view::npos || part == "localhost";
}

}  // namespace

Result<ImageReference> ImageReference::parse(std::string_view text) {
  const auto refuse = [text] {
    return fail(Errc::kInvalidArgument, "\"{}\" is no name of an image",
                base::printable(text, 256));
  };
  ImageReference reference;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    reference.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_sha256_digest(reference.digest)) {
      return refuse();
    }
  }
  const std::size_t slash = rest.find('/');
  if (slash != std::string_view::npos && names_registry(rest.substr(0, slash))) {
    reference.registry = rest.substr(0, slash);
    rest = rest.substr(slash + 1);
  }
  if (const std::size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    reference.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(reference.tag)) {
      return refuse();
    }
  }
  reference.repository = rest;
  if (reference.registry.empty() || reference.registry == "index.docker.io") {
    reference.registry = kHub;
  }
  if (reference.registry == kHub && reference.repository.find('/') == std::string::npos) {
    reference.repository = "library/" + reference.repository;
  }
  if (reference.tag.empty() && reference.digest.empty()) {
    reference.tag = "latest";
  }
  if (!is_registry(reference.registry) || !is_repository(reference.repository)) {
    return refuse();
  }
  return reference;
}

std::string ImageReference::to_string() const {
  return fmt::format("{}/{}{}{}{}{}", registry, repository, tag.empty() ? "" : ":", tag,
                     digest.empty() ? "" : "@", digest);
}

}  // namespace vk8s::addons
