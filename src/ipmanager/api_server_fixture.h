// Replicas on a real API server, for tests of allocators.
#pragma once

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ipmanager/test_host.h"

namespace vk8s::ipmanager::testing {

inline constexpr SweeperOptions kQuick{.period = std::chrono::milliseconds(200),
                                       .patience = std::chrono::milliseconds(1000)};

class AllocatorOnApiServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!kube::testing::ApiServer::missing_prerequisite()) {
      auto started = TestHost::start();
      ASSERT_TRUE(started) << started.error().message();
      host_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { host_.reset(); }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_TRUE(host_);
  }
  void TearDown() override {
    if (host_) {
      host_->thread().run([this] { replicas_.clear(); });
      host_->remove_everything();
    }
  }

  TestReplica& add_replica() {
    auto client = host_->connect();
    EXPECT_TRUE(client) << client.error().message();
    TestReplica* out = host_->thread().run([&] {
      replicas_.push_back(
          std::make_unique<TestReplica>(host_->thread().loop(), std::move(*client), kQuick));
      return replicas_.back().get();
    });
    EXPECT_TRUE(host_->thread().wait_until([&] { return out->allocator().has_synced(); },
                                           std::chrono::seconds(20)));
    return *out;
  }
  // All that allocators tell, in the order of the requests.
  std::vector<Result<api::IpAllocation>> allocate(
      const std::vector<std::pair<TestReplica*, AllocationRequest>>& requests) {
    std::vector<std::optional<Result<api::IpAllocation>>> answers(requests.size());
    host_->thread().run([&] {
      for (std::size_t i = 0; i < requests.size(); ++i) {
        requests[i].first->allocator().allocate(
            requests[i].second,
            [&answers, i](Result<api::IpAllocation> answer) { answers[i] = std::move(answer); });
      }
    });
    EXPECT_TRUE(host_->thread().wait_until(
        [&] {
          return std::all_of(answers.begin(), answers.end(),
                             [](const auto& answer) { return answer.has_value(); });
        },
        std::chrono::seconds(60)));
    std::vector<Result<api::IpAllocation>> out;
    for (auto& answer : answers) {
      out.push_back(answer.value_or(fail(Errc::kTimeout, "never answered")));
    }
    return out;
  }
  std::string allocate(TestReplica& replica, const AllocationRequest& request) {
    const auto answer = std::move(allocate({{&replica, request}}).front());
    return answer ? answer->address.to_string() : answer.error().message();
  }
  Status release(TestReplica& replica, const IpAddress& address) {
    BlockingAllocator blocking(host_->thread().loop(), replica.allocator());
    return blocking.release(address, Expect::anybody());
  }
  bool wait_until_left(std::size_t count) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (host_->list_allocations().size() != count) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      host_->thread().tick(std::chrono::milliseconds(50));
    }
    return true;
  }
  std::string reason_of(const std::string& pool) {
    const auto object = host_->api().get(kube::resources::kVNodeIPPool, {"", pool});
    return object
               ? std::string(base::get_string(*object, "status.conditions.0.reason").value_or(""))
               : object.error().message();
  }
  bool wait_for_reason(const std::string& pool, const std::string& reason) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (reason_of(pool) != reason && std::chrono::steady_clock::now() < deadline) {
      host_->thread().tick(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(reason_of(pool), reason);
    return reason_of(pool) == reason;
  }
  Json pool(const std::string& name) {
    return host_->api().get(kube::resources::kVNodeIPPool, {"", name}).value_or(Json());
  }
  void wait_for_capacity(std::uint64_t capacity) {
    for (const auto& replica : replicas_) {
      ASSERT_TRUE(host_->thread().wait_until(
          [&] {
            const auto state = replica->allocator().pool_state("a");
            return state && state->capacity == capacity;
          },
          std::chrono::seconds(20)));
    }
  }

  // Of 30 pods, a third of which has an address, each asks for one on both replicas when
  // the API server dies, and again as often as there is time until it is back.
  void expect_nothing_lost(std::chrono::seconds away);

  inline static std::unique_ptr<TestHost> host_;
  std::vector<std::unique_ptr<TestReplica>> replicas_;
};

inline void AllocatorOnApiServer::expect_nothing_lost(std::chrono::seconds away) {
  ASSERT_TRUE(host_->put_pool("a", {"10.1.0.0/24"}));
  std::vector<TestReplica*> replicas = {&add_replica(), &add_replica()};
  std::vector<std::pair<TestReplica*, AllocationRequest>> requests;
  for (int i = 0; i < 60; ++i) {
    requests.emplace_back(replicas[static_cast<std::size_t>(i) % 2],
                          request_of(owner(fmt::format("p{}", i / 2))));
  }
  std::vector<std::pair<TestReplica*, AllocationRequest>> before(requests.begin(),
                                                                 requests.begin() + 20);
  std::map<std::string, IpAddress> held;
  for (const auto& answer : allocate(before)) {
    ASSERT_TRUE(answer);
    held[answer->owner->pod] = answer->address;
  }
  // Killed with requests in flight.
  std::atomic<int> asked = 0;
  std::atomic<int> answered = 0;
  const auto ask_all = [&] {
    host_->thread().run([&] {
      for (const auto& [replica, request] : requests) {
        ++asked;
        replica->allocator().allocate(request, [&answered](const auto&) { ++answered; });
      }
    });
  };
  const auto are_answered = [&] {
    return host_->thread().wait_until([&] { return answered == asked; }, std::chrono::seconds(40));
  };
  ask_all();
  host_->server().kill_api_server();
  const auto back = std::chrono::steady_clock::now() + away;
  host_->thread().tick(std::min(away, std::chrono::seconds(3)));
  while (std::chrono::steady_clock::now() < back) {
    ASSERT_TRUE(are_answered()) << "though there is nobody to ask";
    ask_all();
    host_->thread().tick(std::chrono::seconds(1));
  }
  const Status started = host_->server().start_api_server();
  ASSERT_TRUE(started) << started.error().message();
  ASSERT_TRUE(are_answered());
  std::vector<Result<api::IpAllocation>> answers = allocate(requests);
  // As long as the watches are not back, an answer may be that it takes too long.
  for (int i = 0; i < 3 && std::any_of(answers.begin(), answers.end(),
                                       [](const auto& answer) { return !answer; });
       ++i) {
    answers = allocate(requests);
  }
  std::set<IpAddress> given;
  for (std::size_t i = 0; i < answers.size(); i += 2) {
    ASSERT_TRUE(answers[i]) << answers[i].error().message();
    ASSERT_TRUE(answers[i + 1]) << answers[i + 1].error().message();
    EXPECT_EQ(answers[i]->address, answers[i + 1]->address);
    EXPECT_TRUE(given.insert(answers[i]->address).second);
    const auto known = held.find(answers[i]->owner->pod);
    EXPECT_TRUE(known == held.end() || known->second == answers[i]->address);
  }
  EXPECT_TRUE(wait_until_left(30));
}

}  // namespace vk8s::ipmanager::testing
