#include "api/cluster_pki.h"

#include <gmock/gmock.h>

namespace vk8s::api {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class ClusterPki : public ::testing::Test {
 protected:
  static std::vector<std::string> names(const FileSet& files) {
    std::vector<std::string> all;
    for (const auto& [name, content] : files) {
      EXPECT_THAT(content, StartsWith("-----BEGIN "));
      EXPECT_THAT(content, EndsWith("-----\n"));
      all.push_back(name);
    }
    return all;
  }
  static pki::CertificateInfo info(const FileSet& files, const std::string& name) {
    return pki::parse_certificate(files.at(name)).value();
  }

  FileSet cluster_ = create_cluster_pki("team-a").value();
  FileSet agent_ca_ = create_agent_ca("team-a").value();
  FileSet node_ = create_node_pki(cluster_, agent_ca_, "team-a-worker-1",
                                  {"team-a-worker-1-0.team-a-peers", "10.0.0.7"})
                      .value();
};

TEST_F(ClusterPki, KeepsThreeCasAndTheServiceAccountKey) {
  EXPECT_THAT(names(cluster_),
              ElementsAre("ca.crt", "ca.key", "etcd-ca.crt", "etcd-ca.key", "front-proxy-ca.crt",
                          "front-proxy-ca.key", "sa.key", "sa.pub"));
  for (const std::string name : {"ca", "etcd-ca", "front-proxy-ca"}) {
    EXPECT_TRUE(info(cluster_, name + ".crt").is_ca);
    EXPECT_TRUE(pki::matches_key(cluster_[name + ".crt"], cluster_[name + ".key"]));
    EXPECT_THAT(info(cluster_, name + ".crt").subject.organizations, ElementsAre("team-a"));
  }
  EXPECT_FALSE(pki::is_signed_by(cluster_["etcd-ca.crt"], cluster_["ca.crt"]));
}

TEST_F(ClusterPki, AgentCaSignsTheStatusReader) {
  EXPECT_THAT(names(agent_ca_),
              ElementsAre("agent-ca.crt", "agent-ca.key", "agent-client.crt", "agent-client.key"));
  const auto client = info(agent_ca_, "agent-client.crt");
  EXPECT_EQ(client.subject.common_name, "vk8s-controller");
  EXPECT_TRUE(client.client && !client.server);
  EXPECT_TRUE(pki::is_signed_by(agent_ca_["agent-client.crt"], agent_ca_["agent-ca.crt"]));
}

TEST_F(ClusterPki, ReaderIsRenewedByTheSameCa) {
  const auto renewed = renew_agent_client(agent_ca_);
  ASSERT_TRUE(renewed);
  EXPECT_THAT(names(*renewed), ElementsAre("agent-client.crt", "agent-client.key"));
  EXPECT_NE(renewed->at("agent-client.key"), agent_ca_["agent-client.key"]);
  EXPECT_TRUE(pki::is_signed_by(renewed->at("agent-client.crt"), agent_ca_["agent-ca.crt"]));
}

TEST_F(ClusterPki, NodeGetsItsIdentitiesAndNoCaKey) {
  EXPECT_THAT(names(node_), ElementsAre("agent-client-ca.crt", "agent-kube.crt", "agent-kube.key",
                                        "agent.crt", "agent.key", "ca.crt", "kubelet.crt",
                                        "kubelet.key", "proxy.crt", "proxy.key"));
  const auto kubelet = info(node_, "kubelet.crt");
  EXPECT_EQ(kubelet.subject.common_name, "system:node:team-a-worker-1");
  EXPECT_THAT(kubelet.subject.organizations, ElementsAre("system:nodes"));
  EXPECT_TRUE(kubelet.client && !kubelet.server);
  EXPECT_EQ(info(node_, "proxy.crt").subject.common_name, "system:kube-proxy");
  EXPECT_THAT(info(node_, "proxy.crt").subject.organizations, IsEmpty());
  EXPECT_EQ(info(node_, "agent-kube.crt").subject.common_name, "vk8s:agent:team-a-worker-1");
  EXPECT_THAT(info(node_, "agent-kube.crt").subject.organizations, ElementsAre("vk8s:agents"));
  EXPECT_EQ(node_["ca.crt"], cluster_["ca.crt"]);
  EXPECT_EQ(node_["agent-client-ca.crt"], agent_ca_["agent-ca.crt"]);
}

TEST_F(ClusterPki, StatusServerIsNoClient) {
  const auto server = info(node_, "agent.crt");
  EXPECT_THAT(server.dns_names, ElementsAre("team-a-worker-1-0.team-a-peers"));
  EXPECT_THAT(server.ip_addresses, ElementsAre("10.0.0.7"));
  EXPECT_TRUE(server.server && !server.client);
  EXPECT_TRUE(pki::is_signed_by(node_["agent.crt"], agent_ca_["agent-ca.crt"]));
  EXPECT_FALSE(pki::is_signed_by(node_["agent.crt"], cluster_["ca.crt"]));
}

TEST_F(ClusterPki, LongestNamesFit) {
  EXPECT_TRUE(create_node_pki(cluster_, agent_ca_, std::string(52, 'n'), {"a"}));
  EXPECT_TRUE(create_cluster_pki(std::string(63, 'c') + "." + std::string(63, 'd')));
}

TEST_F(ClusterPki, RefusesNamesThatAreNoneAndMissingFiles) {
  EXPECT_EQ(create_cluster_pki("A b").error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(create_agent_ca("").error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(create_node_pki(cluster_, agent_ca_, "n", {}).error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(create_node_pki(cluster_, agent_ca_, "n", {"a b"}).error().code(),
            Errc::kInvalidArgument);
  cluster_.erase("ca.key");
  const auto missing = create_node_pki(cluster_, agent_ca_, "n", {"a"});
  EXPECT_EQ(missing.error().code(), Errc::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("ca.key"));
}

TEST_F(ClusterPki, FirstRenewalIsAtTwoThirdsOfTheShortestLeaf) {
  const auto due = first_renewal(node_);
  ASSERT_TRUE(due);
  const auto in = *due - std::chrono::system_clock::now();
  EXPECT_GT(in, 24h * 242);
  EXPECT_LT(in, 24h * 244);
  EXPECT_EQ(first_renewal(cluster_).error().code(), Errc::kNotFound);
}

std::string line_after(const std::string& text, const std::string& key) {
  const std::size_t begin = text.find(key) + key.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST_F(ClusterPki, KubeconfigCarriesACertificateOfTheBoundGroup) {
  const auto text =
      create_kubeconfig(cluster_, {.cluster_name = "team-a", .server = "https://10.0.0.1:6443"});
  ASSERT_TRUE(text) << text.error().message();
  EXPECT_THAT(*text, HasSubstr("server: \"https://10.0.0.1:6443\"\n"));
  EXPECT_THAT(*text, HasSubstr("current-context: \"kubernetes-admin@team-a\"\n"));
  EXPECT_EQ(pki::base64_decode(line_after(*text, "certificate-authority-data: ")).value(),
            cluster_["ca.crt"]);
  const auto certificate =
      pki::base64_decode(line_after(*text, "client-certificate-data: ")).value();
  const auto key = pki::base64_decode(line_after(*text, "client-key-data: ")).value();
  const auto user = pki::parse_certificate(certificate).value();
  EXPECT_EQ(user.subject.common_name, "kubernetes-admin");
  EXPECT_THAT(user.subject.organizations, ElementsAre("vk8s:cluster-admins"));
  EXPECT_TRUE(pki::is_signed_by(certificate, cluster_["ca.crt"]));
  EXPECT_TRUE(pki::matches_key(certificate, key));
}

TEST_F(ClusterPki, KubeconfigRefusesWhatWouldChangeItsMeaning) {
  for (const char* server : {"", "http://a", "https://a\"\n", "https://a b", "https://a\\"}) {
    EXPECT_EQ(create_kubeconfig(cluster_, {.cluster_name = "a", .server = server}).error().code(),
              Errc::kInvalidArgument)
        << server;
  }
  EXPECT_FALSE(create_kubeconfig(cluster_, {.cluster_name = "a\"b", .server = "https://a"}));
}

}  // namespace
}  // namespace vk8s::api
