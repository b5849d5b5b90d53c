// For the tests of the Reconciler: a host's API server and a virtual cluster's, both in
// memory, agents and addresses that say what a test tells them, and "demo" of team-a.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "controller/fake_world.h"
#include "controller/reconciler.h"
#include "controller/test_cluster.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {

inline const kube::ObjectKey kDemo{"team-a", "demo"};

class FakeAgents final : public AgentMonitor {
 public:
  void follow(const kube::ObjectKey&, const std::vector<AgentTarget>& targets,
              std::shared_ptr<const http::TlsIdentity> identity) override {
    targets_ = targets;
    identity_ = identity ? identity : identity_;
  }
  bool has_identity(const kube::ObjectKey&) const override { return identity_ != nullptr; }
  void forget(const kube::ObjectKey&) override { targets_.clear(); }
  std::optional<AgentReport> report(const kube::ObjectKey&, std::string_view node,
                                    std::string_view) const override {
    const auto at = reports_.find(std::string(node));
    return at == reports_.end() ? std::nullopt : std::optional(at->second);
  }

  std::vector<AgentTarget> targets_;
  std::shared_ptr<const http::TlsIdentity> identity_;
  std::map<std::string, AgentReport> reports_;
};

// Virtual clusters that are one fake server.
class FakeInnerClusters final : public InnerClusters {
 public:
  FakeInnerClusters(EventLoop& loop, kube::Client& server)
      : client_(loop, server, std::chrono::seconds(10)) {}

  bool has_identity(const kube::ObjectKey&) const override { return adopted_; }
  Status adopt(const Cluster& cluster) override {
    EXPECT_TRUE(cluster.pki.contains("ca.key"));
    adopted_ = true;
    return {};
  }
  void forget(const kube::ObjectKey&) override { adopted_ = false; }
  std::vector<Result<Json>> run(const kube::ObjectKey&,
                                std::vector<BatchClient::Request> requests) override {
    return client_.run(std::move(requests));
  }

 private:
  BatchClient client_;
  bool adopted_ = false;
};

// Gives the addresses that a test says.
class FakeAddresses final : public Addresses {
 public:
  Outcome ensure(Cluster& cluster, const NodeSets& sets) override {
    sets_ = sets;
    if (on_ensure_) {
      on_ensure_();
    }
    for (const auto& [node, address] : given_) {
      cluster.addresses[node] = {IpAddress::parse(address).value(), {}};
    }
    cluster.held_back = held_back_;
    return {problem_, {}};
  }
  std::optional<Problem> release_left(const Cluster&) override {
    ++releases_;
    return std::nullopt;
  }
  void forget(const kube::ObjectKey&) override { forgotten_ = true; }

  std::function<void()> on_ensure_;  // in the middle of a reconcile
  std::map<std::string, std::string> given_;
  std::set<std::string> held_back_;
  std::optional<Problem> problem_;
  NodeSets sets_;
  int releases_ = 0;
  bool forgotten_ = false;
};

// Says of add-ons what a test says.
class FakeAddons final : public Addons {
 public:
  bool has_identity(const kube::ObjectKey&) const override { return adopted_; }
  Status adopt(const Cluster& cluster) override {
    EXPECT_TRUE(cluster.pki.contains("ca.key"));
    adopted_ = true;
    return {};
  }
  bool wants_login(const api::Vk8s&) const override { return wants_login_; }
  AddonsReport ensure(const api::Vk8s&, bool can_work,
                      const std::optional<AddonLogin>& login) override {
    can_work_ = can_work;
    login_ = login;
    return report_;
  }
  void forget(const kube::ObjectKey&) override { forgotten_ = true; }

  AddonsReport report_;
  bool wants_login_ = false;
  std::optional<bool> can_work_;  // as it was told last
  std::optional<AddonLogin> login_;
  bool adopted_ = false;
  bool forgotten_ = false;
};

// The fake server, which gives Services addresses as a real one does.
class ServerWithAddresses final : public kube::Client {
 public:
  explicit ServerWithAddresses(kube::FakeClient& fake) : fake_(fake) {}

