#include "kube/fake_client.h"

#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "kube/testing/client_contract.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::kube {
namespace {

TEST(FakeClient, KeepsTheContractOfAClient) {
  testing::LoopThread thread;
  FakeClient client(thread.loop());
  BlockingClient blocking(thread.loop(), client);
  for (const auto& check : testing::client_contract()) {
    SCOPED_TRACE(check.name);
    check.run(blocking);
  }
  thread.stop();
}

Json config_map(const std::string& name, const std::string& label) {
  return JsonObject{
      {"metadata",
       JsonObject{{"name", name}, {"namespace", "ns"}, {"labels", JsonObject{{"app", label}}}}}};
}

class FakeClientTest : public ::testing::Test {
 protected:
  void settle() { timers_.advance(std::chrono::nanoseconds(0)); }

  Call watch(const std::string& version, const std::string& selector = "") {
    return client_.watch(
        resources::kConfigMap, "ns",
        {.list = {.label_selector = selector, .resource_version = version}},
        [this](const WatchEvent& event) {
          static constexpr const char* kTypes[] = {"+", "~", "-", "bookmark"};
          events_.push_back(
              kTypes[static_cast<int>(event.type)] +
              std::string(base::get_string(event.object, "metadata.name").value_or("")));
        },
        [this](Status status) { done_ = std::move(status); });
  }

  base::FakeTimers timers_;
  FakeClient client_{timers_};
  std::vector<std::string> events_;
  std::optional<Status> done_;
};

TEST_F(FakeClientTest, WatchGoesOnFromAVersion) {
  client_.put(resources::kConfigMap, config_map("a", "x"));
  const std::string version(*base::get_string(*client_.peek(resources::kConfigMap, {"ns", "a"}),
                                              "metadata.resourceVersion"));
  client_.put(resources::kConfigMap, config_map("b", "x"));
  const Call call = watch(version);
  settle();
  client_.put(resources::kConfigMap, config_map("a", "y"));
  settle();
  EXPECT_EQ(events_, (std::vector<std::string>{"+b", "~a"}));
}

TEST_F(FakeClientTest, AnObjectThatNoLongerMatchesIsDeletedToTheWatch) {
  const Call call = watch("0", "app=x");
  client_.put(resources::kConfigMap, config_map("a", "x"));
  client_.put(resources::kConfigMap, config_map("a", "y"));
  client_.put(resources::kConfigMap, config_map("a", "y"));
  settle();
  EXPECT_EQ(events_, (std::vector<std::string>{"+a", "-a"}));
}

TEST_F(FakeClientTest, AWatchFromForgottenHistoryIsGone) {
  client_.put(resources::kConfigMap, config_map("a", "x"));
  client_.forget_history();
  const Call call = watch("1");
  settle();
  ASSERT_TRUE(done_);
  ASSERT_FALSE(*done_);
  EXPECT_EQ(done_->error().code(), Errc::kGone);
}

TEST_F(FakeClientTest, ADroppedCallIsSilent) {
  bool answered = false;
  Call get = client_.get(resources::kNode, {"", "n"}, [&](const auto&) { answered = true; });
  Call watching = watch("0");
  client_.put(resources::kConfigMap, config_map("a", "x"));
  get.cancel();
  watching.cancel();
  settle();
  EXPECT_FALSE(answered);
  EXPECT_TRUE(events_.empty());
}

TEST_F(FakeClientTest, FailsTheNextRequestsOnDemand) {
  client_.fail_next("get", resources::kNode, Error(Errc::kUnavailable, "away"), 1);
  std::vector<Errc> codes;
  const auto note = [&codes](const Result<Json>& result) {
    codes.push_back(result.error().code());
  };
  const Call first = client_.get(resources::kNode, {"", "n"}, note);
  const Call second = client_.get(resources::kNode, {"", "n"}, note);
  settle();
  EXPECT_EQ(codes, (std::vector{Errc::kUnavailable, Errc::kNotFound}));
}

TEST_F(FakeClientTest, CollectsGarbageWhenAsked) {
  client_.collect_garbage(true);
  client_.put(resources::kConfigMap, config_map("owner", "x"));
  const std::string uid(
      *base::get_string(*client_.peek(resources::kConfigMap, {"ns", "owner"}), "metadata.uid"));
  Json dependent = config_map("dependent", "x");
  dependent.as_object()["metadata"].as_object()["ownerReferences"] =
      JsonArray{JsonObject{{"uid", uid}}};
  client_.put(resources::kSecret, dependent);
  const Call call = client_.remove(resources::kConfigMap, {"ns", "owner"}, {}, [](const auto&) {});
  EXPECT_EQ(client_.peek(resources::kSecret, {"ns", "dependent"}), nullptr);
}

}  // namespace
}  // namespace vk8s::kube
