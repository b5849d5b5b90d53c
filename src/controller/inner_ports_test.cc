#include "controller/inner_ports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

using testing::HasSubstr;

api::PortSpec port_spec(int port) {
  api::PortSpec out;
  out.name = "web";
  out.port = port;
  out.service = "kubeflow/gateway";
  return out;
}

Json target(const char* spec) {
  return base::parse_json(std::string(R"({"metadata":{"name":"gateway"},"spec":)") + spec + "}")
      .value();
}

TEST(InnerPorts, PutsANodePortInFrontOfTheSamePods) {
  const auto service = inner_port_service(port_spec(443), target(R"({"selector":{"app":"gateway"},
                                 "ports":[{"name":"status","port":15021},
                                          {"name":"https","port":443,"targetPort":8443}]})"));
  ASSERT_TRUE(service) << service.error().message();
  EXPECT_EQ(base::get_string(*service, "metadata.namespace"), "kubeflow");
  EXPECT_EQ(base::get_string(*service, "metadata.name"), "vk8s-port-web");
  EXPECT_EQ(base::get_string(*service, "spec.type"), "NodePort");
  EXPECT_EQ(base::get_string(*service, "spec.selector.app"), "gateway");
  EXPECT_EQ(base::get_int(*service, "spec.ports.0.targetPort"), 8443);
}

TEST(InnerPorts, TakesTheOnlyPortWhateverItsNumber) {
  const auto service = inner_port_service(
      port_spec(31443), target(R"({"selector":{"app":"gateway"},"ports":[{"port":80}]})"));
  ASSERT_TRUE(service);
  EXPECT_EQ(base::get_int(*service, "spec.ports.0.port"), 80);
}

TEST(InnerPorts, RefusesServicesItCannotStandFor) {
  const auto no_selector = inner_port_service(port_spec(80), target(R"({"ports":[{"port":80}]})"));
  ASSERT_FALSE(no_selector);
  EXPECT_THAT(no_selector.error().message(), HasSubstr("spec.ports[web].service kubeflow/gateway"));
  const auto no_port = inner_port_service(
      port_spec(81), target(R"({"selector":{"a":"b"},"ports":[{"port":80},{"port":443}]})"));
  ASSERT_FALSE(no_port);
  EXPECT_THAT(no_port.error().message(), HasSubstr("none is 81"));
}

// Whoever is root inside may answer anything.
TEST(InnerPorts, RefusesServicesThatAreNone) {
  for (const char* spec :
       {R"({"selector":{"a":"b"},"ports":[{}]})", R"({"selector":{"a":"b"},"ports":[5]})",
        R"({"selector":{"a":"b"},"ports":[{"port":"80"}]})",
        R"({"selector":{"a":"b"},"ports":[{"port":70000}]})",
        R"({"selector":{"a":"b"},"ports":{"port":80}})", R"({"selector":{"a":"b"},"ports":[]})",
        R"({"selector":[1],"ports":[{"port":80}]})", R"({"selector":{},"ports":[{"port":80}]})",
        "7"}) {
    EXPECT_FALSE(inner_port_service(port_spec(443), target(spec))) << spec;
  }
}

TEST(InnerPorts, TakesOnlyAPortForTheNodesPort) {
  const auto node_port = [](const char* ports) {
    return inner_node_port(
        base::parse_json(std::string(R"({"spec":{"ports":)") + ports + "}}").value());
  };
  EXPECT_EQ(node_port(R"([{"nodePort":30123}])"), 30123);
  for (const char* ports :
       {"[]", "7", R"([{}])", R"([{"nodePort":"30123"}])", R"([{"nodePort":-1}])",
        R"([{"nodePort":0}])", R"([{"nodePort":4294997419}])", R"([{"nodePort":1.5}])"}) {
    EXPECT_EQ(node_port(ports), std::nullopt) << ports;
  }
}

TEST(InnerPorts, KnowsWhatTheHostsServiceLeadsToAlready) {
  api::Vk8sSpec spec;
  spec.ports = {port_spec(80)};
  const Json service = base::parse_json(R"({"spec":{"ports":[{"name":"web","targetPort":30123},
                                            {"name":"other","targetPort":9}]}})")
                           .value();
  EXPECT_THAT(open_inner_ports(spec, &service), testing::ElementsAre(testing::Pair("web", 30123)));
  EXPECT_TRUE(open_inner_ports(spec, nullptr).empty());
}

}  // namespace
}  // namespace vk8s::controller