  kube::Call get(const kube::Resource& resource, const kube::ObjectKey& key,
                 Callback done) override {
    return fake_.get(resource, key, std::move(done));
  }
  kube::Call list(const kube::Resource& resource, std::string_view in,
                  const kube::ListOptions& options, Callback done) override {
    return fake_.list(resource, in, options, std::move(done));
  }
  kube::Call create(const kube::Resource& resource, std::string_view in, const Json& object,
                    Callback done, bool dry_run) override {
    Json stored = object;
    if (resource == kube::resources::kService && !base::find(object, "spec.clusterIP")) {
      set(stored, "spec.clusterIP", "10.96.0.7");
      set(stored, "spec.ports.0.nodePort", 31234);
    }
    return fake_.create(resource, in, stored, std::move(done), dry_run);
  }
  kube::Call update(const kube::Resource& resource, const Json& object, Callback done) override {
    return fake_.update(resource, object, std::move(done));
  }
  kube::Call apply(const kube::Resource& resource, const Json& object,
                   const kube::ApplyOptions& options, Callback done,
                   std::string_view subresource) override {
    return fake_.apply(resource, object, options, std::move(done), subresource);
  }
  kube::Call merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                         const Json& patch, Callback done, std::string_view subresource) override {
    return fake_.merge_patch(resource, key, patch, std::move(done), subresource);
  }
  kube::Call remove(const kube::Resource& resource, const kube::ObjectKey& key,
                    const kube::DeleteOptions& options, Callback done) override {
    return fake_.remove(resource, key, options, std::move(done));
  }
  kube::Call raw(kube::RawRequest request,
                 std::function<void(Result<kube::RawResponse>)> done) override {
    return fake_.raw(std::move(request), std::move(done));
  }
  kube::Call watch(const kube::Resource& resource, std::string_view in,
                   const kube::WatchOptions& options,
                   std::function<void(kube::WatchEvent)> on_event,
                   std::function<void(Status)> on_done) override {
    return fake_.watch(resource, in, options, std::move(on_event), std::move(on_done));
  }

 private:
  kube::FakeClient& fake_;
};

class ReconcilerTest : public testing::Test {
 protected:
  ReconcilerTest()
      : server_(loop_.run([this] { return std::make_unique<kube::FakeClient>(loop_.loop()); })),
        inner_server_(
            loop_.run([this] { return std::make_unique<kube::FakeClient>(loop_.loop()); })),
        inner_(loop_.loop(), *inner_server_),
        front_(*server_),
        client_(loop_.loop(), front_, std::chrono::seconds(10)),
        reconciler_(Reconciler::Parts{
            client_, world_, agents_, inner_, addresses_, addons_,
            [this](const Json&, bool, std::string_view reason, const std::string& message) {
              announced_.emplace_back(reason);
              announcement_ = message;
            },
            Settings(), Log::silent(), [this] { return now_; }}) {
    store_vk8s(vk8s_object());
  }
  ~ReconcilerTest() override {
    loop_.run([this] {
      server_.reset();
      inner_server_.reset();
    });
  }

  // One field of the Vk8s, as its user edits it.
  void edit(std::string_view path, Json value) {
    Json edited = object(kube::resources::kVk8s, "demo");
    set(edited, path, std::move(value));
    store_vk8s(std::move(edited));
  }
  void add_worker(const char* name) {
    Json nodes = *base::find(object(kube::resources::kVk8s, "demo"), "spec.nodes");
    nodes.get_array().push_back(JsonObject{{"name", name}, {"role", "worker"}});
    edit("spec.nodes", std::move(nodes));
  }
  void remove_last_node() {
    Json nodes = *base::find(object(kube::resources::kVk8s, "demo"), "spec.nodes");
    nodes.get_array().pop_back();
    edit("spec.nodes", std::move(nodes));
  }
  // "True", "False", or "" where there is no such condition.
  std::string condition(std::string_view type) {
    const api::Vk8sStatus now = status();
    const api::Condition* found = api::find_condition(now.conditions, type);
    return found == nullptr ? std::string() : std::string(api::to_string(found->status));
  }
  // Until both nodes are ready.
  void run_cluster() {
    ASSERT_TRUE(reconcile());
    put_pod("demo-master-1", true);
    put_pod("demo-worker-1", true);
    ASSERT_TRUE(reconcile());
    ASSERT_EQ(status().phase, "Running");
  }
  // The host's API server has this against such requests; "" = nothing any more.
  void refuse(const std::string& verb, const kube::Resource& resource, const std::string& name,
              const std::string& words) {
    loop_.run([&] {
      server_->set_hook([=](const kube::FakeRequest& request) -> std::optional<Error> {
        const bool is_it = request.verb == verb && request.resource == resource &&
                           request.key.name == name && !words.empty();
        return is_it ? std::optional(Error(Errc::kForbidden, words)) : std::nullopt;
      });
    });
  }
  void remove_pod(const std::string& node) {
    const auto removed =
        client_.run_one(remove_request(kube::resources::kPod, {"team-a", node + "-0"}, {}));
    ASSERT_TRUE(removed) << removed.error().message();
  }

