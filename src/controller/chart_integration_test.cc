// The Helm chart says what config/ says, and a real API server takes both.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "kube/testing/api_server.h"
#include "kube/yaml.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::controller {
namespace {

using Objects = std::map<std::string, Json>;
using testing::HasSubstr;

constexpr const char* kCrd = "crd/vk8s.vk8s.sktelecom.com";

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

std::string repository(const std::string& path) {
  return std::string(VK8S_SOURCE_DIR) + "/" + path;
}

class ChartTest : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    if (environment("VK8S_UPSTREAM_HELM").empty()) {
      GTEST_SKIP() << "VK8S_UPSTREAM_HELM is not set: run ./test.sh integration";
    }
    auto folder = sys::TempDir::create("chart");
    ASSERT_TRUE(folder) << folder.error().message();
    folder_.emplace(*std::move(folder));
  }

  Result<std::string> run(std::vector<std::string> argv) const {
    sys::SpawnOptions options{.argv = std::move(argv), .environment = sys::scrubbed_environment()};
    options.environment["KUBECONFIG"] = kubeconfig();
    options.environment["HOME"] = folder_->path();  // Helm's cache as well
    return sys::check_command(std::move(options), {.timeout = std::chrono::seconds(60)});
  }
  Result<std::string> helm(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), environment("VK8S_UPSTREAM_HELM") + "/helm");
    arguments.insert(arguments.end(), {"--namespace", "vk8s-system"});
    return run(std::move(arguments));
  }
  Result<std::string> kubectl(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), environment("VK8S_UPSTREAM_KUBERNETES") + "/kubectl");
    return run(std::move(arguments));
  }
  Result<std::string> field(const std::string& object, const std::string& path) const {
    return kubectl({"-n", "vk8s-system", "get", object, "-o", "jsonpath={" + path + "}"});
  }

  std::string kubeconfig() const { return folder_->path() + "/kubeconfig"; }

  std::optional<sys::TempDir> folder_;
};

// By "kind name". What the chart adds on purpose is taken away.
Objects objects_of(const std::string& yaml) {
  Objects out;
  auto documents = kube::parse_yaml_documents(yaml);
  EXPECT_TRUE(documents) << documents.error().message();
  for (Json& document : documents ? *documents : std::vector<Json>()) {
    if (!document.is_object()) {
      continue;
    }
    const std::string kind(base::get_string(document, "kind").value_or(""));
    if (kind == "CustomResourceDefinition") {
      document.at("metadata").as_object().erase("annotations");
    } else if (kind == "Deployment") {
      document.at("spec").at("template").at("metadata").as_object().erase("annotations");
    }
    const std::string key =
        fmt::format("{} {}", kind, base::get_string(document, "metadata.name").value_or(""));
    out.emplace(key, std::move(document));
  }
  return out;
}

TEST_F(ChartTest, SaysWhatTheKustomizeBaseSays) {
  const auto rendered = helm({"template", "vk8s", repository("charts/vk8s")});
  ASSERT_TRUE(rendered) << rendered.error().message();
  const auto built = kubectl({"kustomize", repository("config")});
  ASSERT_TRUE(built) << built.error().message();
  Objects wanted = objects_of(*built);
  // `helm install --create-namespace` makes it.
  EXPECT_EQ(wanted.erase("Namespace vk8s-system"), 1U);
  const Objects chart = objects_of(*rendered);
  EXPECT_EQ(chart.size(), 17U);
  for (const auto& [key, object] : chart) {
    ASSERT_TRUE(wanted.contains(key)) << key << " is not in config/";
    EXPECT_TRUE(object == wanted.at(key)) << key << " is\n"
                                          << base::to_string(object) << "\nwanted\n"
                                          << base::to_string(wanted.at(key));
    wanted.erase(key);
  }
  EXPECT_TRUE(wanted.empty()) << wanted.begin()->first << " is not in the chart";
}

