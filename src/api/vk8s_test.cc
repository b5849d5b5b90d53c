#include "api/vk8s.h"

#include <gtest/gtest.h>

namespace vk8s::api {
namespace {

Json parse(std::string_view text) { return base::parse_json(text).value(); }

Json vk8s_with(std::string_view spec) {
  return parse(std::string(R"({"metadata":{"namespace":"team-a","name":"demo","uid":"u-1",
    "resourceVersion":"7","generation":3,"creationTimestamp":"2026-01-01T00:00:00Z"},"spec":)") +
               std::string(spec) + "}");
}

TEST(Vk8s, FillsInWhatTheUserLeavesOut) {
  const auto vk8s = parse_vk8s(vk8s_with(R"({"nodes":[{"name":"m","role":"master"},
    {"name":"w","role":"worker"}]})"));
  ASSERT_TRUE(vk8s) << vk8s.error().message();
  EXPECT_EQ(vk8s->metadata.generation, 3);
  EXPECT_EQ(vk8s->spec.pod_network_cidr, "100.72.0.0/16");
  EXPECT_EQ(vk8s->spec.service_cidr, "100.80.0.0/16");
  EXPECT_EQ(vk8s->master().name, "m");
  EXPECT_EQ(vk8s->master().storage.size, "8Gi");
  EXPECT_FALSE(vk8s->master().storage.ephemeral);
  EXPECT_TRUE(vk8s->find_node("w")->storage.ephemeral);
  EXPECT_EQ(vk8s->find_node("x"), nullptr);
  EXPECT_FALSE(vk8s->wants_pause());
  EXPECT_FALSE(vk8s->wants_addresses());
}

TEST(Vk8s, ReadsEveryField) {
  const auto vk8s = parse_vk8s(vk8s_with(R"({
    "kubernetes":{"version":"1.37","podNetworkCidr":"10.1.0.0/16","serviceCidr":"10.2.0.0/16"},
    "nodes":[{"name":"m","role":"master","image":"i:1","ip":"10.9.0.7","resources":{"limits":{"cpu":2}},
      "storage":{"size":"9Gi","storageClassName":"fast","reclaim":"Retain"},
      "labels":{"a":"b"},"taints":[{"key":"k","value":"v","effect":"NoSchedule"}],
      "tolerations":[{"key":"t","operator":"Exists"}]}],
    "ports":[{"port":443,"service":"ns/web","nodePort":31443},
             {"name":"x","port":80,"targetPort":30080,"protocol":"UDP"},{"port":22}],
    "apiServer":{"extraSANs":["a.example"]},"network":{"upstreamDNS":["9.9.9.9"],
      "staticIPs":true,"ipPool":"edge"},
    "imagePullSecrets":[{"name":"pull"}],"accessPodImage":"shell:1","accessPodPort":22,
    "paused":true,
    "kubeflow":{"version":"1.9","email":"a@b.c","password":"p","passwordSecretRef":{"name":"s"}},
    "addons":[{"name":"metrics-server"},{"name":"cert-manager","version":"1.19"}]})"));
  ASSERT_TRUE(vk8s) << vk8s.error().message();
  const NodeSpec& node = vk8s->master();
  EXPECT_EQ(node.image, "i:1");
  EXPECT_EQ(node.ip, "10.9.0.7");
  EXPECT_TRUE(vk8s->spec.static_ips);
  EXPECT_EQ(vk8s->spec.ip_pool, "edge");
  EXPECT_EQ(node.storage.storage_class_name, "fast");
  EXPECT_TRUE(node.storage.retain);
  EXPECT_EQ(node.labels.at("a"), "b");
  EXPECT_EQ(node.taints, (std::vector<Taint>{{"k", "v", "NoSchedule"}}));
  EXPECT_EQ(node.tolerations.size(), 1U);
  ASSERT_EQ(vk8s->spec.ports.size(), 3U);
  EXPECT_EQ(vk8s->spec.ports[0].name, "port-443");
  EXPECT_EQ(vk8s->spec.ports[0].service, "ns/web");
  EXPECT_EQ(vk8s->spec.ports[0].target_port, 0);
  EXPECT_EQ(vk8s->spec.ports[1].target_port, 30080);
  EXPECT_EQ(vk8s->spec.ports[2].target_port, 22);
  EXPECT_EQ(vk8s->spec.image_pull_secrets, std::vector<std::string>{"pull"});
  EXPECT_TRUE(vk8s->wants_pause());
  EXPECT_EQ(vk8s->spec.kubeflow->password_secret, "s");
  EXPECT_EQ(vk8s->spec.kubeflow->profile, "training");
  EXPECT_EQ(vk8s->spec.addons,
            (std::vector<AddonSpec>{{"metrics-server", ""}, {"cert-manager", "1.19"}}));
}