  void store_vk8s(Json object) {
    loop_.run([&] { server_->put(kube::resources::kVk8s, object); });
  }

  // What watches would have brought.
  void sync() {
    loop_.run([this] {
      for (const auto* resource : {&kube::resources::kVk8s, &kube::resources::kStatefulSet,
                                   &kube::resources::kService, &kube::resources::kDeployment,
                                   &kube::resources::kNetworkPolicy, &kube::resources::kPod}) {
        for (const std::string& name : names_) {
          const Json* object = server_->peek(*resource, {"team-a", name});
          if (object != nullptr) {
            world_.put(*resource, *object);
          } else {
            world_.erase(*resource, {"team-a", name});
          }
        }
      }
    });
  }

  Result<Reconciler::Outcome> reconcile() {
    sync();
    return reconciler_.reconcile(kDemo);
  }

  Json object(const kube::Resource& resource, const std::string& name) {
    return loop_.run([&] {
      const Json* found = server_->peek(resource, {"team-a", name});
      return found == nullptr ? Json() : *found;
    });
  }

  api::Vk8sStatus status() {
    const Json found = object(kube::resources::kVk8s, "demo");
    const Json* json = base::find(found, "status");
    return json == nullptr ? api::Vk8sStatus() : api::parse_vk8s_status(*json);
  }

  std::vector<kube::FakeRequest> requests() {
    return loop_.run([this] { return server_->requests(); });
  }
  void clear_requests() {
    loop_.run([this] { server_->clear_requests(); });
  }
  std::vector<std::string> writes() {
    std::vector<std::string> out;
    for (const kube::FakeRequest& request : requests()) {
      if (request.verb != "get" && request.subresource.empty()) {
        out.push_back(request.verb + " " + request.resource.kind + " " + request.key.name);
      }
    }
    return out;
  }

  // A ready pod of that revision; its StatefulSet is at revision "new".
  void put_pod_of_revision(const std::string& node, const char* revision) {
    put_pod(node, true);
    loop_.run([&] {
      Json pod = *server_->peek(kube::resources::kPod, {"team-a", node + "-0"});
      set(pod, "metadata.labels.controller-revision-hash", revision);
      server_->put(kube::resources::kPod, pod);
      Json set_object = *server_->peek(kube::resources::kStatefulSet, {"team-a", node});
      set(set_object, "status.updateRevision", "new");
      set(set_object, "status.observedGeneration", *base::find(set_object, "metadata.generation"));
      server_->put(kube::resources::kStatefulSet, set_object);
    });
  }
  void put_inner(const kube::Resource& resource, const char* json) {
    loop_.run([&] { inner_server_->put(resource, base::parse_json(json).value()); });
  }
  Json inner_object(const kube::Resource& resource, const kube::ObjectKey& key) {
    return loop_.run([&] {
      const Json* found = inner_server_->peek(resource, key);
      return found == nullptr ? Json() : *found;
    });
  }
  void remove_inner(const kube::Resource& resource, const kube::ObjectKey& key) {
    const auto removed = inner_.run(kDemo, {remove_request(resource, key, {})});
    ASSERT_TRUE(removed.front()) << removed.front().error().message();
  }

  void put_pod(const std::string& node, bool ready) {
    Json pod = base::parse_json(R"({"apiVersion":"v1","kind":"Pod","metadata":{
        "namespace":"team-a","labels":{"app":"vk8s","clusterName":"demo"}},
        "status":{"podIP":"10.0.0.9","conditions":[{"type":"Ready","status":"False"}]}})")
                   .value();
    set(pod, "metadata.name", Json(node + "-0"));
    set(pod, "metadata.uid", Json("uid-" + node));
    set(pod, "status.conditions.0.status", ready ? "True" : "False");
    loop_.run([&] { server_->put(kube::resources::kPod, pod); });
  }

  const std::vector<std::string> names_ = {
      "demo",           "demo-peers",    "demo-ports",    "demo-access-svc", "demo-access-pod",
      "demo-master-1",  "demo-worker-1", "demo-worker-2", "demo-master-1-0", "demo-worker-1-0",
      "demo-worker-2-0"};
  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::FakeClient> server_;
  std::unique_ptr<kube::FakeClient> inner_server_;
  FakeInnerClusters inner_;
  ServerWithAddresses front_;
  FakeWorld world_;
  FakeAgents agents_;
  FakeAddresses addresses_;
  FakeAddons addons_;
  std::vector<std::string> announced_;  // reasons
  std::string announcement_;            // the last message
  base::WallTime now_ = std::chrono::system_clock::now();
  BatchClient client_;
  Reconciler reconciler_;
};

}  // namespace vk8s::controller
