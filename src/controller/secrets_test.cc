// The Secrets' contents: what is made, what is kept, when it is made anew.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/node_config.h"
#include "controller/resource.h"
#include "controller/test_cluster.h"

namespace vk8s::controller {
namespace {

using std::chrono::hours;
using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using Content = SecretResource::Content;

const auto kNow = std::chrono::system_clock::now();

class Secrets : public testing::Test {
 protected:
  Secrets() {
    cluster_.pki = make_pki_secret()->content(cluster_, {}, kNow).value().files;
    cluster_.agent_ca = make_agent_ca_secret()->content(cluster_, {}, kNow).value().files;
    cluster_.pod_cidrs = {{"demo-master-1", "100.72.0.0/24"}, {"demo-worker-1", "100.72.1.0/24"}};
  }

  Content node(const std::string& name, const Content& existing = {},
               pki::WallTime now = kNow) const {
    auto content = make_node_config_secret(name)->content(cluster_, existing, now);
    EXPECT_TRUE(content) << content.error().message();
    return content.value();
  }

  Cluster cluster_ = demo_cluster();
};

TEST_F(Secrets, RenewTheControllersOwnCertificateByTheSameCa) {
  const auto secret = make_agent_ca_secret();
  const Content made = secret->content(cluster_, {}, kNow).value();
  EXPECT_EQ(secret->content(cluster_, made, kNow).value().files, made.files);
  const auto later = kNow + std::chrono::hours(24 * 300);
  const auto renewed = secret->content(cluster_, made, later);
  ASSERT_TRUE(renewed) << renewed.error().message();
  EXPECT_NE(renewed->files.at("agent-client.crt"), made.files.at("agent-client.crt"));
  EXPECT_EQ(renewed->files.at("agent-ca.crt"), made.files.at("agent-ca.crt"));
}

TEST_F(Secrets, PkiIsMadeOnceAndKept) {
  const auto secret = make_pki_secret();
  Content existing{cluster_.pki, "anything"};
  EXPECT_EQ(secret->content(cluster_, existing, kNow).value().files, cluster_.pki);
  existing.files.erase("ca.key");
  const auto broken = secret->content(cluster_, existing, kNow);
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message(), HasSubstr("demo-pki lacks ca.key"));
}

TEST_F(Secrets, AuthoritiesAreMadeForNoClusterThatIsThere) {
  cluster_.exists = true;
  for (const auto& secret : {make_pki_secret(), make_agent_ca_secret()}) {
    const auto made = secret->content(cluster_, {}, kNow);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), Errc::kNotFound);
    EXPECT_THAT(made.error().message(), HasSubstr("restore it from a backup"));
  }
}

TEST_F(Secrets, AgentCaIsAnotherThanTheClusters) {
  EXPECT_FALSE(
      pki::is_signed_by(cluster_.agent_ca.at("agent-client.crt"), cluster_.pki.at("ca.crt")));
  EXPECT_EQ(pki::parse_certificate(cluster_.agent_ca.at("agent-client.crt"))->subject.common_name,
            "vk8s-controller");
}

