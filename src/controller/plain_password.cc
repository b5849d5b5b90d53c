#include "controller/plain_password.h"

#include <utility>

namespace vk8s::controller {

std::optional<PasswordMove> move_plain_password(const Cluster& cluster) {
  const auto& kubeflow = cluster.vk8s.spec.kubeflow;
  if (!kubeflow || kubeflow->password.empty()) {
    return std::nullopt;
  }
  const ObjectRef ref = ref_of(cluster, kube::resources::kSecret, cluster.password_secret());
  JsonObject fields;
  fields["password"] = nullptr;
  if (kubeflow->password_secret.empty()) {
    fields["passwordSecretRef"] = JsonObject{{"name", Json(ref.key.name)}};
  }
  JsonObject spec;
  spec["kubeflow"] = std::move(fields);
  JsonObject patch;
  patch["spec"] = std::move(spec);
  return PasswordMove{
      ref, secret_object(cluster, ref, {{{"password", kubeflow->password}}, "spec.kubeflow"}),
      std::move(patch)};
}

}  // namespace vk8s::controller
