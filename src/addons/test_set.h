// Sets and plans out of YAML, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "addons/plan.h"
#include "kube/yaml.h"

namespace vk8s::addons::testing {

inline ManifestSet set_of(const std::string& yaml) {
  auto set = ManifestSet::create({{.path = "set.yaml", .content = yaml}});
  EXPECT_TRUE(set) << (set ? "" : set.error().message());
  return set ? std::move(*set) : ManifestSet();
}

inline std::shared_ptr<const Plan> plan_of(const std::string& yaml) {
  return make_plan(std::make_shared<const ManifestSet>(set_of(yaml)));
}

inline Json object_of(const std::string& yaml) {
  auto object = kube::parse_yaml(yaml);
  EXPECT_TRUE(object) << (object ? "" : object.error().message());
  return object ? std::move(*object) : Json();
}

// Index of "Kind name"; fails the test where there is none.
inline std::size_t item_of(const Plan& plan, const std::string& kind, const std::string& name) {
  for (std::size_t i = 0; i < plan.manifests().size(); ++i) {
    if (plan.manifests()[i].id.kind == kind && plan.manifests()[i].id.name == name) {
      return i;
    }
  }
  ADD_FAILURE() << "no " << kind << " " << name;
  return 0;
}

// "applied ConfigMap a/b", "ready ...", "endpoints a/b", in their order.
inline std::vector<std::string> needs_of(const Plan& plan, std::size_t item) {
  std::vector<std::string> out;
  for (const Need& need : plan.needs[item]) {
    if (need.kind == Need::Kind::kEndpoints) {
      out.push_back("endpoints " + need.service.namespace_name + "/" + need.service.name);
    } else {
      out.push_back((need.kind == Need::Kind::kReady ? "ready " : "applied ") +
                    plan.manifests()[need.item].id.to_string());
    }
  }
  return out;
}

inline std::vector<std::string> needs_of(const Plan& plan, const std::string& kind,
                                         const std::string& name) {
  return needs_of(plan, item_of(plan, kind, name));
}

}  // namespace vk8s::addons::testing