TEST(Vk8s, WantsAddressesForAllNodesOrForThoseThatNameOne) {
  const auto parsed = [](std::string_view network) {
    return parse_vk8s(vk8s_with(R"({"nodes":[{"name":"m","role":"master","ip":"fd00::7"},
        {"name":"w","role":"worker"}])" +
                                std::string(network) + "}"))
        .value();
  };
  const Vk8s one = parsed("");
  EXPECT_TRUE(one.wants_addresses());
  EXPECT_TRUE(one.wants_address(one.master()));
  EXPECT_FALSE(one.wants_address(*one.find_node("w")));
  const Vk8s all = parsed(R"(,"network":{"staticIPs":true})");
  EXPECT_TRUE(all.wants_address(*all.find_node("w")));
}

TEST(Vk8s, HasAddonsWhileTheSpecOrTheStatusNamesOne) {
  const auto has = [](std::string_view spec, std::string_view status) {
    Json object = vk8s_with(R"({"nodes":[{"name":"m","role":"master"}])" + std::string(spec) + "}");
    object.get_object()["status"] = parse(status);
    return parse_vk8s(object)->has_addons();
  };
  EXPECT_FALSE(has("", "{}"));
  EXPECT_TRUE(has(R"(,"kubeflow":{})", "{}"));
  EXPECT_TRUE(has(R"(,"addons":[{"name":"metrics-server"}])", "{}"));
  EXPECT_TRUE(has("", R"({"kubeflow":{"phase":"Ready"}})"));
  EXPECT_TRUE(has("", R"({"addons":[{"name":"metrics-server"}]})"));
}

TEST(Vk8s, OffersVolumesOnNodesOfWhichStorageIsKeptOrWasSaidNotToBe) {
  const auto vk8s = parse_vk8s(vk8s_with(R"({"nodes":[{"name":"m","role":"master"},
    {"name":"none","role":"worker"},
    {"name":"empty","role":"worker","storage":{}},
    {"name":"kept","role":"worker","storage":{"size":"2Gi"}},
    {"name":"lost","role":"worker","storage":{"ephemeral":true}}]})"));
  ASSERT_TRUE(vk8s) << vk8s.error().message();
  const auto storage = [&](std::string_view name) { return vk8s->find_node(name)->storage; };
  EXPECT_TRUE(storage("m").offers_volumes);
  EXPECT_FALSE(storage("none").offers_volumes);
  EXPECT_TRUE(storage("none").ephemeral);
  EXPECT_TRUE(storage("empty").offers_volumes);
  EXPECT_FALSE(storage("empty").ephemeral);
  EXPECT_TRUE(storage("kept").offers_volumes);
  EXPECT_TRUE(storage("lost").offers_volumes);
  EXPECT_TRUE(storage("lost").ephemeral);
}

