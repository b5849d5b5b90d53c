#include <gtest/gtest.h>

#include <memory>

#include "ipmanager/allocator.h"
#include "ipmanager/test_objects.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::milliseconds;
using testing::owner;
using testing::request_of;

class BlockingAllocatorTest : public ::testing::Test {
 protected:
  BlockingAllocatorTest() {
    thread_.run([this] {
      server_.put(kube::resources::kVNodeIPPool, testing::pool_object("a", {"10.1.0.7"}));
      allocator_.start();
    });
  }
  ~BlockingAllocatorTest() override {
    thread_.run([this] { allocator_.stop(); });
    thread_.stop();
  }

  kube::testing::LoopThread thread_;
  kube::FakeClient server_{thread_.loop()};
  Allocator allocator_{thread_.loop(), server_, Log::silent()};
};

TEST_F(BlockingAllocatorTest, WaitsForTheAnswer) {
  BlockingAllocator blocking(thread_.loop(), allocator_);
  const auto given = blocking.allocate(request_of(owner("p")));
  ASSERT_TRUE(given) << given.error().message();
  EXPECT_EQ(given->address.to_string(), "10.1.0.7");
  EXPECT_EQ(blocking.find_by_owner(owner("p")), std::vector{*given});
  EXPECT_TRUE(blocking.release(given->address, Expect::owner(owner("p"))));
  EXPECT_TRUE(blocking.find_by_owner(owner("p")).front().releasing);
}

// One that was not started knows no pool, and says nothing.
TEST_F(BlockingAllocatorTest, GivesUpAfterItsTimeout) {
  auto idle = std::make_unique<Allocator>(thread_.loop(), server_, Log::silent());
  BlockingAllocator blocking(thread_.loop(), *idle, milliseconds(50));
  const auto given = blocking.allocate(request_of(owner("p")));
  ASSERT_FALSE(given);
  EXPECT_EQ(given.error().code(), Errc::kTimeout);
  thread_.run([&idle] { idle.reset(); });
}

}  // namespace
}  // namespace vk8s::ipmanager
