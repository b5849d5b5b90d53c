// For integration tests of this module: replicas of the service with the rights that are
// committed (config/ip-manager), and callers with tokens of real ServiceAccounts.
#pragma once

#include <fmt/format.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "http/client.h"
#include "ipmanager/service.h"
#include "ipmanager/test_host.h"

namespace vk8s::ipmanager::testing {

// Once for a host: namespace, ServiceAccount and rights.
inline Status install_service(TestHost& host) {
  VK8S_TRY(host.add_namespace("vk8s-system"));
  const std::string text =
      VK8S_TRY(sys::read_file(std::string(VK8S_SOURCE_DIR) + "/config/ip-manager/ip-manager.yaml"));
  for (const Json& manifest : VK8S_TRY(kube::parse_yaml_documents(text))) {
    for (const kube::Resource* resource :
         {&kube::resources::kServiceAccount, &kube::resources::kClusterRole,
          &kube::resources::kClusterRoleBinding, &kube::resources::kRole,
          &kube::resources::kRoleBinding}) {
      if (base::get_string(manifest, "kind") == resource->kind) {
        VK8S_TRY(host.api().create(*resource, resource->namespaced ? "vk8s-system" : "", manifest));
      }
    }
  }
  return {};
}

// A ServiceAccount of team-a that may do so much to ipallocations.
inline Status add_caller(TestHost& host, const std::string& name,
                         const std::vector<std::string>& verbs) {
  const JsonObject metadata{{"name", name}};
  // Kubernetes has roles of its own, such as "admin".
  const JsonObject role_metadata{{"name", "caller-" + name}};
  VK8S_TRY(host.api().create(
      kube::resources::kServiceAccount, "team-a",
      JsonObject{{"apiVersion", "v1"}, {"kind", "ServiceAccount"}, {"metadata", metadata}}));
  JsonArray texts(verbs.begin(), verbs.end());
  JsonObject rule;
  rule["apiGroups"] = JsonArray{"vk8s.sktelecom.com"};
  rule["resources"] = JsonArray{"ipallocations"};
  rule["verbs"] = std::move(texts);
  VK8S_TRY(host.api().create(kube::resources::kClusterRole, "",
                             JsonObject{{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                        {"kind", "ClusterRole"},
                                        {"metadata", role_metadata},
                                        {"rules", JsonArray{std::move(rule)}}}));
  JsonObject role;
  role["apiGroup"] = "rbac.authorization.k8s.io";
  role["kind"] = "ClusterRole";
  role["name"] = role_metadata.at("name");
  JsonObject subject{{"kind", "ServiceAccount"}, {"name", name}, {"namespace", "team-a"}};
  VK8S_TRY(host.api().create(kube::resources::kClusterRoleBinding, "",
                             JsonObject{{"apiVersion", "rbac.authorization.k8s.io/v1"},
                                        {"kind", "ClusterRoleBinding"},
                                        {"metadata", role_metadata},
                                        {"roleRef", std::move(role)},
                                        {"subjects", JsonArray{std::move(subject)}}}));
  return {};
}

// By a TokenRequest; audience "" = the API server's own.
inline Result<std::string> token_of(TestHost& host, const std::string& name,
                                    const std::string& audience = "vk8s-ip-manager") {
  JsonObject spec;
  if (!audience.empty()) {
    spec["audiences"] = JsonArray{Json(audience)};
  }
  const Json request(JsonObject{{"apiVersion", "authentication.k8s.io/v1"},
                                {"kind", "TokenRequest"},
                                {"spec", std::move(spec)}});
  const auto answer = VK8S_TRY(host.api().raw(
      {.method = "POST",
       .path = fmt::format("/api/v1/namespaces/team-a/serviceaccounts/{}/token", name),
       .content_type = "application/json",
       .body = base::to_string(request)}));
  const Json token = VK8S_TRY(base::parse_json(answer.body));
  const auto text = base::get_string(token, "status.token");
  if (!text) {
    return fail(Errc::kInternal, "TokenRequest: {}", answer.body);
  }
  return std::string(*text);
}

// What is published for callers.
inline std::string published_ca(TestHost& host) {
  const auto map =
      host.api().get(kube::resources::kConfigMap, {"vk8s-system", "vk8s-ip-manager-ca"});
  const JsonObject* data = map ? base::get_object(*map, "data") : nullptr;
  return data == nullptr ? std::string() : std::string(data->at("ca.crt").as_string());
}

// One replica of the service, on loopback, as its ServiceAccount.
class TestService {
 public:
  explicit TestService(TestHost& host) : host_(host) {
    const auto config = host.server().user("system:serviceaccount:vk8s-system:vk8s-ip-manager",
                                           {"system:serviceaccounts"});
    host.thread().run([&] {
      EventLoop& loop = host.thread().loop();
      client_ = kube::Client::create(loop, config.value(), Log::silent()).value();
      caller_ = http::Client::create(loop, {}, Log::silent()).value();
      service_ = std::make_unique<Service>(
          loop, *client_, ServiceOptions{.address = "127.0.0.1", .port = 0, .access = {}},
          Log::silent());
      const Status started = service_->start();
      EXPECT_TRUE(started) << started.error().message();
    });
  }
  ~TestService() {
    std::promise<void> stopped;
    host_.thread().run([&] { service_->stop([&stopped] { stopped.set_value(); }); });
    stopped.get_future().wait();
    host_.thread().run([&] {
      service_.reset();
      caller_.reset();
      client_.reset();
    });
  }
  TestService(const TestService&) = delete;
  TestService& operator=(const TestService&) = delete;

  bool wait_until_ready() {
    return host_.thread().wait_until([this] { return service_->is_ready(); },
                                     std::chrono::seconds(20));
  }
  std::uint16_t port() {
    return host_.thread().run([this] { return service_->port(); });
  }

  // By a caller that verifies the published CA and the Service's name.
  Result<http::Response> call(const std::string& method, const std::string& target,
                              const std::string& token, const std::string& body = "",
                              const std::string& ca = "") {
    auto identity = std::make_shared<http::TlsIdentity>();
    identity->ca_pem = ca.empty() ? published_ca(host_) : ca;
    http::Request request;
    request.method = method;
    request.url = fmt::format("https://127.0.0.1:{}{}", port(), target);
    request.identity = std::move(identity);
    request.server_name = "vk8s-ip-manager.vk8s-system.svc";
    request.body = body;
    if (!token.empty()) {
      request.headers.emplace_back("Authorization", "Bearer " + token);
    }
    if (!body.empty()) {
      request.headers.emplace_back("Content-Type", "application/json");
    }
    std::promise<Result<http::Response>> promise;
    http::Call call = host_.thread().run([&] {
      return caller_->send(request, [&](Result<http::Response> r) { promise.set_value(r); });
    });
    Result<http::Response> answer = promise.get_future().get();
    host_.thread().run([&] { call.cancel(); });
    return answer;
  }
  // "STATUS BODY", or the error.
  std::string say(const std::string& method, const std::string& target, const std::string& token,
                  const std::string& body = "") {
    const auto answer = call(method, target, token, body);
    return answer ? fmt::format("{} {}", answer->status, answer->body) : answer.error().message();
  }

 private:
  TestHost& host_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<http::Client> caller_;
  std::unique_ptr<Service> service_;
};

}  // namespace vk8s::ipmanager::testing
