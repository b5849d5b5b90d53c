#include "api/from_spec.h"

#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

TEST(FromSpec, SaysWhichLabelsAndTaintsThereWere) {
  const FromSpec some = from_spec({{"zone", "a"}, {"example.com/pool", "b"}},
                                  {{"gpu", "x", "NoSchedule"}, {"gpu", "", "NoExecute"}});
  EXPECT_EQ(to_string(some), R"({"labels":["example.com/pool","zone"],)"
                             R"("taints":["gpu:NoExecute","gpu:NoSchedule"]})");
  EXPECT_EQ(parse_from_spec(to_string(some)), some);
  EXPECT_FALSE(some.empty());
  EXPECT_TRUE(from_spec({}, {}).empty());
}

TEST(FromSpec, TakesNothingFromWhatItCannotRead) {
  for (const char* text : {"", "no JSON", "[]", "7", R"({"labels":"zone","taints":{"a":1}})",
                           R"({"labels":[1,null,["zone"]]})"}) {
    EXPECT_TRUE(parse_from_spec(text).empty()) << text;
  }
  EXPECT_TRUE(parse_from_spec(R"({"labels":[")" + std::string(64U << 10U, 'a') + R"("]})").empty());
}

}  // namespace
}  // namespace vk8s::api
