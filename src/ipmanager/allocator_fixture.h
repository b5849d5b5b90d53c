// One or more allocators against a fake API server, with time that stands still.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fake_timers.h"
#include "ipmanager/allocation_index.h"
#include "ipmanager/allocator.h"
#include "ipmanager/late_client.h"
#include "ipmanager/test_objects.h"
#include "kube/fake_client.h"

namespace vk8s::ipmanager::testing {

using Answer = std::optional<Result<api::IpAllocation>>;

inline std::string text_of(const Answer& answer) {
  if (!answer) {
    return "(no answer)";
  }
  return *answer ? (*answer)->address.to_string() : (*answer).error().message();
}

inline Errc code_of(const Answer& answer) {
  return answer && !*answer ? answer->error().code() : Errc::kInternal;
}

class AllocatorTest : public ::testing::Test {
 protected:
  // One process that gives addresses.
  struct Replica {
    Replica(base::FakeTimers& timers, kube::FakeClient& server)
        : client(server), allocator(timers, client, Log::silent()) {
      allocator.start();
    }
    LateClient client;
    Allocator allocator;
  };

  void add_pool(const std::string& name, const std::vector<std::string>& ranges,
                JsonObject more = {}) {
    server_.put(kube::resources::kVNodeIPPool, pool_object(name, ranges, std::move(more)));
    run();
  }
  void run(std::chrono::nanoseconds time = {}) { timers_.advance(time); }
  // The answer comes into the result, now or later.
  std::shared_ptr<Answer> ask(Replica& replica, AllocationRequest request) {
    auto answer = std::make_shared<Answer>();
    replica.allocator.allocate(std::move(request), [answer](Result<api::IpAllocation> result) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(result);
    });
    return answer;
  }
  Answer allocate(Replica& replica, AllocationRequest request) {
    const auto answer = ask(replica, std::move(request));
    run();
    return *answer;
  }
  std::optional<Status> release(Replica& replica, std::string_view address,
                                Expect expect = Expect::anybody()) {
    auto answer = std::make_shared<std::optional<Status>>();
    replica.allocator.release(ip(address), std::move(expect),
                              [answer](Status status) { *answer = std::move(status); });
    run();
    return *answer;
  }
  // As another writer would.
  void create(std::string_view address, std::optional<api::IpOwner> owner) {
    Json object = allocation_object(address, std::move(owner));
    const kube::Call call = server_.create(
        kube::resources::kIPAllocation, "", object,
        [](const Result<Json>& result) { EXPECT_TRUE(result) << result.error().message(); });
    run();
  }
  void patch(std::string_view address, const Json& patch) {
    const kube::Call call = server_.merge_patch(
        kube::resources::kIPAllocation, {"", std::string(address)}, patch,
        [](const Result<Json>& result) { EXPECT_TRUE(result) << result.error().message(); });
    run();
  }
  void remove(std::string_view address) {
    const kube::Call call = server_.remove(
        kube::resources::kIPAllocation, {"", std::string(address)}, {},
        [](const Result<Json>& result) { EXPECT_TRUE(result) << result.error().message(); });
    run();
  }
  const Json* peek(std::string_view address) const {
    return server_.peek(kube::resources::kIPAllocation, {"", std::string(address)});
  }
  bool is_releasing(std::string_view address) const {
    return base::get_bool(*peek(address), "spec.releasing").value_or(false);
  }
  int count(const std::string& verb) const {
    int number = 0;
    for (const kube::FakeRequest& request : server_.requests()) {
      number += request.verb == verb && request.resource == kube::resources::kIPAllocation ? 1 : 0;
    }
    return number;
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
};

}  // namespace vk8s::ipmanager::testing
