// The rights of vk8s-ip-node on a real API server: with the token of its pod on one node.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>

#include "api/ip_allocation.h"
#include "controller/manifests.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using kube::resources::kNode;
using kube::resources::kPod;
using testing::HasSubstr;

class IpNodeOnApiServer : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    auto started = kube::testing::ApiServer::start();
    ASSERT_TRUE(started) << started.error().message();
    server_ = *std::move(started);
    admin_ = kube::Client::create(thread_.loop(), server_->admin(), Log::silent()).value();
    for (const char* name : {"node-1", "node-2"}) {
      as_admin(
          "POST", "/api/v1/nodes",
          {{"metadata",
            {{"name", name}, {"annotations", {{"others", "kept"}}}, {"labels", {{"a", "b"}}}}}});
    }
    as_admin("POST", "/api/v1/namespaces", {{"metadata", {{"name", kSystemNamespace}}}});
    install(ip_node_manifests(false));
    client_ = as_pod_on("node-1");
    ASSERT_TRUE(client_);
    wait_for_policy();
  }
  void TearDown() override {
    thread_.run([this] {
      client_.reset();
      admin_.reset();
    });
  }

  Json as_admin(const std::string& method, const std::string& path, const Json& body) {
    kube::BlockingClient admin(thread_.loop(), *admin_);
    const auto done = admin.raw({.method = method,
                                 .path = path,
                                 .content_type = "application/json",
                                 .body = base::to_string(body)});
    EXPECT_TRUE(done && done->status < 300) << path << ": " << (done ? done->body : "");
    return done ? base::parse_json(done->body).value_or(Json()) : Json();
  }

  void install(const std::vector<Json>& manifests) {
    for (const Json& manifest : manifests) {
      const std::string kind(*base::get_string(manifest, "kind"));
      const std::string version(*base::get_string(manifest, "apiVersion"));
      std::string plural = kind + (kind.ends_with("y") ? "ies" : "s");
      if (kind.ends_with("y")) {
        plural.erase(kind.size() - 1, 1);
      }
      std::transform(plural.begin(), plural.end(), plural.begin(),
                     [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
      const auto space = base::get_string(manifest, "metadata.namespace");
      as_admin("POST",
               fmt::format("/{}{}{}/{}", version == "v1" ? "api/" : "apis/", version,
                           space ? fmt::format("/namespaces/{}", *space) : "", plural),
               manifest);
    }
  }

  // A client with the token that the kubelet of that node would give the pod.
  std::unique_ptr<kube::Client> as_pod_on(const std::string& node) {
    const std::string space = fmt::format("/api/v1/namespaces/{}", kSystemNamespace);
    const Json pod =
        as_admin("POST", space + "/pods",
                 {{"metadata", {{"name", "ip-" + node}}},
                  {"spec",
                   {{"nodeName", node},
                    {"serviceAccountName", kIpNodeName},
                    {"containers", JsonArray{JsonObject{{"name", "a"}, {"image", "a"}}}}}}});
    const Json token =
        as_admin("POST", fmt::format("{}/serviceaccounts/{}/token", space, kIpNodeName),
                 {{"spec",
                   {{"boundObjectRef",
                     {{"kind", "Pod"},
                      {"apiVersion", "v1"},
                      {"name", "ip-" + node},
                      {"uid", base::get_string(pod, "metadata.uid").value_or("")}}}}}});
    kube::ClientConfig config;
    config.server = server_->admin().server;
    config.ca_pem = server_->admin().ca_pem;
    config.token = base::get_string(token, "status.token").value_or("");
    return kube::Client::create(thread_.loop(), config, Log::silent()).value();
  }

  std::string patch(const std::string& node, const Json& change) {
    kube::BlockingClient client(thread_.loop(), *client_);
    const auto done = client.merge_patch(kNode, {"", node}, change);
    return done ? "done" : done.error().message();
  }
  static Json annotation(std::string_view key, Json value) {
    return {{"metadata", {{"annotations", {{key, std::move(value)}}}}}};
  }

  // Policies are looked at some time after they are written.
  void wait_for_policy() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (patch("node-2", annotation(api::kHeldIpsAnnotation, "[]")) == "done") {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      thread_.tick(std::chrono::milliseconds(100));
    }
  }

  kube::testing::LoopThread thread_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> admin_;
  std::unique_ptr<kube::Client> client_;
};

TEST_F(IpNodeOnApiServer, WritesOneAnnotationOfItsOwnNodeAndNothingElse) {
  EXPECT_EQ(patch("node-1", annotation(api::kHeldIpsAnnotation, "[]")), "done");
  EXPECT_EQ(patch("node-1", annotation(api::kHeldIpsAnnotation, "[1]")), "done");
  EXPECT_EQ(patch("node-1", annotation(api::kHeldIpsAnnotation, nullptr)), "done");
  EXPECT_THAT(patch("node-2", annotation(api::kHeldIpsAnnotation, "[]")),
              HasSubstr("may write its own Node alone"));
  for (const auto& [key, value] : {std::pair("others", Json("changed")),
                                   std::pair("others", Json()), std::pair("new", Json("a"))}) {
    EXPECT_THAT(patch("node-1", annotation(key, value)), HasSubstr("may write the annotation"));
  }
  EXPECT_THAT(patch("node-1", {{"metadata", {{"labels", {{"a", "c"}}}}}}),
              HasSubstr("annotations of a Node alone"));
  EXPECT_THAT(patch("node-1", {{"spec", {{"unschedulable", true}}}}),
              HasSubstr("annotations of a Node alone"));
  EXPECT_THAT(patch("node-1", {{"metadata", {{"finalizers", JsonArray{"a.example/b"}}}}}),
              HasSubstr("annotations of a Node alone"));
}

TEST_F(IpNodeOnApiServer, SeesNoPodsUnlessItRoutes) {
  kube::BlockingClient client(thread_.loop(), *client_);
  const auto pods = client.list(kPod, "");
  ASSERT_FALSE(pods);
  EXPECT_EQ(pods.error().code(), Errc::kForbidden);
  EXPECT_EQ(client.get(kube::resources::kIPAllocation, {"", "10.1.200.7"}).error().code(),
            Errc::kNotFound)
      << "it may ask whose an address is";
}

}  // namespace
}  // namespace vk8s::controller
