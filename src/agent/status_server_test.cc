#include "agent/status_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node_metrics.h"
#include "api/cluster_pki.h"
#include "http/client.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

using testing::HasSubstr;

constexpr const char* kName = "demo-master-1-0.demo-peers.team-a.svc";

// An agent's endpoint and its reader, on one loop.
class StatusServerTest : public testing::Test {
 protected:
  StatusServerTest() : folder_(std::move(*sys::TempDir::create())), tracker_(config_) {
    const api::FileSet cluster = api::create_cluster_pki("demo").value();
    agent_ca_ = api::create_agent_ca("demo").value();
    const api::FileSet node =
        api::create_node_pki(cluster, agent_ca_, "demo-master-1", {kName}).value();
    paths_.config = folder_.path();
    for (const auto& [name, content] : node) {
      EXPECT_TRUE(sys::write_file(paths_.given(name), content));
    }
    server_ = StatusServer::start(loop_, paths_, tracker_, Log::silent(), 0).value();
    client_ = http::Client::create(loop_, {}, Log::silent()).value();
  }

  http::Request request(const std::string& path, bool as_controller) {
    auto identity = std::make_shared<http::TlsIdentity>();
    identity->ca_pem = agent_ca_.at("agent-ca.crt");
    if (as_controller) {
      identity->client_certificate_pem = agent_ca_.at("agent-client.crt");
      identity->client_key_pem = agent_ca_.at("agent-client.key");
    }
    http::Request out;
    out.url = fmt::format("https://127.0.0.1:{}{}", server_->port(), path);
    out.identity = std::move(identity);
    out.server_name = kName;
    return out;
  }

  http::Response ask(const std::string& path, bool as_controller = true) {
    http::Response answer;
    const http::Call call =
        client_->send(request(path, as_controller), [&](Result<http::Response> response) {
          EXPECT_TRUE(response);
          answer = response.value_or(http::Response());
          loop_.stop();
        });
    loop_.run();
    return answer;
  }

  void make_ready() {
    tracker_.update({{.name = "etcd", .state = ComponentState::kRunning, .pid = 7, .restarts = 2}});
    tracker_.update(NodeObservation{.exists = true, .ready = true});
  }

  EventLoop loop_;
  sys::TempDir folder_;
  api::NodeConfig config_{.cluster_name = "demo", .node_name = "demo-master-1"};
  NodePaths paths_;
  NodeTracker tracker_;
  api::FileSet agent_ca_;
  std::unique_ptr<StatusServer> server_;
  std::unique_ptr<http::Client> client_;
};

TEST_F(StatusServerTest, TellsAnybodyWhetherTheNodeIsReady) {
  EXPECT_EQ(ask("/healthz", false).status, 200);
  EXPECT_EQ(ask("/readyz", false).status, 503);
  make_ready();
  EXPECT_EQ(ask("/readyz", false).status, 200);
}

TEST_F(StatusServerTest, TellsTheControllerAloneWhatTheNodeDoes) {
  make_ready();
  for (const char* path : {"/v1/status", "/v1/status?watch=1", "/metrics"}) {
    EXPECT_EQ(ask(path, false).status, 403) << path;
  }
  const auto status = api::parse_node_status(ask("/v1/status").body);
  ASSERT_TRUE(status) << status.error().message();
  EXPECT_EQ(status->phase, api::NodePhase::kReady);
  const http::Response metrics = ask("/metrics");
  EXPECT_THAT(metrics.body, HasSubstr("vk8s_node_ready 1\n"));
  EXPECT_THAT(metrics.body, HasSubstr("vk8s_component_restarts_total{component=\"etcd\"} 2\n"));
}

TEST_F(StatusServerTest, AnswersOtherPathsAndMethodsWithAnError) {
  EXPECT_EQ(ask("/etc/passwd").status, 404);
  http::Request post = request("/v1/status", true);
  post.method = "POST";
  int status = 0;
  const http::Call call = client_->send(post, [&](const Result<http::Response>& response) {
    status = response ? response->status : -1;
    loop_.stop();
  });
  loop_.run();
  EXPECT_EQ(status, 405);
}

TEST_F(StatusServerTest, StreamsEachChangeToAFollower) {
  std::string lines;
  http::Call call =
      client_->stream(request("/v1/status?watch=1", true), {.on_data = [&](std::string_view bytes) {
                        const bool first = lines.empty();
                        lines += bytes;
                        if (first) {
                          make_ready();
                        }
                        if (lines.find("\"Ready\"") != std::string::npos) {
                          loop_.stop();
                        }
                      }});
  loop_.run();
  EXPECT_THAT(lines, HasSubstr("\"Starting\""));
  EXPECT_THAT(lines, HasSubstr("\"Ready\""));
  call.cancel();
}

TEST_F(StatusServerTest, TakesUpARenewedCertificate) {
  const api::FileSet cluster = api::create_cluster_pki("demo").value();
  const api::FileSet renewed =
      api::create_node_pki(cluster, agent_ca_, "demo-master-1", {kName}).value();
  ASSERT_TRUE(sys::write_file(paths_.given("agent.crt"), renewed.at("agent.crt")));
  EXPECT_FALSE(server_->reload_certificate(paths_)) << "the key is another's";
  ASSERT_TRUE(sys::write_file(paths_.given("agent.key"), renewed.at("agent.key")));
  EXPECT_TRUE(server_->reload_certificate(paths_));
  EXPECT_EQ(ask("/healthz").status, 200);
}

}  // namespace
}  // namespace vk8s::agent
