#include "ipmanager/api_server_fixture.h"

namespace vk8s::ipmanager {
namespace {

using testing::AllocatorOnApiServer;

TEST_F(AllocatorOnApiServer, LosesNothingWhenTheApiServerIsAwayForMoreThanAMinute) {
  expect_nothing_lost(std::chrono::seconds(65));
}

}  // namespace
}  // namespace vk8s::ipmanager
