#include "ipnode/host_routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::ipnode {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

kube::ObjectPtr node(std::string_view name, std::vector<std::string> addresses,
                     std::string_view pod_cidr) {
  JsonArray all{JsonObject{{"type", "Hostname"}, {"address", name}}};
  for (const std::string& address : addresses) {
    all.push_back(JsonObject{{"type", "InternalIP"}, {"address", address}});
  }
  return std::make_shared<const Json>(
      Json{{"metadata", {{"name", name}}},
           {"spec", {{"podCIDR", pod_cidr}, {"podCIDRs", JsonArray{Json(pod_cidr)}}}},
           {"status", {{"addresses", std::move(all)}}}});
}

const std::vector<kube::ObjectPtr> kNodes = {
    node("n1", {"192.0.2.1", "2001:db8::1"}, "10.1.1.0/24"),
    node("n2", {"192.0.2.2", "2001:db8::2"}, "10.1.2.0/24"), node("n3", {}, "10.1.3.0/24")};

TEST(HostRoutes, GoToTheNodeOfThePod) {
  EXPECT_THAT(host_routes("n1", kNodes,
                          {{"n1", {ip("10.1.200.1")}},
                           {"n2", {ip("10.1.200.2"), ip("fd00::2")}},
                           {"n3", {ip("10.1.200.3")}},
                           {"unknown", {ip("10.1.200.4")}}}),
              ElementsAre(HostRoute{ip("10.1.200.2"), ip("192.0.2.2")},
                          HostRoute{ip("fd00::2"), ip("2001:db8::2")}));
}

TEST(HostRoutes, TakeNothingThatIsTheNodes) {
  EXPECT_THAT(host_routes("n1", kNodes, {{"n2", {ip("192.0.2.1"), ip("192.0.2.2")}}}), IsEmpty());
  EXPECT_THAT(host_routes("n1", kNodes, {{"n2", {ip("10.1.1.7"), ip("10.1.3.7")}}}), IsEmpty());
}

}  // namespace
}  // namespace vk8s::ipnode
