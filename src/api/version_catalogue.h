// Which Kubernetes versions a virtual cluster can have, and what runs them.
// One entry a minor version; all that differs between versions stands here.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::api {

// What the programs of a node know, by which its configuration differs. The
// defaults are those of today's; the version after each is the first that has it.
struct ReleaseTraits {
  bool nftables_proxy = true;            // 1.33: kube-proxy's mode nftables is stable
  bool merges_eviction_settings = true;  // 1.32: kubelet's mergeDefaultEvictionSettings
  bool may_fail_on_cgroup_v1 = true;     // 1.31: kubelet's failCgroupV1
  // kubernetes/kubernetes#112618: a kubelet that starts looks again at once until it is
  // Ready; before, each nodeStatusUpdateFrequency.
  bool hurries_to_ready = true;
  bool kubelet_config_has_runtime = true;  // 1.27: containerRuntimeEndpoint; before, flags
  bool serves_only_tls = true;             // 1.24: controllers have no port without TLS to close
  bool kubelet_config_has_taints = true;   // 1.23: registerWithTaints; before, a flag
  bool evictions_v1 = true;                // 1.22: Eviction of policy/v1; before, v1beta1
  bool endpoint_slices = true;             // 1.21: discovery.k8s.io/v1; before, Endpoints
  // Of the containerd in its image: 3 is 2.x, 2 is 1.6 (kubelets before 1.23 speak
  // only CRI v1alpha2, which 1.7 was the last to serve).
  int containerd_config_version = 3;
};

struct KubernetesRelease {
  std::string_view minor;    // "1.37"
  std::string_view version;  // "1.37.2", of the upstream programs
  std::string_view image;    // "vk8s/vnode:v1.37.2", below the installation's registry
  ReleaseTraits traits = {};
  bool is_end_of_life = false;  // gets no security fixes any more
};

// Newest first. The first is the default.
std::span<const KubernetesRelease> releases();

// By "1.37", "1.37.2" or either with a "v" before it; nullptr if there is none.
const KubernetesRelease* find_release(std::string_view version);

// Of the release with the same minor version; of the newest for one that has none.
const ReleaseTraits& traits_of(std::string_view version);

// The version asked for; else the one in the image's tag ("registry/vnode:v1.37.2");
// else the default. kUnsupported names the versions there are.
Result<const KubernetesRelease*> resolve_release(std::string_view version, std::string_view image);

// "v1.37.2" of "registry:5000/vk8s/vnode:v1.37.2@sha256:..."; "" where it has none.
std::string_view image_tag(std::string_view image);

}  // namespace vk8s::api