TEST_F(ChartTest, PutsEachValueInItsPlace) {
  ASSERT_TRUE(sys::write_file(folder_->path() + "/values.yaml", R"(
image: {repository: registry.example/vk8s/controller, digest: "sha256:12"}
imagePullSecrets: [{name: registry}]
vnodeImages: {"1.37": "registry.example/vk8s/vnode@sha256:34"}
vnodeImagePrefixes: [registry.example/]
registryMirror: https://registry.example
registryCa: "A\nB\n"
tolerateControlPlane: true
replicas: 2
resources: {limits: {memory: 1Gi}}
ipManager: {replicas: 3, resources: {limits: {memory: 2Gi}}}
)"));
  const auto rendered =
      helm({"template", "vk8s", repository("charts/vk8s"), "-f", folder_->path() + "/values.yaml"});
  ASSERT_TRUE(rendered) << rendered.error().message();
  Objects objects = objects_of(*rendered);
  const JsonObject* data = base::get_object(objects.at("ConfigMap vk8s-controller-config"), "data");
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(std::string(data->at("config.toml").as_string()),
            "vnode-image = [\"1.37=registry.example/vk8s/vnode@sha256:34\"]\n"
            "vnode-image-prefix = [\"registry.example/\"]\n"
            "registry-mirror = \"https://registry.example\"\n"
            "registry-ca = \"/etc/vk8s-controller/registry-ca.crt\"\n"
            "tolerate-control-plane = true\n");
  EXPECT_EQ(std::string(data->at("registry-ca.crt").as_string()), "A\nB\n");
  EXPECT_EQ(base::get_string(objects.at("ServiceAccount vk8s-controller-manager"),
                             "imagePullSecrets.0.name"),
            "registry");
  const Json& deployment = objects.at("Deployment vk8s-controller-manager");
  EXPECT_EQ(base::get_int(deployment, "spec.replicas"), 2);
  const Json& container = *base::find(deployment, "spec.template.spec.containers.0");
  EXPECT_EQ(base::get_string(container, "image"), "registry.example/vk8s/controller@sha256:12");
  EXPECT_EQ(base::get_string(container, "resources.limits.memory"), "1Gi");
  EXPECT_EQ(
      base::get_string(objects.at("ServiceAccount vk8s-ip-manager"), "imagePullSecrets.0.name"),
      "registry");
  const Json& ip_manager = objects.at("Deployment vk8s-ip-manager");
  EXPECT_EQ(base::get_int(ip_manager, "spec.replicas"), 3);
  const Json& other = *base::find(ip_manager, "spec.template.spec.containers.0");
  EXPECT_EQ(base::get_string(other, "image"), "registry.example/vk8s/controller@sha256:12");
  EXPECT_EQ(base::get_string(other, "resources.limits.memory"), "2Gi");
}

TEST_F(ChartTest, RefusesAnotherNamespaceAndHalfAMirror) {
  const auto namespaced = run({environment("VK8S_UPSTREAM_HELM") + "/helm", "template", "vk8s",
                               repository("charts/vk8s"), "--namespace", "default"});
  ASSERT_FALSE(namespaced);
  EXPECT_THAT(namespaced.error().message(), HasSubstr("--namespace vk8s-system"));
  const auto half = helm({"template", "vk8s", repository("charts/vk8s"), "--set", "registryCa=x"});
  ASSERT_FALSE(half);
  EXPECT_THAT(half.error().message(), HasSubstr("registryMirror"));
}

TEST_F(ChartTest, IsInstalledUpgradedAndRemovedAndSoIsTheKustomizeBase) {
  const auto server = kube::testing::ApiServer::start();
  ASSERT_TRUE(server) << server.error().message();
  ASSERT_TRUE(sys::write_file(kubeconfig(), (*server)->kubeconfig(), {.mode = 0600}));
  const std::string chart = repository("charts/vk8s");
  const std::string deployment = "deployment/vk8s-controller-manager";

  const auto installed = helm({"install", "vk8s", chart, "--create-namespace"});
  ASSERT_TRUE(installed) << installed.error().message();
  EXPECT_EQ(field(deployment, ".spec.replicas").value_or(""), "1");
  const std::string before = field(deployment, ".spec.template.metadata.annotations").value_or("");
  const auto upgraded = helm({"upgrade", "vk8s", chart, "--set", "replicas=2", "--set",
                              "registryMirror=https://registry.example"});
  ASSERT_TRUE(upgraded) << upgraded.error().message();
  EXPECT_EQ(field(deployment, ".spec.replicas").value_or(""), "2");
  EXPECT_NE(field(deployment, ".spec.template.metadata.annotations").value_or(""), before)
      << "a change of the configuration must restart the controller";
  const auto removed = helm({"uninstall", "vk8s"});
  ASSERT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(field(deployment, ".metadata.name"));
  EXPECT_TRUE(field(kCrd, ".metadata.name")) << "the virtual clusters went with the chart";
  const auto again = helm({"install", "vk8s", chart});
  ASSERT_TRUE(again) << again.error().message();
  ASSERT_TRUE(helm({"uninstall", "vk8s"}));

  for (int i = 0; i < 2; ++i) {
    const auto applied =
        kubectl({"apply", "--server-side", "--force-conflicts", "-k", repository("config")});
    ASSERT_TRUE(applied) << applied.error().message();
  }
  EXPECT_EQ(field(deployment, ".spec.replicas").value_or(""), "1");
}

}  // namespace
}  // namespace vk8s::controller
