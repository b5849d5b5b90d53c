#include "addons/image_lock.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>

#include "addons/image_reference.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxImages = 4096;
constexpr std::size_t kMaxDoubtful = 64;

using Visit = std::function<void(boost::json::string& text)>;

// Kinds that name an image elsewhere than in a container.
struct KnownPlace {
  std::string_view group;
  std::string_view kind;
  std::string_view path;
};
constexpr std::array kKnownPlaces = {
    KnownPlace{"caching.internal.knative.dev", "Image", "spec.image"},
    KnownPlace{"serving.kserve.io", "ClusterStorageContainer", "spec.container.image"},
};

Json* find_mutable(Json& value, std::string_view path) {
  // What is found in an object that is not const is not const either.
  return const_cast<Json*>(base::find(value, path));
}

void visit_text(Json* value, const Visit& visit) {
  if (value != nullptr && value->is_string()) {
    visit(value->get_string());
  }
}

bool is_containers_key(std::string_view key) {
  return key == "containers" || key == "initContainers" || key == "ephemeralContainers";
}

void visit_containers(Json& list, const Visit& image, const Visit& text) {
  for (Json& container : list.get_array()) {
    visit_text(find_mutable(container, "image"), image);
    for (const char* field : {"args", "command"}) {
      if (Json* words = find_mutable(container, field); words != nullptr && words->is_array()) {
        for (Json& word : words->get_array()) {
          visit_text(&word, text);
        }
      }
    }
    if (Json* env = find_mutable(container, "env"); env != nullptr && env->is_array()) {
      for (Json& variable : env->get_array()) {
        visit_text(find_mutable(variable, "value"), text);
      }
    }
  }
}

void visit_volumes(Json& list, const Visit& image) {
  for (Json& volume : list.get_array()) {
    visit_text(find_mutable(volume, "image.reference"), image);
  }
}

void visit_pods(Json& value, const Visit& image, const Visit& text) {
  if (auto* array = value.if_array()) {
    for (Json& item : *array) {
      visit_pods(item, image, text);
    }
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) {
      const std::string_view key(member.key().data(), member.key().size());
      if (member.value().is_array() && is_containers_key(key)) {
        visit_containers(member.value(), image, text);
      } else if (member.value().is_array() && key == "volumes") {
        visit_volumes(member.value(), image);
      } else {
        visit_pods(member.value(), image, text);
      }
    }
  }
}

// image: the whole string is an image's name; text: some words of it may be.
void visit_images(Manifest& manifest, const Visit& image, const Visit& text) {
  const ObjectId& id = manifest.id;
  if (is_definition(id.group, id.kind) || (id.group.empty() && id.kind == "Secret")) {
    return;
  }
  if (id.group.empty() && id.kind == "ConfigMap") {
    Json* data = find_mutable(manifest.object, "data");
    if (data != nullptr && data->is_object()) {
      for (auto& member : data->get_object()) {
        if (!member.key().starts_with('_')) {
          visit_text(&member.value(), text);
        }
      }
    }
    return;
  }
  for (const KnownPlace& place : kKnownPlaces) {
    if (place.group == id.group && place.kind == id.kind) {
      visit_text(find_mutable(manifest.object, place.path), image);
    }
  }
  visit_pods(manifest.object, image, text);
}

std::string_view view_of(const boost::json::string& text) { return {text.data(), text.size()}; }

// Whether a word of a text can hardly be anything else: host, path and version.
bool looks_like_image(std::string_view word) {
  const std::size_t slash = word.find('/');
  if (slash == std::string_view::npos || word.find("//") != std::string_view::npos ||
      word.substr(0, slash).find('.') == std::string_view::npos ||
      word.find(':', slash) == std::string_view::npos) {
    return false;
  }
  return ImageReference::parse(word).has_value();
}

bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/@-").find(c) != std::string_view::npos;
}

// The text with each of its words replaced by what `replace` says, if it says something.
std::string replace_words(
    std::string_view text,
    const std::function<std::optional<std::string>(std::string_view)>& replace) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (!is_of_word(text[at])) {
      out.push_back(text[at++]);
      continue;
    }
    std::size_t end = at;
    while (end < text.size() && is_of_word(text[end])) {
      ++end;
    }
    std::string_view word = text.substr(at, end - at);
    // The end of a sentence, or of a key of YAML.
    while (!word.empty() && std::string_view(".:-/@").find(word.back()) != std::string_view::npos) {
      word.remove_suffix(1);
    }
    out += replace(word).value_or(std::string(word));
    out += text.substr(at + word.size(), end - at - word.size());
    at = end;
  }
  return out;
}

