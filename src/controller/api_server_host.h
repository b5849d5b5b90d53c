// For integration tests of the whole controller: a real API server as its host, with
// the CRDs and the rights that an installation has, and a controller on it.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "controller/controller_manager.h"
#include "controller/manifests.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "kube/yaml.h"
#include "sys/file.h"

namespace vk8s::controller {

class ApiServerHost {
 public:
  struct Options {
    bool address_kinds = true;             // VNodeIPPool and IPAllocation
    std::vector<std::string> more_crds{};  // files of the repository
  };

  static Result<std::unique_ptr<ApiServerHost>> start(const Options& options) {
    auto host = std::make_unique<ApiServerHost>();
    host->server_ = VK8S_TRY(
        kube::testing::ApiServer::start({.api_server_flags = {"--allow-privileged=true"}}));
    kube::ClientConfig config = VK8S_TRY(host->server_->user(
        fmt::format("system:serviceaccount:{}:{}", kSystemNamespace, kControllerName),
        {"system:serviceaccounts"}));
    config.user_agent = kFieldManager;
    host->client_ = VK8S_TRY(host->loop_.run(
        [&] { return kube::Client::create(host->loop_.loop(), config, Log::silent()); }));
    host->admin_ = VK8S_TRY(host->loop_.run([&] {
      return kube::Client::create(host->loop_.loop(), host->server_->admin(), Log::silent());
    }));
    host->agents_client_ = VK8S_TRY(host->loop_.run(
        [&] { return http::Client::create(host->loop_.loop(), {}, Log::silent()); }));
    VK8S_TRY(host->install(options));
    return host;
  }
  ~ApiServerHost() {
    loop_.run([this] {
      client_.reset();
      admin_.reset();
      agents_client_.reset();
    });
  }

  kube::testing::LoopThread& loop_thread() { return loop_; }
  // The controller's: it acts as its ServiceAccount, so that each test shows as well
  // that its rights suffice.
  kube::Client& client() { return *client_; }
  http::Client& agents_client() { return *agents_client_; }
  kube::BlockingClient& api() { return api_.value(); }

  Status create_namespace(std::string_view name) {
    VK8S_TRY(api_->create(kube::resources::kNamespace, "",
                          Json(JsonObject{{"apiVersion", "v1"},
                                          {"kind", "Namespace"},
                                          {"metadata", JsonObject{{"name", Json(name)}}}})));
    // No controller manager runs here that would make it.
    VK8S_TRY(api_->create(kube::resources::kServiceAccount, name,
                          Json(JsonObject{{"apiVersion", "v1"},
                                          {"kind", "ServiceAccount"},
                                          {"metadata", JsonObject{{"name", "default"}}}})));
    return {};
  }
  Status install_address_kinds() {
    VK8S_TRY(create_crd(ip_pool_crd_manifest(), kube::resources::kVNodeIPPool));
    return create_crd(ip_allocation_crd_manifest(), kube::resources::kIPAllocation);
  }

  // Asks until look() is true.
  template <class Look>
  bool wait_until(Look look, std::chrono::seconds limit = std::chrono::seconds(30)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!look()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      loop_.tick(std::chrono::milliseconds(50));
    }
    return true;
  }

 private:
  Status install(const Options& options) {
    api_.emplace(loop_.loop(), *admin_, std::chrono::seconds(30));
    VK8S_TRY(create_crd(crd_manifest(), kube::resources::kVk8s));
    if (options.address_kinds) {
      VK8S_TRY(install_address_kinds());
    }
    for (const std::string& file : options.more_crds) {
      const std::string text = VK8S_TRY(
          sys::read_file(fmt::format("{}/{}", VK8S_SOURCE_DIR, file), std::size_t(1) << 20U));
      const Json crd = VK8S_TRY(kube::parse_yaml(text));
      const auto name = [&crd](std::string_view path) {
        return std::string(base::get_string(crd, path).value_or(""));
      };
      VK8S_TRY(create_crd(crd, {name("spec.group"), name("spec.versions.0.name"),
                                name("spec.names.plural"), name("spec.names.kind"), false}));
    }
    VK8S_TRY(create_namespace(kSystemNamespace));
    return grant();
  }

  Status create_crd(const Json& crd, const kube::Resource& resource) {
    VK8S_TRY(api_->create(kube::resources::kCustomResourceDefinition, "", crd));
    const bool served = wait_until([&] { return api_->list(resource, "").has_value(); });
    return served ? Status() : fail(Errc::kTimeout, "{} is not served", resource.plural);
  }

  Status grant() {
    namespace resources = kube::resources;
    for (const Json& manifest : rbac_manifests()) {
      for (const kube::Resource* resource :
           {&resources::kClusterRole, &resources::kClusterRoleBinding, &resources::kRole,
            &resources::kRoleBinding}) {
        if (base::get_string(manifest, "kind") == resource->kind) {
          VK8S_TRY(api_->create(*resource, resource->namespaced ? kSystemNamespace : "", manifest));
        }
      }
    }
    return {};
  }

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::Client> admin_;
  std::unique_ptr<http::Client> agents_client_;
  std::optional<kube::BlockingClient> api_;
};

// The controller of a host while this lives.
class RunningController {
 public:
  explicit RunningController(
      ApiServerHost& host, kube::Client* client = nullptr,
      std::chrono::milliseconds sweeper_period = std::chrono::milliseconds(300))
      : host_(host) {
    ManagerOptions options;
    options.sweeper.period = sweeper_period;
    host_.loop_thread().run([&] {
      manager_ = std::make_unique<ControllerManager>(host_.loop_thread().loop(),
                                                     client == nullptr ? host_.client() : *client,
                                                     host_.agents_client(), options, Log::silent());
      manager_->start([] {});
    });
  }
  ~RunningController() {
    std::promise<void> stopped;
    host_.loop_thread().run([&] { manager_->stop([&stopped] { stopped.set_value(); }); });
    stopped.get_future().wait();
    host_.loop_thread().run([this] { manager_.reset(); });
  }
  RunningController(const RunningController&) = delete;
  RunningController& operator=(const RunningController&) = delete;

 private:
  ApiServerHost& host_;
  std::unique_ptr<ControllerManager> manager_;
};

}  // namespace vk8s::controller
