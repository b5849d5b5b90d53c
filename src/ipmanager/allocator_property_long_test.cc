#include "ipmanager/property_run.h"

namespace vk8s::ipmanager {
namespace {

TEST(Allocator, KeepsItsPromisesUnderRandomOperations) {
  testing::run_properties(100'000, std::nullopt);
}

}  // namespace
}  // namespace vk8s::ipmanager
