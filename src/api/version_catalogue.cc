#include "api/version_catalogue.h"

#include <array>

#include "base/text.h"

namespace vk8s::api {
namespace {

// What a node's image is made of: upstream/releases.
constexpr std::array<KubernetesRelease, 3> kReleases = {{
    {"1.37", "1.37.2", "vk8s/vnode:v1.37.2"},
    {"1.36", "1.36.3", "vk8s/vnode:v1.36.3"},
    {.minor = "1.20",
     .version = "1.20.2",
     .image = "vk8s/vnode:v1.20.2",
     .traits = {.nftables_proxy = false,
                .merges_eviction_settings = false,
                .may_fail_on_cgroup_v1 = false,
                .hurries_to_ready = false,
                .kubelet_config_has_runtime = false,
                .serves_only_tls = false,
                .kubelet_config_has_taints = false,
                .evictions_v1 = false,
                .endpoint_slices = false,
                .containerd_config_version = 2},
     .is_end_of_life = true},
}};

std::string_view minor_of(std::string_view version) {
  version.remove_prefix(version.starts_with('v') ? 1 : 0);
  const std::size_t first = version.find('.');
  return version.substr(0, first == std::string_view::npos ? first : version.find('.', first + 1));
}

std::string supported_versions() {
  std::string out;
  for (const KubernetesRelease& release : kReleases) {
    out += out.empty() ? "" : ", ";
    out += release.minor;
  }
  return out;
}

bool looks_like_version(std::string_view text) {
  text.remove_prefix(text.starts_with('v') ? 1 : 0);
  return text.starts_with("1.") && text.find_first_not_of("0123456789.") == std::string_view::npos;
}

}  // namespace

std::span<const KubernetesRelease> releases() { return kReleases; }

const KubernetesRelease* find_release(std::string_view version) {
  version.remove_prefix(version.starts_with('v') ? 1 : 0);
  for (const KubernetesRelease& release : kReleases) {
    if (version == release.minor || version == release.version) {
      return &release;
    }
  }
  return nullptr;
}

const ReleaseTraits& traits_of(std::string_view version) {
  const KubernetesRelease* release = find_release(minor_of(version));
  return (release == nullptr ? kReleases.front() : *release).traits;
}

Result<const KubernetesRelease*> resolve_release(std::string_view version, std::string_view image) {
  const bool from_image = version.empty() && looks_like_version(image_tag(image));
  const std::string_view wanted = from_image ? image_tag(image) : version;
  if (wanted.empty()) {
    return &kReleases.front();
  }
  const KubernetesRelease* release = find_release(wanted);
  if (release == nullptr) {
    return fail(Errc::kUnsupported,
                "{}: Kubernetes \"{}\" is not in the version catalogue: use one of {}",
                from_image ? "image tag" : "spec.kubernetes.version", base::printable(wanted, 64),
                supported_versions());
  }
  return release;
}

std::string_view image_tag(std::string_view image) {
  image = image.substr(0, image.find('@'));
  const std::size_t slash = image.rfind('/');
  const std::size_t name = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t colon = image.find(':', name);
  return colon == std::string_view::npos ? std::string_view() : image.substr(colon + 1);
}

}  // namespace vk8s::api
