// What a reconcile does with the credentials of the registry that nodes ask first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/reconciler_fixture.h"
#include "pki/pki.h"

namespace vk8s::controller {
namespace {

using kube::resources::kSecret;

const std::string kAuth = pki::base64_encode("reader:s3cret");

class RegistryCredentialsOfNodes : public ReconcilerTest {
 protected:
  RegistryCredentialsOfNodes() {
    Json vk8s = vk8s_object();
    set(vk8s, "spec.imagePullSecrets", JsonArray{JsonObject{{"name", "registry"}}});
    store_vk8s(vk8s);
    put_secret(kAuth);
  }

  void put_secret(const std::string& auth) {
    const std::string config =
        base::to_string(Json{{"auths", {{"registry.example:5000", {{"auth", auth}}}}}});
    loop_.run([&] {
      server_->put(kSecret, {{"apiVersion", "v1"},
                             {"kind", "Secret"},
                             {"metadata", {{"namespace", "team-a"}, {"name", "registry"}}},
                             {"data", {{".dockerconfigjson", pki::base64_encode(config)}}}});
    });
  }

  // What node.json lies beside.
  api::FileSet files_of(const std::string& node) {
    const auto content = parse_secret(object(kSecret, config_secret_of(node)));
    EXPECT_TRUE(content) << content.error().message();
    return content ? content->files : api::FileSet();
  }

  static Settings with_mirror() {
    Settings settings;
    settings.registry_mirror = "https://registry.example:5000";
    return settings;
  }

  Reconciler with_mirror_{
      Reconciler::Parts{client_, world_, agents_, inner_, addresses_, addons_,
                        [](const Json&, bool, std::string_view, const std::string&) {},
                        with_mirror(), Log::silent(), [this] { return now_; }}};
};

TEST_F(RegistryCredentialsOfNodes, LieBesideWhatEachIsToldAndFollowThePullSecret) {
  sync();
  ASSERT_TRUE(with_mirror_.reconcile(kDemo));
  put_pod("demo-master-1", true);
  put_pod("demo-worker-1", true);
  sync();
  const auto outcome = with_mirror_.reconcile(kDemo);
  ASSERT_TRUE(outcome) << outcome.error().message();
  EXPECT_EQ(outcome->again, std::chrono::minutes(10)) << "nobody watches Secrets";
  for (const char* node : {"demo-master-1", "demo-worker-1"}) {
    const api::FileSet files = files_of(node);
    ASSERT_TRUE(files.contains("registry-auth")) << node;
    EXPECT_EQ(files.at("registry-auth"), kAuth);
    EXPECT_THAT(files.at("node.json"), testing::Not(testing::HasSubstr(kAuth)));
  }
  const std::string renewed = pki::base64_encode("reader:another");
  put_secret(renewed);
  now_ += std::chrono::minutes(10);
  sync();
  ASSERT_TRUE(with_mirror_.reconcile(kDemo));
  EXPECT_EQ(files_of("demo-worker-1").at("registry-auth"), renewed);
}

TEST_F(RegistryCredentialsOfNodes, AreNoReasonToStartThemAnew) {
  sync();
  ASSERT_TRUE(with_mirror_.reconcile(kDemo));
  const Json before = object(kube::resources::kStatefulSet, "demo-worker-1");
  put_secret(pki::base64_encode("reader:another"));
  now_ += std::chrono::minutes(10);
  sync();
  ASSERT_TRUE(with_mirror_.reconcile(kDemo));
  EXPECT_EQ(object(kube::resources::kStatefulSet, "demo-worker-1"), before);
}

TEST_F(RegistryCredentialsOfNodes, AreNobodysWithoutAMirror) {
  ASSERT_TRUE(reconcile());
  EXPECT_FALSE(files_of("demo-worker-1").contains("registry-auth"));
}

}  // namespace
}  // namespace vk8s::controller
