#include "controller/manifests.h"

#include <gtest/gtest.h>

#include "controller/chart.h"
#include "controller/generate_command.h"
#include "controller/generated_files.h"
#include "kube/yaml_writer.h"
#include "sys/file.h"

namespace vk8s::controller {
namespace {

TEST(Manifests, AreThoseThatAreCommitted) {
  for (const GeneratedFile& file : generated_files()) {
    const auto committed = sys::read_file(std::string(VK8S_SOURCE_DIR) + "/" + file.path);
    ASSERT_TRUE(committed) << committed.error().message();
    EXPECT_EQ(*committed, file.content)
        << file.path
        << " differs: run `vk8s-controller generate --into .` and commit what it writes";
  }
}

TEST(Manifests, GiveNoRightBeyondNeed) {
  std::vector<Json> manifests = rbac_manifests();
  for (Json& manifest : ip_manager_manifests()) {
    manifests.push_back(std::move(manifest));
  }
  for (Json& manifest : ip_node_manifests(true)) {
    manifests.push_back(std::move(manifest));
  }
  for (const Json& manifest : manifests) {
    const JsonArray* rules = base::get_array(manifest, "rules");
    for (const Json& rule : rules == nullptr ? JsonArray() : *rules) {
      const std::string text = base::to_string(rule);
      EXPECT_EQ(text.find('*'), std::string::npos) << text;
      if (text.find("\"secrets\"") != std::string::npos) {
        EXPECT_EQ(text.find("list"), std::string::npos) << text;
        EXPECT_EQ(text.find("watch"), std::string::npos) << text;
      }
    }
  }
}

TEST(Manifests, RunTheProgramsWithoutPrivileges) {
  for (const Json& deployment : {deployment_manifests().back(), ip_manager_manifests().back()}) {
    const Json pod = *base::find(deployment, "spec.template.spec");
    EXPECT_EQ(base::get_bool(pod, "securityContext.runAsNonRoot"), true);
    EXPECT_EQ(base::get_bool(pod, "containers.0.securityContext.readOnlyRootFilesystem"), true);
    EXPECT_EQ(base::get_bool(pod, "containers.0.securityContext.allowPrivilegeEscalation"), false);
    EXPECT_EQ(base::get_string(pod, "containers.0.securityContext.capabilities.drop.0"), "ALL");
  }
}

TEST(Manifests, RunTheIpNodeAsRootWithoutItsRights) {
  for (const bool routes : {false, true}) {
    const Json set = ip_node_manifests(routes).back();
    EXPECT_EQ(base::get_string(set, "kind"), "DaemonSet");
    const Json pod = *base::find(set, "spec.template.spec");
    const Json context = *base::find(pod, "containers.0.securityContext");
    EXPECT_EQ(base::get_bool(context, "allowPrivilegeEscalation"), false);
    EXPECT_EQ(base::get_bool(context, "readOnlyRootFilesystem"), true);
    EXPECT_EQ(*base::find(context, "capabilities.drop"), JsonArray{"ALL"});
    EXPECT_EQ(base::find(context, "capabilities.add") != nullptr, routes);
    EXPECT_EQ(base::find(pod, "hostNetwork") != nullptr, routes);
    EXPECT_EQ(base::find(context, "privileged"), nullptr);
    EXPECT_EQ(base::find(pod, "hostPID"), nullptr);
  }
}

TEST(Manifests, LetTheIpNodeSeePodsOnlyWhereItRoutes) {
  for (const bool routes : {false, true}) {
    const std::string text = kube::to_yaml(ip_node_manifests(routes));
    EXPECT_EQ(text.find("- pods") != std::string::npos, routes);
    EXPECT_EQ(text.find("secrets"), std::string::npos);
  }
}

TEST(Manifests, LetTheIpManagerReadNoSecretButItsCa) {
  for (const Json& manifest : ip_manager_manifests()) {
    const bool is_cluster_wide = base::get_string(manifest, "kind") == "ClusterRole";
    const JsonArray* rules = base::get_array(manifest, "rules");
    for (const Json& rule : rules == nullptr ? JsonArray() : *rules) {
      const std::string text = base::to_string(rule);
      if (text.find("\"secrets\"") != std::string::npos) {
        EXPECT_FALSE(is_cluster_wide) << text;
        EXPECT_TRUE(text.find("\"get\"") == std::string::npos ||
                    base::get_string(rule, "resourceNames.0") == "vk8s-ip-manager-ca")
            << text;
      }
    }
  }
}

// Walks the schema: what CEL cost is estimated from must be bounded.
void expect_bounded(const Json& schema, const std::string& path) {
  const auto type = base::get_string(schema, "type").value_or("");
  if (type == "string" && base::find(schema, "enum") == nullptr) {
    EXPECT_NE(base::find(schema, "maxLength"), nullptr) << path;
  }
  if (type == "array") {
    EXPECT_NE(base::find(schema, "maxItems"), nullptr) << path;
    expect_bounded(*base::find(schema, "items"), path + "[]");
  }
  if (const Json* values = base::find(schema, "additionalProperties")) {
    EXPECT_NE(base::find(schema, "maxProperties"), nullptr) << path;
    expect_bounded(*values, path + "{}");
  }
  const JsonObject* properties = base::get_object(schema, "properties");
  for (const auto& [name, value] : properties == nullptr ? JsonObject() : *properties) {
    expect_bounded(value, path + "." + std::string(name));
  }
}

TEST(Crd, BoundsEveryStringListAndMap) {
  const Json crd = crd_manifest();
  const std::string root = "spec.versions.0.schema.openAPIV3Schema.properties.";
  expect_bounded(*base::find(crd, root + "spec"), "spec");
  expect_bounded(*base::find(crd, root + "status"), "status");
}

TEST(Crd, HasAStatusSubresourceAndColumns) {
  const Json crd = crd_manifest();
  EXPECT_EQ(base::get_string(crd, "metadata.name"), "vk8s.vk8s.sktelecom.com");
  EXPECT_NE(base::find(crd, "spec.versions.0.subresources.status"), nullptr);
  EXPECT_EQ(base::get_array(crd, "spec.versions.0.additionalPrinterColumns")->size(), 6U);
}

TEST(GenerateCommand, NamesWhatThereIs) {
  EXPECT_TRUE(generate("crd"));
  EXPECT_TRUE(generate("rbac"));
  EXPECT_TRUE(generate("manager"));
  EXPECT_TRUE(generate("ip-manager"));
  EXPECT_TRUE(generate("openapi"));
  const auto none = generate("everything");
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message().find(
                "crd, rbac, manager, ip-manager, ip-node, chart, api and openapi"),
            std::string::npos);
  const auto several = generate("chart");
  ASSERT_FALSE(several);
  EXPECT_NE(several.error().message().find("--into"), std::string::npos);
}

TEST(GenerateCommand, WritesFilesToTheirPlaces) {
  const auto folder = sys::TempDir::create("generate");
  ASSERT_TRUE(folder);
  ASSERT_TRUE(generate_into(folder->path(), "chart"));
  EXPECT_TRUE(sys::exists(folder->path() + "/charts/vk8s/values.yaml"));
  EXPECT_FALSE(sys::exists(folder->path() + "/config"));
  ASSERT_TRUE(generate_into(folder->path(), ""));
  for (const GeneratedFile& file : generated_files()) {
    EXPECT_EQ(sys::read_file(folder->path() + "/" + file.path).value_or(""), file.content);
  }
  EXPECT_FALSE(generate_into(folder->path(), "everything"));
}

TEST(Chart, HasAValueAtEachPlaceholder) {
  for (const GeneratedFile& file : chart_files()) {
    EXPECT_EQ(file.content.find("\"$"), std::string::npos)
        << file.path << ": this place in a manifest has changed, see kPlaceholders";
  }
}

}  // namespace
}  // namespace vk8s::controller
