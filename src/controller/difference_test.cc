#include "controller/difference.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

bool as_desired(std::string_view desired, std::string_view observed) {
  return is_as_desired(base::parse_json(desired).value(), base::parse_json(observed).value());
}

TEST(Difference, IgnoresWhatTheServerAdds) {
  EXPECT_TRUE(as_desired(R"({"a":{"b":1}})", R"({"a":{"b":1,"c":2},"status":{}})"));
  EXPECT_TRUE(as_desired(R"([{"a":1}])", R"([{"a":1,"b":2}])"));
}

TEST(Difference, SeesChangesAndAbsences) {
  EXPECT_FALSE(as_desired(R"({"a":1})", R"({"a":2})"));
  EXPECT_FALSE(as_desired(R"({"a":1})", R"({})"));
  EXPECT_FALSE(as_desired(R"({"a":"x"})", R"({"a":"y"})"));
  EXPECT_FALSE(as_desired(R"({"a":true})", R"({"a":false})"));
}

TEST(Difference, SeesItemsThatAreTooMany) {
  EXPECT_FALSE(as_desired(R"({"ports":[{"port":1}]})", R"({"ports":[{"port":1},{"port":2}]})"));
  EXPECT_FALSE(as_desired(R"({"ports":[]})", R"({"ports":[{"port":1}]})"));
}

TEST(Difference, TakesOneAmountInTwoSpellingsForTheSame) {
  EXPECT_TRUE(as_desired(R"({"cpu":"1000m"})", R"({"cpu":"1"})"));
  EXPECT_TRUE(as_desired(R"({"cpu":2})", R"({"cpu":"2"})"));
  EXPECT_FALSE(as_desired(R"({"cpu":"1500m"})", R"({"cpu":"1"})"));
}

TEST(Difference, TakesEmptyForAbsent) {
  EXPECT_TRUE(as_desired(R"({"a":{},"b":[],"c":"","d":false})", R"({})"));
  EXPECT_FALSE(as_desired(R"({"a":0})", R"({})"));
}

}  // namespace
}  // namespace vk8s::controller