class Rewriter {
 public:
  Rewriter(const ImageLock& lock, std::string_view registry) : lock_(lock), registry_(registry) {}

  void rewrite(Manifest& manifest) {
    const auto image = [&](boost::json::string& text) {
      if (const auto locked = lock_.find(view_of(text))) {
        text = place_of(*locked);
      } else if (!is_of_site(view_of(text)) && missing_.insert(std::string(view_of(text))).second) {
        report_.missing.push_back({std::string(view_of(text)), manifest.id});
      }
    };
    const auto words = [&](boost::json::string& text) {
      text = replace_words(
          view_of(text), [&](std::string_view word) { return replacement_of(word, manifest.id); });
    };
    visit_images(manifest, image, words);
  }

  ImageReport take() { return std::move(report_); }

 private:
  std::string place_of(const LockedImage& image) const {
    return fmt::format("{}/{}@{}", registry_, image.repository, image.digest);
  }

  // Nothing to look up: it is where it is to come from, and pinned.
  bool is_of_site(std::string_view text) const {
    const auto parsed = ImageReference::parse(text);
    return parsed && parsed->registry == registry_ && !parsed->digest.empty();
  }

  std::optional<std::string> replacement_of(std::string_view word, const ObjectId& object) {
    // A word without a version is as often something else.
    if (word.find('/') == std::string_view::npos || word.find(':') == std::string_view::npos) {
      return std::nullopt;
    }
    if (const auto locked = lock_.find(word)) {
      return place_of(*locked);
    }
    if (looks_like_image(word) && report_.doubtful.size() < kMaxDoubtful &&
        doubtful_.insert(std::string(word)).second) {
      report_.doubtful.push_back({std::string(word), object});
    }
    return std::nullopt;
  }

  const ImageLock& lock_;
  const std::string registry_;
  std::set<std::string> missing_;
  std::set<std::string> doubtful_;
  ImageReport report_;
};

}  // namespace

Result<ImageLock> ImageLock::parse(std::string_view json) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(json, 1U << 20U), "image lock");
  const JsonObject* images = base::get_object(document, "images");
  if (images == nullptr || images->size() > kMaxImages) {
    return fail(Errc::kInvalidArgument, "image lock: `images` must be an object of at most {}",
                kMaxImages);
  }
  ImageLock lock;
  for (const auto& [name, value] : *images) {
    const std::string_view text(name.data(), name.size());
    const ImageReference upstream = VK8S_TRY_CONTEXT(ImageReference::parse(text), "image lock");
    LockedImage image{.repository = text_at(value, "repository"),
                      .digest = text_at(value, "digest")};
    if (image.repository.empty()) {
      std::string host = upstream.registry;
      std::replace(host.begin(), host.end(), ':', '-');
      image.repository = host + "/" + upstream.repository;
    }
    // Neither a tag nor a digest of its own.
    const auto place = ImageReference::parse(
        fmt::format("registry.invalid/{}@{}", image.repository, image.digest));
    if (!place || place->repository != image.repository) {
      return fail(Errc::kInvalidArgument,
                  "image lock: {}: a repository without a tag and a digest (sha256:...) are "
                  "expected",
                  base::printable(text, 256));
    }
    lock.images_[upstream.to_string()] = std::move(image);
  }
  return lock;
}

std::optional<LockedImage> ImageLock::find(std::string_view reference) const {
  const auto parsed = ImageReference::parse(reference);
  const auto found = parsed ? images_.find(parsed->to_string()) : images_.end();
  return found == images_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<LockedImage> ImageLock::images() const {
  std::vector<LockedImage> out;
  std::set<std::string> seen;
  for (const auto& [name, image] : images_) {
    if (seen.insert(image.repository + "@" + image.digest).second) {
      out.push_back(image);
    }
  }
  return out;
}

std::vector<ImageUse> list_images(const ManifestSet& set) {
  std::vector<ImageUse> out;
  std::set<std::string> seen;
  for (const Manifest& manifest : set.manifests()) {
    if (manifest.stage == Stage::kDefinitions) {
      continue;
    }
    Manifest copy;
    copy.id = manifest.id;
    copy.object = manifest.object;
    visit_images(
        copy,
        [&](boost::json::string& text) {
          if (seen.insert(std::string(view_of(text))).second) {
            out.push_back({std::string(view_of(text)), manifest.id});
          }
        },
        [](boost::json::string&) {});
  }
  return out;
}

ImageReport rewrite_images(ManifestSet& set, const ImageLock& lock, std::string_view registry) {
  Rewriter rewriter(lock, registry);
  for (Manifest& manifest : set.mutable_manifests()) {
    rewriter.rewrite(manifest);
  }
  return rewriter.take();
}

}  // namespace vk8s::addons
