// The bootstrap objects on a real API server, which fills in fields of its own.
#include <gtest/gtest.h>

#include <atomic>
#include <optional>

#include "agent/control_plane.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::agent {
namespace {

using kube::resources::kEndpointSlice;
using kube::resources::kService;
using kube::testing::ApiServer;
using std::chrono::seconds;

const kube::ObjectKey kDns = {"kube-system", "kube-dns"};
const kube::ObjectKey kDnsSlice = {"kube-system", "kube-dns-vk8s"};

// A client that counts how often objects of DNS are applied.
class CountingClient final : public kube::Client {
 public:
  explicit CountingClient(std::unique_ptr<kube::Client> real) : real_(std::move(real)) {}

  int applied() const { return applied_; }

  kube::Call get(const kube::Resource& r, const kube::ObjectKey& key, Callback done) override {
    return real_->get(r, key, std::move(done));
  }
  kube::Call list(const kube::Resource& r, std::string_view in, const kube::ListOptions& options,
                  Callback done) override {
    return real_->list(r, in, options, std::move(done));
  }
  kube::Call create(const kube::Resource& r, std::string_view in, const Json& object, Callback done,
                    bool dry_run) override {
    return real_->create(r, in, object, std::move(done), dry_run);
  }
  kube::Call update(const kube::Resource& r, const Json& object, Callback done) override {
    return real_->update(r, object, std::move(done));
  }
  kube::Call apply(const kube::Resource& r, const Json& object, const kube::ApplyOptions& options,
                   Callback done, std::string_view subresource) override {
    applied_ += r == kService || r == kEndpointSlice ? 1 : 0;
    return real_->apply(r, object, options, std::move(done), subresource);
  }
  kube::Call merge_patch(const kube::Resource& r, const kube::ObjectKey& key, const Json& patch,
                         Callback done, std::string_view subresource) override {
    return real_->merge_patch(r, key, patch, std::move(done), subresource);
  }
  kube::Call remove(const kube::Resource& r, const kube::ObjectKey& key,
                    const kube::DeleteOptions& options, Callback done) override {
    return real_->remove(r, key, options, std::move(done));
  }
  kube::Call raw(kube::RawRequest request,
                 std::function<void(Result<kube::RawResponse>)> done) override {
    return real_->raw(std::move(request), std::move(done));
  }
  kube::Call watch(const kube::Resource& r, std::string_view in, const kube::WatchOptions& options,
                   std::function<void(kube::WatchEvent)> on_event,
                   std::function<void(Status)> on_done) override {
    return real_->watch(r, in, options, std::move(on_event), std::move(on_done));
  }

 private:
  std::unique_ptr<kube::Client> real_;
  std::atomic<int> applied_ = 0;
};

class ControlPlaneOnApiServer : public testing::Test {
 protected:
  void SetUp() override {
    if (const auto missing = ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    auto started = ApiServer::start();
    ASSERT_TRUE(started) << started.error().message();
    server_ = *std::move(started);
    client_ = std::make_unique<CountingClient>(
        kube::Client::create(thread_.loop(), server_->admin(), Log::silent()).value());
    blocking_.emplace(thread_.loop(), *client_);
    thread_.run([this] {
      control_plane_.emplace(thread_.loop(), *client_, config_, server_->ca().certificate_pem,
                             Log::silent());
      EXPECT_TRUE(control_plane_->start());
    });
  }
  void TearDown() override {
    thread_.run([this] {
      control_plane_.reset();
      client_.reset();
    });
  }

  std::string uid_of(const kube::Resource& resource, const kube::ObjectKey& key) {
    const auto object = blocking_->get(resource, key);
    return std::string(object ? base::get_string(*object, "metadata.uid").value_or("") : "");
  }

  template <class Holds>
  bool wait_until(Holds holds, seconds limit = seconds(30)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      thread_.tick(std::chrono::milliseconds(50));
    }
    return true;
  }

  const api::NodeConfig config_ = {.cluster_name = "a",
                                   .node_name = "a-master-1",
                                   .kubernetes_version = "1.37.2",
                                   .pod_network_cidr = "100.72.0.0/16",
                                   .service_cidr = "10.96.0.0/16",
                                   .pod_cidr = "100.72.3.0/24"};
  std::unique_ptr<ApiServer> server_;
  kube::testing::LoopThread thread_;
  std::unique_ptr<CountingClient> client_;
  std::optional<kube::BlockingClient> blocking_;
  std::optional<ControlPlane> control_plane_;
};

TEST_F(ControlPlaneOnApiServer, KeepsDnsAndIsSilentWhileNobodyTouchesIt) {
  ASSERT_TRUE(wait_until([&] { return !uid_of(kService, kDns).empty(); }));
  ASSERT_TRUE(wait_until([&] { return !uid_of(kEndpointSlice, kDnsSlice).empty(); }));
  const std::string before = uid_of(kService, kDns);
  ASSERT_TRUE(blocking_->remove(kService, kDns));
  ASSERT_TRUE(wait_until([&] {
    const std::string now = uid_of(kService, kDns);
    return !now.empty() && now != before;
  }));
  const auto service = blocking_->get(kService, kDns);
  ASSERT_TRUE(service);
  EXPECT_EQ(base::get_string(*service, "spec.clusterIP"), "10.96.0.10");
  // What the server adds is no change that asks for another apply.
  const int applied = client_->applied();
  EXPECT_FALSE(wait_until([&] { return client_->applied() > applied; }, seconds(2)));
}

}  // namespace
}  // namespace vk8s::agent
