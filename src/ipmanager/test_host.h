// For integration tests of this module: a real API server that serves the kinds of
// static addresses as they are committed, and processes that give addresses.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipmanager/allocator.h"
#include "ipmanager/sweeper.h"
#include "ipmanager/test_objects.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "kube/yaml.h"
#include "sys/file.h"

namespace vk8s::ipmanager::testing {

// The API server, and an administrator's access to it.
class TestHost {
 public:
  static Result<std::unique_ptr<TestHost>> start() {
    auto host = std::make_unique<TestHost>();
    host->server_ = VK8S_TRY(kube::testing::ApiServer::start());
    host->admin_ = VK8S_TRY(host->connect());
    host->api_.emplace(host->loop_.loop(), *host->admin_, std::chrono::seconds(60));
    for (const char* file : {"vk8s", "vnodeippool", "ipallocation"}) {
      const std::string text =
          VK8S_TRY(sys::read_file(std::string(VK8S_SOURCE_DIR) + "/config/crd/" + file + ".yaml"));
      const Json manifest = VK8S_TRY(kube::parse_yaml(text));
      VK8S_TRY(host->api_->create(kube::resources::kCustomResourceDefinition, "", manifest));
    }
    VK8S_TRY(host->add_namespace("team-a"));
    for (const kube::Resource* kind : {&kube::resources::kVk8s, &kube::resources::kVNodeIPPool,
                                       &kube::resources::kIPAllocation}) {
      VK8S_TRY(host->wait_until_served(*kind));
    }
    return host;
  }
  ~TestHost() {
    loop_.run([this] { admin_.reset(); });
  }

  kube::testing::LoopThread& thread() { return loop_; }
  kube::testing::ApiServer& server() { return *server_; }
  kube::BlockingClient& api() { return *api_; }

  Result<std::unique_ptr<kube::Client>> connect() {
    return loop_.run(
        [this] { return kube::Client::create(loop_.loop(), server_->admin(), Log::silent()); });
  }

  Status add_namespace(const std::string& name) {
    VK8S_TRY(api_->create(kube::resources::kNamespace, "",
                          JsonObject{{"apiVersion", "v1"},
                                     {"kind", "Namespace"},
                                     {"metadata", JsonObject{{"name", name}}}}));
    return {};
  }

  // Server-side apply: made or changed.
  Status put_pool(const std::string& name, const std::vector<std::string>& ranges,
                  JsonObject more = {}) {
    Json pool = pool_object(name, ranges, std::move(more));
    pool.at("metadata") = JsonObject{{"name", name}};
    VK8S_TRY(api_->apply(kube::resources::kVNodeIPPool, pool, {.field_manager = "test"}));
    return {};
  }

  // What is on the server, by address.
  std::vector<api::IpAllocation> list_allocations() {
    std::vector<api::IpAllocation> out;
    const auto list = api_->list(kube::resources::kIPAllocation, "");
    EXPECT_TRUE(list) << list.error().message();
    const JsonArray* items = list ? base::get_array(*list, "items") : nullptr;
    for (const Json& item : items == nullptr ? JsonArray() : *items) {
      const auto allocation = api::parse_ip_allocation(item);
      EXPECT_TRUE(allocation) << allocation.error().message();
      out.push_back(*allocation);
    }
    return out;
  }

  // Between tests.
  void remove_everything() {
    for (const kube::Resource* kind :
         {&kube::resources::kIPAllocation, &kube::resources::kVNodeIPPool}) {
      const auto list = api_->list(*kind, "");
      const JsonArray* items = list ? base::get_array(*list, "items") : nullptr;
      for (const Json& item : items == nullptr ? JsonArray() : *items) {
        const std::string name(base::get_string(item, "metadata.name").value_or(""));
        EXPECT_TRUE(api_->remove(*kind, {"", name}));
      }
    }
  }

 private:
  Status wait_until_served(const kube::Resource& kind) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!api_->list(kind, "")) {
      if (std::chrono::steady_clock::now() > deadline) {
        return fail(Errc::kTimeout, "{} are not served after 30 s", kind.plural);
      }
      loop_.tick(std::chrono::milliseconds(20));
    }
    return {};
  }

  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> admin_;
  std::optional<kube::BlockingClient> api_;
};

// One process that gives addresses and tidies up, with a connection of its own. Made
// and ended on the loop's thread.
class TestReplica {
 public:
  TestReplica(EventLoop& loop, std::unique_ptr<kube::Client> client, SweeperOptions options,
              const Log& log = Log::silent())
      : client_(std::move(client)),
        allocator_(loop, *client_, log),
        sweeper_(loop, *client_, allocator_, log, options) {
    allocator_.start();
    sweeper_.start();
  }

  Allocator& allocator() { return allocator_; }
  Sweeper& sweeper() { return sweeper_; }

 private:
  std::unique_ptr<kube::Client> client_;
  Allocator allocator_;
  Sweeper sweeper_;
};

}  // namespace vk8s::ipmanager::testing
