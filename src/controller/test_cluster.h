// Clusters for tests.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"
#include "controller/cluster.h"

namespace vk8s::controller {

// A Vk8s as the API server holds it: "demo" of namespace "team-a", a master
// demo-master-1 and a worker demo-worker-1.
inline Json vk8s_object(std::string_view name = "demo", std::string_view uid = "uid-demo") {
  const std::string cluster(name);
  return base::parse_json(R"({"apiVersion":"vk8s.sktelecom.com/v1alpha1","kind":"Vk8s",
      "metadata":{"namespace":"team-a","name":")" +
                          cluster + R"(","uid":")" + std::string(uid) +
                          R"(","resourceVersion":"5","generation":1,
        "creationTimestamp":"2026-01-01T00:00:00Z"},
      "spec":{"kubernetes":{"version":"1.37","podNetworkCidr":"100.72.0.0/16",
                            "serviceCidr":"100.80.0.0/16"},
        "nodes":[{"name":")" +
                          cluster + R"(-master-1","role":"master",
                  "resources":{"limits":{"cpu":"2","memory":"4Gi"}}},
                 {"name":")" +
                          cluster + R"(-worker-1","role":"worker","storage":{"size":"20Gi"}}]}})")
      .value();
}

inline api::Vk8s vk8s() { return api::parse_vk8s(vk8s_object()).value(); }

inline Cluster cluster_of(api::Vk8s vk8s) {
  Cluster out;
  out.vk8s = std::move(vk8s);
  out.release = api::releases().front();
  out.host.api_address = "10.96.0.7";
  out.host.api_node_port = 31234;
  out.host.node_addresses = {"192.0.2.10", "192.0.2.11"};
  return out;
}

inline Cluster demo_cluster() { return cluster_of(vk8s()); }

// The whole object with one field set: path "a.b.0.c", made where it is missing.
inline void set(Json& object, std::string_view path, Json value) {
  Json* at = &object;
  while (true) {
    const std::size_t end = path.find('.');
    const std::string_view key = path.substr(0, end);
    Json* next = nullptr;
    if (at->is_array()) {
      next = &at->get_array().at(std::stoul(std::string(key)));
    } else {
      if (!at->is_object()) {
        *at = JsonObject();
      }
      next = &at->get_object()[key];
    }
    if (end == std::string_view::npos) {
      *next = std::move(value);
      return;
    }
    at = next;
    path.remove_prefix(end + 1);
  }
}

}  // namespace vk8s::controller
