#include <fmt/format.h>

#include "base/text.h"
#include "base/wall_time.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Client certificates live a year (api::create_kubeconfig): renewed at two thirds.
constexpr std::chrono::hours kRenewAfter(24 * 365 * 2 / 3);

// The administrator's kubeconfig, for who is outside the host (`kubeconfig`) and
// for who is inside (`kubeconfig-internal`).
class KubeconfigSecret final : public SecretResource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kSecret, cluster.kubeconfig_secret());
  }

  std::string inputs(const Cluster& cluster) const override {
    return cluster.external_endpoint() + " " + cluster.internal_endpoint();
  }

  Result<Content> content(const Cluster& cluster, const Content& existing,
                          pki::WallTime now) const override {
    const std::string made_from = fingerprint({cluster.pki.at("ca.crt"), inputs(cluster)});
    if (existing.files.contains("kubeconfig") && is_current(existing.note, made_from, now)) {
      return existing;
    }
    Content out;
    out.note = fmt::format("{} {}", made_from, base::format_time(now + kRenewAfter));
    out.files["kubeconfig"] = VK8S_TRY(create(cluster, cluster.external_endpoint()));
    out.files["kubeconfig-internal"] = VK8S_TRY(create(cluster, cluster.internal_endpoint()));
    return out;
  }

 private:
  // The note: "<fingerprint> <when to renew>".
  static bool is_current(std::string_view note, std::string_view made_from, pki::WallTime now) {
    const auto parts = base::split(note, ' ');
    if (parts.size() != 2 || parts[0] != made_from) {
      return false;
    }
    const auto due = base::parse_time(parts[1]);
    return due && now < *due;
  }

  static Result<std::string> create(const Cluster& cluster, const std::string& server) {
    api::KubeconfigRequest request;
    request.cluster_name = cluster.name();
    request.server = server;
    return api::create_kubeconfig(cluster.pki, request);
  }
};

}  // namespace

std::unique_ptr<SecretResource> make_kubeconfig_secret() {
  return std::make_unique<KubeconfigSecret>();
}

}  // namespace vk8s::controller
