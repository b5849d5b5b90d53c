#include "api/node_config.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace vk8s::api {
namespace {

using ::testing::HasSubstr;

NodeConfig worker() {
  NodeConfig config;
  config.cluster_name = "team-a";
  config.node_name = "team-a-worker-1";
  config.role = NodeRole::kWorker;
  config.kubernetes_version = "1.37.2";
  config.pod_network_cidr = "100.72.0.0/16";
  config.service_cidr = "100.80.0.0/16";
  config.pod_cidr = "100.72.1.0/24";
  config.api_server = "https://team-a.ns.svc:6443";
  config.api_server_sans = {"api.example.com", "203.0.113.7"};
  config.upstream_dns = {"10.96.0.10", "fd00::10"};
  config.labels = {{"zone", "edge"}, {"example.com/pool", "gpu"}};
  config.taints = {{"gpu", "true", "NoSchedule"}, {"gpu", "true", "NoExecute"}};
  config.mirrors = {{"*", "https://198.18.0.2:5000", "registry-ca.crt"},
                    {"registry.example:5000", "http://10.0.0.9:5000/v2", ""}};
  config.cpu_millis = 1500;
  config.memory_bytes = 4LL << 30;
  config.storage_bytes = 20LL << 30;
  config.offers_volumes = true;
  return config;
}

std::string json_of(const NodeConfig& config) { return base::to_string(to_json(config)); }

// The message of parsing a worker's JSON after a change to it.
std::string refusal(const std::function<void(JsonObject&)>& change) {
  Json json = to_json(worker());
  change(json.get_object());
  const auto config = parse_node_config(base::to_string(json));
  if (config) {
    return "accepted";
  }
  EXPECT_EQ(config.error().code(), Errc::kInvalidArgument);
  return config.error().message();
}

std::string refusal_of(std::string_view field, Json value) {
  return refusal([&](JsonObject& o) { o[{field.data(), field.size()}] = std::move(value); });
}

TEST(NodeConfig, SurvivesTheRoundTrip) {
  const auto read = parse_node_config(json_of(worker()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, worker());
}

TEST(NodeConfig, MasterMayLeaveOutTheRest) {
  const auto read = parse_node_config(R"({"apiVersion": "agent.vk8s.sktelecom.com/v1alpha1",
    "clusterName": "a", "nodeName": "a-master-1", "role": "master", "kubernetesVersion": "1.20.2",
    "podNetworkCidr": "fd00:1::/48", "serviceCidr": "fd00:2::/112", "podCidr": "fd00:1::/64"})");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->cluster_domain, "cluster.local");
  EXPECT_EQ(read->role, NodeRole::kMaster);
  EXPECT_FALSE(read->offers_volumes);
  EXPECT_FALSE(read->is_host_node);
  EXPECT_EQ(read->cpu_millis, 0);
}

TEST(NodeConfig, RefusesOtherVersionsAndUnknownFields) {
  EXPECT_THAT(refusal_of("apiVersion", "agent.vk8s.sktelecom.com/v2"),
              HasSubstr("node.json: apiVersion: this program understands"));
  EXPECT_THAT(refusal([](JsonObject& o) { o.erase("apiVersion"); }),
              HasSubstr("apiVersion: is required"));
  EXPECT_THAT(refusal_of("colour", "red"), HasSubstr("colour: is not a known field"));
  EXPECT_THAT(refusal([](JsonObject& o) { o["taints"].at(1).get_object()["x"] = 1; }),
              HasSubstr("taints[1].x: is not a known field"));
}

TEST(NodeConfig, NamesEachMissingField) {
  for (const char* field : {"clusterName", "nodeName", "role", "kubernetesVersion",
                            "podNetworkCidr", "serviceCidr", "podCidr"}) {
    EXPECT_THAT(refusal([&](JsonObject& o) { o.erase(field); }),
                HasSubstr(std::string(field) + ": is required"));
    EXPECT_THAT(refusal_of(field, ""), HasSubstr(std::string(field) + ": must not be empty"));
    EXPECT_THAT(refusal_of(field, 7), HasSubstr(std::string(field) + ": must be a string"));
  }
}

TEST(NodeConfig, RefusesMalformedNames) {
  EXPECT_THAT(refusal_of("clusterName", "Team_A"), HasSubstr("clusterName"));
  EXPECT_THAT(refusal_of("nodeName", "a.b"), HasSubstr("nodeName"));
  EXPECT_THAT(refusal_of("nodeName", boost::json::string(53, 'a')), HasSubstr("at most 52"));
  EXPECT_THAT(refusal_of("role", "etcd"), HasSubstr("role: must be master or worker"));
  EXPECT_THAT(refusal_of("clusterDomain", "-x"), HasSubstr("clusterDomain"));
  for (const char* version : {"1.37", "v1.37.2", "1.37.2.1", "1.037.2", "1.37.x", "1.37.2-",
                              "1.37.2-$(id)", "1..2", "latest"}) {
    EXPECT_THAT(refusal_of("kubernetesVersion", version), HasSubstr("kubernetesVersion"))
        << version;
  }
  EXPECT_EQ(refusal_of("kubernetesVersion", "1.38.0-rc.1"), "accepted");
}

TEST(NodeConfig, RefusesNetworksThatCannotWork) {
  EXPECT_THAT(refusal_of("serviceCidr", "100.72.128.0/20"), HasSubstr("overlaps podNetworkCidr"));
  EXPECT_THAT(refusal_of("serviceCidr", "100.64.0.0/12"), HasSubstr("overlaps podNetworkCidr"));
  EXPECT_THAT(refusal_of("serviceCidr", "fd00::/112"), HasSubstr("family"));
  EXPECT_THAT(refusal_of("serviceCidr", "10.0.0.0/8"), HasSubstr("prefix length must be 12 to 28"));
  EXPECT_THAT(refusal_of("serviceCidr", "100.80.0.1/16"), HasSubstr("write 100.80.0.0/16"));
  EXPECT_THAT(refusal_of("podNetworkCidr", "127.0.0.0/16"), HasSubstr("reserved"));
  EXPECT_THAT(refusal_of("podNetworkCidr", "junk"), HasSubstr("podNetworkCidr"));
  EXPECT_THAT(refusal_of("podCidr", "100.73.0.0/24"), HasSubstr("is not part of podNetworkCidr"));
}

TEST(NodeConfig, RefusesAddressesThatAreNone) {
  for (const char* url : {"http://a:6443", "https://", "https://a:0", "https://a:65536",
                          "https://a:6443/path", "https://u@a:6443", "https://a b:6443",
                          "https://[::1:6443", "https://a:6443\n", "https://a:64 3"}) {
    EXPECT_THAT(refusal_of("apiServer", url), HasSubstr("apiServer")) << url;
  }
  EXPECT_EQ(refusal_of("apiServer", "https://[fd00::1]:6443"), "accepted");
  EXPECT_EQ(refusal_of("apiServer", "https://10.0.0.1"), "accepted");
  EXPECT_THAT(refusal([](JsonObject& o) { o.erase("apiServer"); }),
              HasSubstr("apiServer: is required on a worker"));
  EXPECT_THAT(refusal_of("apiServerSANs", JsonArray{"a,DNS:evil"}), HasSubstr("apiServerSANs"));
  EXPECT_THAT(refusal_of("upstreamDNS", JsonArray{"dns.example"}), HasSubstr("upstreamDNS"));
  EXPECT_THAT(refusal_of("upstreamDNS", JsonArray{"10.0.0.1 }\n import /etc/passwd"}),
              HasSubstr("upstreamDNS"));
  EXPECT_THAT(refusal_of("upstreamDNS", JsonArray{1}),
              HasSubstr("upstreamDNS[0]: must be a string"));
}

TEST(NodeConfig, RefusesLabelsTaintsAndMirrorsThatAreNone) {
  EXPECT_THAT(refusal_of("labels", {{"a b", "x"}}), HasSubstr("labels"));
  EXPECT_THAT(refusal_of("labels", {{"a", "x y"}}), HasSubstr("labels[a]"));
  EXPECT_THAT(refusal_of("labels", {{"a", 1}}), HasSubstr("labels[a]: must be a string"));
  EXPECT_THAT(refusal_of("labels", {{"vk8s.sktelecom.com/volumes", "true"}}),
              HasSubstr("follows from the node's storage"));
  EXPECT_THAT(refusal_of("taints", JsonArray{{{"key", "a"}, {"effect", "Never"}}}),
              HasSubstr("taints[a]: \"Never\""));
  EXPECT_THAT(refusal_of("taints", JsonArray{{{"key", "a"}, {"effect", "NoExecute"}},
                                             {{"key", "a"}, {"effect", "NoExecute"}}}),
              HasSubstr("twice"));
  EXPECT_THAT(refusal_of("mirrors", JsonArray{{{"name", "../x"}, {"url", "https://a"}}}),
              HasSubstr("mirrors"));
  EXPECT_THAT(refusal_of("mirrors", JsonArray{{{"name", "*"}, {"url", "https://a\"]\n"}}}),
              HasSubstr("mirrors[*]"));
  EXPECT_THAT(
      refusal_of("mirrors",
                 JsonArray{{{"name", "*"}, {"url", "https://a"}, {"caFile", "../../etc/shadow"}}}),
      HasSubstr("configuration directory"));
}

TEST(NodeConfig, RefusesWhatIsTooLargeOrTooMany) {
  EXPECT_THAT(refusal_of("cpuMillis", -1), HasSubstr("cpuMillis"));
  EXPECT_THAT(refusal_of("memoryBytes", "4Gi"), HasSubstr("memoryBytes: must be an integer"));
  EXPECT_THAT(refusal_of("offersVolumes", 1), HasSubstr("offersVolumes: must be true or false"));
  EXPECT_THAT(refusal_of("hostNode", "yes"), HasSubstr("hostNode: must be true or false"));
  JsonArray many;
  for (int i = 0; i < 129; ++i) {
    many.push_back("10.0.0.1");
  }
  EXPECT_THAT(refusal_of("upstreamDNS", many), HasSubstr("at most 128"));
  EXPECT_EQ(parse_node_config(std::string(300'000, ' ')).error().code(), Errc::kTooLarge);
}

TEST(NodeConfig, ValidateSaysTheSameOfAValue) {
  NodeConfig config = worker();
  EXPECT_TRUE(validate(config));
  config.service_cidr = config.pod_network_cidr;
  EXPECT_THAT(validate(config).error().message(), HasSubstr("serviceCidr"));
}

RC_GTEST_PROP(NodeConfig, AnyBytesAreReadOrRefused, (const std::string& bytes)) {
  RC_ASSERT(!parse_node_config(bytes));
}

// One byte of a good document changed: what is still accepted is valid.
RC_GTEST_PROP(NodeConfig, WhatIsAcceptedIsValid, (char byte)) {
  std::string text = json_of(worker());
  text[*rc::gen::inRange<std::size_t>(0, text.size())] = byte;
  if (const auto config = parse_node_config(text)) {
    RC_ASSERT(validate(*config).has_value());
    RC_ASSERT(parse_node_config(json_of(*config)).value() == *config);
  }
}

}  // namespace
}  // namespace vk8s::api
