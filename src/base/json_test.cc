#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace vk8s::base {
namespace {

TEST(ParseJson, ReadsADocumentAndWritesItBack) {
  const auto value = parse_json(R"({"a":[1,true,null,"x"]})");
  ASSERT_TRUE(value);
  EXPECT_EQ(to_string(*value), R"({"a":[1,true,null,"x"]})");
}

TEST(ParseJson, RefusesBrokenTrailingAndInvalidText) {
  for (const std::string text : {"", "{", "{} x", "{}{}", "{\"a\":1,}", "\"\xFF\"", "[01]"}) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value) << text;
    EXPECT_EQ(value.error().code(), Errc::kInvalidArgument);
  }
}

TEST(ParseJson, RefusesWhatIsTooLarge) {
  EXPECT_TRUE(parse_json("[1,2]", 5));
  EXPECT_EQ(parse_json("[1,2]", 4).error().code(), Errc::kTooLarge);
}

TEST(ParseJson, RefusesNestingBeyond64Levels) {
  EXPECT_TRUE(parse_json(std::string(60, '[') + std::string(60, ']')));
  EXPECT_FALSE(parse_json(std::string(70, '[') + std::string(70, ']')));
}

TEST(ParseJson, RefusesNumbersBeyondADouble) {
  EXPECT_TRUE(parse_json("[1e308, -1e308]"));
  for (const char* text : {"1e309", "[-1.5e683]", R"({"a":[{"b":1e999}]})"}) {
    const auto value = parse_json(text);
    ASSERT_FALSE(value) << text << " is written as " << to_string(*value);
    EXPECT_EQ(value.error().code(), Errc::kInvalidArgument);
  }
}

class JsonAccess : public ::testing::Test {
 protected:
  Json value_ = *parse_json(R"({"metadata":{"name":"n","owners":[{"uid":"u"}],"":{"x":1}},
                                "count":3,"big":18446744073709551615,"on":true,"half":0.5})");
};

TEST_F(JsonAccess, FollowsKeysAndIndexes) {
  EXPECT_EQ(get_string(value_, "metadata.name"), "n");
  EXPECT_EQ(get_string(value_, "metadata.owners.0.uid"), "u");
  EXPECT_EQ(find(value_, ""), &value_);
  ASSERT_NE(get_array(value_, "metadata.owners"), nullptr);
  EXPECT_EQ(get_array(value_, "metadata.owners")->size(), 1U);
  ASSERT_NE(get_object(value_, "metadata"), nullptr);
}

TEST_F(JsonAccess, GivesNothingForWhatIsAbsent) {
  EXPECT_EQ(find(value_, "metadata.owners.1"), nullptr);
  EXPECT_EQ(find(value_, "metadata.owners.-1"), nullptr);
  EXPECT_EQ(find(value_, "metadata.owners.0x"), nullptr);
  EXPECT_EQ(find(value_, "metadata.owners.99999999999999999999999"), nullptr);
  EXPECT_EQ(find(value_, "metadata.name.deeper"), nullptr);
  EXPECT_EQ(find(value_, "spec"), nullptr);
}

TEST_F(JsonAccess, GivesNothingForAnotherType) {
  EXPECT_FALSE(get_string(value_, "count"));
  EXPECT_FALSE(get_int(value_, "metadata.name"));
  EXPECT_FALSE(get_int(value_, "half"));
  EXPECT_FALSE(get_int(value_, "big"));
  EXPECT_FALSE(get_bool(value_, "count"));
  EXPECT_EQ(get_array(value_, "metadata"), nullptr);
  EXPECT_EQ(get_object(value_, "metadata.owners"), nullptr);
  EXPECT_EQ(get_int(value_, "count"), 3);
  EXPECT_EQ(get_bool(value_, "on"), true);
}

}  // namespace
}  // namespace vk8s::base
