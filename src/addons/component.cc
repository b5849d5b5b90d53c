#include "addons/component.h"

#include <array>

#include "addons/labels.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxName = 63;

// The first of them that an object has.
constexpr std::array kLabels = {"kustomize.component", "app.kubernetes.io/part-of",
                                "application-crd-id", "app.kubernetes.io/name", "app"};

std::string guess(const Manifest& manifest, const std::string& file) {
  const Labels annotations = string_members(base::find(manifest.object, "metadata.annotations"));
  if (const auto found = annotations.find(kComponentAnnotation); found != annotations.end()) {
    return found->second;
  }
  if (const std::size_t slash = file.find('/'); slash != std::string::npos) {
    return file.substr(0, slash);
  }
  const Labels labels = labels_of(manifest.object);
  for (const char* key : kLabels) {
    if (const auto found = labels.find(key); found != labels.end() && !found->second.empty()) {
      return found->second;
    }
  }
  switch (manifest.stage) {
    case Stage::kNamespaces:
      return manifest.id.name;
    case Stage::kDefinitions:
      return text_at(manifest.object, "spec.group");
    case Stage::kCustomResources:
      return manifest.id.group;
    default:
      return manifest.id.namespace_name;
  }
}

}  // namespace

void name_components(std::vector<Manifest>& manifests, const std::vector<std::string>& files) {
  for (std::size_t i = 0; i < manifests.size(); ++i) {
    const std::string name = guess(manifests[i], files[i]);
    manifests[i].component = name.empty() ? "cluster" : base::printable(name, kMaxName);
  }
}

}  // namespace vk8s::addons