TEST(Vk8s, NamesTheFieldThatIsWrong) {
  const auto message = [](std::string_view spec) {
    const auto result = parse_vk8s(vk8s_with(spec));
    return result ? std::string("accepted") : result.error().message();
  };
  EXPECT_EQ(message(R"({"nodes":[{"name":"m","role":"boss"}]})"),
            "spec.nodes[0].role must be \"master\" or \"worker\"");
  EXPECT_EQ(message(R"({"nodes":[]})"),
            "spec.nodes must be a list with exactly one node of role master");
  EXPECT_EQ(message(R"({"nodes":[{"name":"m","role":"master","storage":{"size":"big"}}]})"),
            "spec.nodes[0].storage.size must be a quantity such as 8Gi");
  EXPECT_EQ(message(R"({"nodes":[{"name":"m","role":"master"}],"ports":[{"port":70000}]})"),
            "spec.ports[0].port must be a port number");
  EXPECT_EQ(message(R"({"nodes":[{"name":"m","role":"master"}],"paused":"yes"})"),
            "spec.paused must be true or false");
  for (const char* addons : {R"([{}])", R"([{"name":"a"},{"name":"b"},{"name":"a"}])"}) {
    EXPECT_NE(
        message(R"({"nodes":[{"name":"m","role":"master"}],"addons":)" + std::string(addons) + "}")
            .find("spec.addons["),
        std::string::npos);
  }
  for (const char* ip : {"10.0.0.300", "::ffff:10.0.0.1", "FD00::1", "fd00:0::1", "10.0.0.1/32"}) {
    EXPECT_EQ(
        message(R"({"nodes":[{"name":"m","role":"master","ip":")" + std::string(ip) + R"("}]})"),
        "spec.nodes[0].ip must be an IP address in its canonical form");
  }
}

TEST(Vk8s, RefusesWhatIsNoObjectOfTheServer) {
  EXPECT_FALSE(parse_vk8s(parse("[]")));
  EXPECT_FALSE(parse_vk8s(parse("{}")));
  EXPECT_FALSE(parse_vk8s(parse(R"({"metadata":{"name":"x"},"spec":7})")));
}

TEST(Vk8s, IsPausedByTheOlderOperatorsAnnotation) {
  Json object = vk8s_with(R"({"nodes":[{"name":"m","role":"master"}]})");
  object.get_object()["metadata"].get_object()["annotations"] =
      JsonObject{{"vk8s-resource-stopped", ""}};
  EXPECT_TRUE(parse_vk8s(object)->wants_pause());
}

TEST(Vk8sStatus, SurvivesARoundTrip) {
  Vk8sStatus status;
  status.phase = phase::kRunning;
  status.message = "all is well";
  status.observed_generation = 4;
  status.version = "1.37.2";
  status.endpoint = "https://198.51.100.1:31000";
  status.kubeconfig_secret = "demo-kubeconfig";
  status.ready_nodes = "1/1";
  status.nodes = {{"w", NodeRole::kWorker, "Ready", "", 100, "10.0.0.1", "v1.37.2", "10.0.0.1"}};
  status.conditions = {
      {"Ready", ConditionStatus::kTrue, "AllReady", "", 4, "2026-01-01T00:00:00Z"}};
  status.kubeflow =
      AddonStatus{"", "Installing", "2.0.0", "", 40, {{"jobset", true, "all is there"}}};
  status.addons = {{"metrics-server", "Ready", "0.8", "", 100, {}}};
  EXPECT_EQ(parse_vk8s_status(to_json(status)), status);
  EXPECT_EQ(parse_vk8s_status(parse("{}")), Vk8sStatus());
}

TEST(Conditions, AreReplacedAndKeepTheirTimeWhileTheirStatusStays) {
  std::vector<Condition> conditions;
  const auto set = [&](ConditionStatus status, std::string message, std::string_view now) {
    set_condition(conditions, {"Ready", status, "R", std::move(message), 1, ""}, now);
  };
  set(ConditionStatus::kFalse, "a", "t1");
  set(ConditionStatus::kFalse, "b", "t2");
  ASSERT_EQ(conditions.size(), 1U);
  EXPECT_EQ(conditions[0].message, "b");
  EXPECT_EQ(conditions[0].last_transition_time, "t1");
  set(ConditionStatus::kTrue, "", "t3");
  EXPECT_EQ(find_condition(conditions, "Ready")->last_transition_time, "t3");
  EXPECT_EQ(find_condition(conditions, "Other"), nullptr);
}

}  // namespace
}  // namespace vk8s::api
