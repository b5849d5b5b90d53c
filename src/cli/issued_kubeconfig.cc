#include "cli/issued_kubeconfig.h"

#include "cli/cluster_view.h"
#include "cli/user_kubeconfig.h"
#include "pki/pki.h"

namespace vk8s::cli {

std::string context_name(std::string_view namespace_name, std::string_view cluster) {
  return fmt::format("vk8s-{}-{}", namespace_name, cluster);
}

Result<Json> read_issued_kubeconfig(HostApi& api, const std::string& name, Endpoint endpoint) {
  VK8S_TRY(check_cluster_name(name));
  const std::string secret_name = name + "-kubeconfig";
  Result<Json> secret = api.get(kube::resources::kSecret, api.key_of(secret_name));
  if (!secret && secret.error().code() == Errc::kNotFound) {
    const ClusterView cluster = view_of(VK8S_TRY(api.get_cluster(name)));
    return fail(Errc::kUnavailable,
                "cluster \"{}\" has no kubeconfig yet, its phase is {}: wait with 'kubectl vk8s "
                "watch {} -n {}'",
                name, cluster.phase, name, api.namespace_name());
  }
  if (!secret) {
    return tl::unexpected<Error>(secret.error());
  }
  const char* key = endpoint == Endpoint::kInternal ? "kubeconfig-internal" : "kubeconfig";
  const JsonObject* data = base::get_object(*secret, "data");
  const Json* encoded = data == nullptr ? nullptr : data->if_contains(key);
  if (encoded == nullptr || !encoded->is_string()) {
    return fail(Errc::kUnavailable,
                "Secret {}/{} has no key {}: its controller makes it anew "
                "when the Secret is deleted",
                api.namespace_name(), secret_name, key);
  }
  const std::string text =
      VK8S_TRY_CONTEXT(pki::base64_decode(std::string_view(encoded->get_string())),
                       "Secret {}/{}, key {}", api.namespace_name(), secret_name, key);
  return VK8S_TRY_CONTEXT(rename_kubeconfig(text, context_name(api.namespace_name(), name)),
                          "Secret {}/{}", api.namespace_name(), secret_name);
}

}  // namespace vk8s::cli
