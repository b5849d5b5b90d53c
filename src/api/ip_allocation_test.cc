#include "api/ip_allocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

using testing::HasSubstr;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

IpAllocation sample() {
  IpAllocation out;
  out.address = ip("10.1.0.7");
  out.pool = "edge";
  out.owner = IpOwner{.namespace_name = "team-a",
                      .pod = "demo-master-1-0",
                      .cluster = "demo",
                      .cluster_uid = "u-1",
                      .node = "master-1"};
  out.note = "the camera";
  out.releasing = true;
  out.uid = "u";
  out.resource_version = "12";
  return out;
}

TEST(IpAllocation, IsNamedByItsAddressInOneSpelling) {
  EXPECT_EQ(allocation_name(ip("10.1.0.7")), "10.1.0.7");
  EXPECT_EQ(allocation_name(ip("fd00::7")), "fd00-0000-0000-0000-0000-0000-0000-0007");
  EXPECT_EQ(allocation_name(ip("::")), "0000-0000-0000-0000-0000-0000-0000-0000");
  for (const char* address : {"0.0.0.0", "255.255.255.255", "fd00::7", "2001:db8::ff00:42:8329"}) {
    EXPECT_EQ(parse_allocation_name(allocation_name(ip(address))), ip(address));
  }
}

TEST(IpAllocation, RefusesEveryOtherSpelling) {
  for (const char* name :
       {"", "demo", "10.1.0.07", "10.1.0", "10-1-0-7", "fd00--7", "fd00::7",
        "FD00-0000-0000-0000-0000-0000-0000-0007", "fd00-0000-0000-0000-0000-0000-0000-007",
        "fd00:0000:0000:0000:0000:0000:0000:0007", "fd00-0000-0000-0000-0000-0000-0000-0007-",
        "0000-0000-0000-0000-0000-ffff-0a01-0007", "10.1.0.7-",
        "0000-0000-0000-0000-0000-10.1.0.7"}) {
    const auto parsed = parse_allocation_name(name);
    ASSERT_FALSE(parsed) << name;
    EXPECT_EQ(parsed.error().code(), Errc::kInvalidArgument) << name;
  }
}

TEST(IpAllocation, SurvivesTheRoundTrip) {
  EXPECT_EQ(parse_ip_allocation(to_json(sample())), sample());
  IpAllocation reserved;
  reserved.address = ip("fd00::7");
  EXPECT_EQ(parse_ip_allocation(to_json(reserved)), reserved);
  EXPECT_EQ(base::find(to_json(reserved), "spec.owner"), nullptr);
  EXPECT_EQ(base::find(to_json(reserved), "spec.releasing"), nullptr);
}

TEST(IpAllocation, NamesTheFieldThatIsWrong) {
  const auto refusal = [](std::string_view path, Json value) {
    Json object = to_json(sample());
    Json& at = path == "metadata.name"    ? object.at("metadata").at("name")
               : path == "spec.address"   ? object.at("spec").at("address")
               : path == "spec.owner"     ? object.at("spec").at("owner")
               : path == "spec.owner.pod" ? object.at("spec").at("owner").at("pod")
                                          : object.at("spec").at("releasing");
    at = std::move(value);
    const auto parsed = parse_ip_allocation(object);
    return parsed ? std::string("taken") : parsed.error().message();
  };
  EXPECT_THAT(refusal("metadata.name", "10.1.0.8"),
              HasSubstr("metadata.name must be 10.1.0.7, not 10.1.0.8"));
  EXPECT_THAT(refusal("spec.address", "10.1.0.300"), HasSubstr("spec.address"));
  EXPECT_THAT(refusal("spec.address", ""), HasSubstr("spec.address must be a string"));
  EXPECT_THAT(refusal("spec.owner", "team-a/p"), HasSubstr("spec.owner must be an object"));
  EXPECT_THAT(refusal("spec.owner.pod", 7), HasSubstr("spec.owner.pod"));
  EXPECT_THAT(refusal("spec.releasing", "yes"), HasSubstr("spec.releasing must be true or false"));
}

TEST(IpOwner, IsThePodOfOneVk8s) {
  const IpOwner owner = *sample().owner;
  IpOwner other = owner;
  other.node = "renamed";
  EXPECT_TRUE(owner.is_same(other));
  other.cluster_uid = "u-2";
  EXPECT_FALSE(owner.is_same(other));
  other = owner;
  other.namespace_name = "team-b";
  EXPECT_FALSE(owner.is_same(other));
  EXPECT_EQ(owner.to_string(), "team-a/demo-master-1-0");
}

}  // namespace
}  // namespace vk8s::api