TEST_F(Secrets, NodeIsToldWhoItIs) {
  const Content content = node("demo-worker-1");
  const auto config = api::parse_node_config(content.files.at("node.json"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->node_name, "demo-worker-1");
  EXPECT_EQ(config->role, api::NodeRole::kWorker);
  EXPECT_EQ(config->kubernetes_version, "1.37.2");
  EXPECT_EQ(config->pod_cidr, "100.72.1.0/24");
  EXPECT_EQ(config->api_server, "https://10.96.0.7:6443");
  EXPECT_EQ(config->storage_bytes, 20LL << 30);
  EXPECT_FALSE(content.files.contains("ca.key"));
}

TEST_F(Secrets, NodeIsToldToOfferVolumesUnlessNothingWasSaidOfItsStorage) {
  const auto offers = [this](const std::string& name) {
    return api::parse_node_config(node(name).files.at("node.json"))->offers_volumes;
  };
  EXPECT_TRUE(offers("demo-master-1"));
  EXPECT_TRUE(offers("demo-worker-1"));
  cluster_.vk8s.spec.nodes[1].storage = {.ephemeral = true};
  EXPECT_TRUE(offers("demo-worker-1"));
  cluster_.vk8s.spec.nodes[1].storage.offers_volumes = false;
  EXPECT_FALSE(offers("demo-worker-1"));
}

TEST_F(Secrets, MasterIsToldEveryNameOfItsApiServer) {
  cluster_.vk8s.spec.extra_sans = {"k8s.example"};
  const auto config = api::parse_node_config(node("demo-master-1").files.at("node.json"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->api_server, "");
  EXPECT_EQ(config->cpu_millis, 2000);
  EXPECT_EQ(config->memory_bytes, 4LL << 30);
  for (const char* name :
       {"demo.team-a.svc", "10.96.0.7", "192.0.2.10", "192.0.2.11", "k8s.example"}) {
    EXPECT_THAT(config->api_server_sans, Contains(name));
  }
}

TEST_F(Secrets, AgentsCertificateCarriesTheNameTheControllerDials) {
  const auto info = pki::parse_certificate(node("demo-master-1").files.at("agent.crt"));
  EXPECT_THAT(info->dns_names, Contains("demo-master-1-0.demo-peers.team-a.svc"));
}

TEST_F(Secrets, NodesCertificatesAreKeptWhileOnlyTheSpecChanges) {
  const Content first = node("demo-worker-1");
  cluster_.vk8s.spec.nodes[1].labels["a"] = "b";
  const Content second = node("demo-worker-1", first);
  EXPECT_EQ(second.files.at("kubelet.crt"), first.files.at("kubelet.crt"));
  EXPECT_NE(second.files.at("node.json"), first.files.at("node.json"));
  EXPECT_EQ(node("demo-worker-1", second).files, second.files);
}

TEST_F(Secrets, NodesCertificatesAreRenewedWhenDueLostOrOfAnotherCa) {
  const Content first = node("demo-worker-1");
  EXPECT_EQ(node("demo-worker-1", first, kNow + hours(24 * 200)).files.at("agent.crt"),
            first.files.at("agent.crt"));
  EXPECT_NE(node("demo-worker-1", first, kNow + hours(24 * 300)).files.at("agent.crt"),
            first.files.at("agent.crt"));
  Content lost = first;
  lost.files.erase("proxy.key");
  EXPECT_TRUE(node("demo-worker-1", lost).files.contains("proxy.key"));
  cluster_.pki = api::create_cluster_pki("demo").value();
  EXPECT_NE(node("demo-worker-1", first).files.at("kubelet.crt"), first.files.at("kubelet.crt"));
}

TEST_F(Secrets, KubeconfigFollowsTheEndpointAndTheTime) {
  const auto secret = make_kubeconfig_secret();
  const Content first = secret->content(cluster_, {}, kNow).value();
  EXPECT_THAT(first.files.at("kubeconfig"), HasSubstr("https://192.0.2.10:31234"));
  EXPECT_THAT(first.files.at("kubeconfig-internal"), HasSubstr("https://10.96.0.7:6443"));
  EXPECT_EQ(secret->content(cluster_, first, kNow + hours(24 * 200)).value().files, first.files);
  EXPECT_NE(secret->content(cluster_, first, kNow + hours(24 * 300)).value().files, first.files);
  cluster_.host.node_addresses = {"192.0.2.99"};
  EXPECT_THAT(secret->content(cluster_, first, kNow).value().files.at("kubeconfig"),
              HasSubstr("https://192.0.2.99:31234"));
}

TEST_F(Secrets, ObjectsCarryTheirFilesAndBack) {
  const Content content{{{"a", std::string("\0\xff", 2)}, {"b", ""}}, "note"};
  const Json object =
      secret_object(cluster_, ref_of(cluster_, kube::resources::kSecret, "s"), content);
  EXPECT_TRUE(is_owned_by(object, "uid-demo"));
  const auto back = parse_secret(object);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->files, content.files);
  EXPECT_EQ(back->note, "note");
}

TEST_F(Secrets, PasswordIsMadeOnceAndMayBeChanged) {
  const auto secret = make_password_secret();
  const Content made = secret->content(cluster_, {}, kNow).value();
  EXPECT_EQ(secret->ref(cluster_).key.name, "demo-kubeflow-password");
  EXPECT_THAT(made.files.at("password"), MatchesRegex("[a-z2-9]+"));
  EXPECT_EQ(made.files.at("password").size(), 24U);
  EXPECT_NE(secret->content(cluster_, {}, kNow).value().files, made.files);
  EXPECT_EQ(secret->content(cluster_, made, kNow).value().files, made.files);
  const Content changed{{{"password", "mine"}}, ""};
  const Content kept = secret->content(cluster_, changed, kNow).value();
  EXPECT_EQ(kept.files, changed.files);
  EXPECT_EQ(kept.note, changed.note) << "nothing is to be written";
}

TEST_F(Secrets, InputsDoNotHoldKeys) {
  for (const auto& secret : {make_node_config_secret("demo-master-1"), make_kubeconfig_secret()}) {
    EXPECT_THAT(secret->inputs(cluster_), Not(HasSubstr("PRIVATE")));
  }
}

TEST(Fingerprint, TellsInputsApart) {
  EXPECT_EQ(fingerprint({"a", "b"}), fingerprint({"a", "b"}));
  EXPECT_NE(fingerprint({"a", "bc"}), fingerprint({"ab", "c"}));
  EXPECT_NE(fingerprint({"a"}), fingerprint({"a", ""}));
}

}  // namespace
}  // namespace vk8s::controller
