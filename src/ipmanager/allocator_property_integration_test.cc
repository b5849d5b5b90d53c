#include "ipmanager/property_run.h"

namespace vk8s::ipmanager {
namespace {

TEST(Allocator, KeepsItsPromisesUnderRandomOperations) {
  testing::run_properties(20'000, std::chrono::seconds(150));
}

}  // namespace
}  // namespace vk8s::ipmanager
