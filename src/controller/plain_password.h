// Manifests of the older operator carry Kubeflow's password in plain text. It is
// moved to a Secret, and the Vk8s refers to that instead. Pure.
#pragma once

#include <optional>

#include "controller/cluster.h"
#include "controller/resource.h"

namespace vk8s::controller {

struct PasswordMove {
  ObjectRef secret;
  Json secret_object;
  Json vk8s_patch;  // RFC 7396: no password, and a reference where there was none
};

// Set where spec.kubeflow.password is.
std::optional<PasswordMove> move_plain_password(const Cluster& cluster);

}  // namespace vk8s::controller
