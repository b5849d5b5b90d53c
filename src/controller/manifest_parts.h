// What the manifests of several programs have in common. Pure.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/json.h"

namespace vk8s::controller {

using Texts = std::initializer_list<std::string_view>;

JsonArray texts(Texts values);

// apiVersion, kind and metadata, with the label app; namespace_name "" = cluster-scoped.
JsonObject manifest_of(std::string_view app, std::string_view api_version, std::string_view kind,
                       std::string_view name, std::string_view namespace_name = {});

JsonObject rbac_rule(Texts groups, Texts resources, Texts verbs);

// Role or ClusterRole and ServiceAccount have the program's name.
JsonObject rbac_binding(std::string_view app, std::string_view kind, std::string_view role_kind,
                        std::string_view namespace_name);

// Over HTTPS; port is a name.
JsonObject https_probe(std::string_view path, std::string_view port, int period_seconds);

// What a program that needs no privilege runs with.
JsonObject unprivileged_pod_context();
JsonObject unprivileged_container_context();

// It runs beside the host's control plane where there is no other node.
JsonArray control_plane_tolerations();

}  // namespace vk8s::controller
