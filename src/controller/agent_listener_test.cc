#include "controller/agent_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/cluster_pki.h"
#include "api/node_status.h"
#include "base/fake_timers.h"
#include "controller/cluster.h"
#include "http/server.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

const kube::ObjectKey kDemo{"team-a", "demo"};
constexpr std::string_view kServerName = "demo-master-1-0.demo-peers.team-a.svc";

api::NodeStatus status_of(std::string node, api::NodePhase phase, int percent) {
  api::NodeStatus out;
  out.node = std::move(node);
  out.phase = phase;
  out.percent = percent;
  out.step = "starting";
  out.kubelet_version = "v1.37.2";
  return out;
}

// An agent on the port that agents have; it sends what the test tells it to.
class Agent {
 public:
  Agent(kube::testing::LoopThread& loop, const api::FileSet& agent_ca) : loop_(loop) {
    const auto files = api::create_node_pki(api::create_cluster_pki("demo").value(), agent_ca,
                                            "demo-master-1", {std::string(kServerName)})
                           .value();
    http::ServerOptions options;
    options.address = "127.0.0.1";
    options.certificate_pem = files.at("agent.crt");
    options.key_pem = files.at("agent.key");
    options.client_ca_pem = files.at("agent-client-ca.crt");
    loop_.run([&] {
      auto server = http::Server::start(
          loop_.loop(), options,
          [this](http::ServerRequest request, http::Responder responder) {
            peers_.push_back(request.peer_common_name);
            streams_.push_back(std::move(responder).start_stream({}));
            streams_.back().on_closed([this] { ++hung_up_; });
            if (!last_.empty()) {
              streams_.back().write(last_);
            }
          },
          Log::silent());
      server_ = std::move(server).value();
    });
  }
  ~Agent() {
    loop_.run([this] {
      streams_.clear();
      server_.reset();
    });
  }

  int port() const { return server_->port(); }

  void say(const std::string& line) {
    loop_.run([&] {
      last_ = line + "\n";
      for (http::Stream& stream : streams_) {
        stream.write(last_);
      }
    });
  }
  void say(const api::NodeStatus& status) { say(base::to_string(api::to_json(status))); }
  void hang_up() {
    loop_.run([this] {
      last_.clear();
      streams_.clear();
    });
  }
  // On the loop's thread.
  std::size_t count_peers() const { return peers_.size(); }
  std::size_t count_hung_up() const { return hung_up_; }
  std::vector<std::string> peers() {
    return loop_.run([this] { return peers_; });
  }

 private:
  kube::testing::LoopThread& loop_;
  std::unique_ptr<http::Server> server_;
  std::vector<http::Stream> streams_;
  std::vector<std::string> peers_;
  std::size_t hung_up_ = 0;
  std::string last_;
};

class AgentListenerTest : public testing::Test {
 protected:
  AgentListenerTest() : agent_ca_(api::create_agent_ca("demo").value()) {
    loop_.run([this] {
      client_ = http::Client::create(loop_.loop(), {}, Log::silent()).value();
      listener_ = std::make_unique<AgentListener>(
          loop_.loop(), timers_, *client_,
          [this](const kube::ObjectKey& key) { changed_.push_back(key); }, Log::silent());
    });
  }
  ~AgentListenerTest() override {
    loop_.run([this] {
      listener_.reset();
      client_.reset();
    });
  }

  std::shared_ptr<const http::TlsIdentity> identity() const {
    auto out = std::make_shared<http::TlsIdentity>();
    out->ca_pem = agent_ca_.at("agent-ca.crt");
    out->client_certificate_pem = agent_ca_.at("agent-client.crt");
    out->client_key_pem = agent_ca_.at("agent-client.key");
    return out;
  }

  void follow(const kube::ObjectKey& cluster = kDemo, std::string_view server_name = kServerName,
              bool pod_ready = false) {
    listener_->follow(cluster,
                      {{.node_name = "demo-master-1",
                        .pod_uid = "pod-1",
                        .address = "127.0.0.1",
                        .server_name = std::string(server_name),
                        .pod_ready = pod_ready,
                        .port = agent_.port()}},
                      identity());
  }
  void advance(std::chrono::seconds step) {
    loop_.run([&] { timers_.advance(step); });
  }

  std::optional<AgentReport> report() const {
    return listener_->report(kDemo, "demo-master-1", "pod-1");
  }

  template <class Condition>
  bool eventually(Condition condition) {
    return loop_.wait_until(condition, seconds(10));
  }

  kube::testing::LoopThread loop_;
  base::FakeTimers timers_;  // on the loop's thread
  api::FileSet agent_ca_;
  Agent agent_{loop_, agent_ca_};
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<AgentListener> listener_;
  std::vector<kube::ObjectKey> changed_;  // on the loop's thread
};

TEST_F(AgentListenerTest, HearsEachStepAndTellsOfIt) {
  follow();
  agent_.say(status_of("demo-master-1", api::NodePhase::kStarting, 40));
  ASSERT_TRUE(eventually([&] { return report() && report()->percent == 40; }));
  EXPECT_FALSE(report()->ready);
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  ASSERT_TRUE(eventually([&] { return report()->ready; }));
  EXPECT_EQ(report()->kubelet_version, "v1.37.2");
  EXPECT_THAT(agent_.peers(), testing::Each("vk8s-controller"));
  EXPECT_THAT(loop_.run([&] { return changed_; }), testing::Contains(kDemo));
}

TEST_F(AgentListenerTest, ComesBackAfterTheAgentHasHungUp) {
  follow();
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  ASSERT_TRUE(eventually([&] { return report() && report()->ready; }));
  agent_.hang_up();
  // That it was ready counts no longer.
  ASSERT_TRUE(eventually([&] { return !report()->ready; }));
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  advance(seconds(1));
  EXPECT_TRUE(eventually([&] { return report()->ready; }));
}

TEST_F(AgentListenerTest, BelievesNoAgentThatSpeaksForAnotherNode) {
  follow();
  ASSERT_TRUE(eventually([&] { return agent_.count_peers() > 0; }));
  agent_.say(status_of("somebody-else", api::NodePhase::kReady, 100));
  agent_.say("this is no status");
  agent_.say(status_of("demo-master-1", api::NodePhase::kStarting, 10));
  ASSERT_TRUE(eventually([&] { return report().has_value(); }));
  EXPECT_FALSE(report()->ready);
}

TEST_F(AgentListenerTest, BelievesNoServerWithAnotherName) {
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  follow(kDemo, "other-0.other-peers.team-a.svc");
  // A second agent under the right name shows that time enough has passed.
  follow({"team-a", "right"});
  ASSERT_TRUE(eventually([&] {
    return listener_->report({"team-a", "right"}, "demo-master-1", "pod-1").has_value();
  }));
  EXPECT_FALSE(report());
}

TEST_F(AgentListenerTest, CutsAStatusThatDoesNotEnd) {
  follow();
  agent_.say(status_of("demo-master-1", api::NodePhase::kStarting, 10));
  ASSERT_TRUE(eventually([&] { return report().has_value(); }));
  const std::size_t before = agent_.peers().size();
  agent_.say(std::string(api::kMaxStatusBytes + 10, 'x'));
  ASSERT_TRUE(eventually([&] { return agent_.count_hung_up() > 0; }));
  advance(seconds(1));
  EXPECT_TRUE(eventually([&] { return agent_.count_peers() > before; }));
}

TEST_F(AgentListenerTest, HangsUpOnANodeOnceItIsReadyByItsPodToo) {
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  follow();
  ASSERT_TRUE(eventually([&] { return report() && report()->ready; }));
  advance(seconds(60));
  EXPECT_EQ(loop_.run([&] { return agent_.count_hung_up(); }), 0U);
  follow(kDemo, kServerName, true);
  loop_.run([] {});  // it is posted
  advance(seconds(10));
  ASSERT_TRUE(eventually([&] { return agent_.count_hung_up() == 1; }));
  EXPECT_TRUE(report()->ready);
}

TEST_F(AgentListenerTest, ListensAgainWhenAPodIsReadyNoLonger) {
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  follow(kDemo, kServerName, true);
  ASSERT_TRUE(eventually([&] { return report() && report()->ready; }));
  advance(seconds(10));
  ASSERT_TRUE(eventually([&] { return agent_.count_hung_up() == 1; }));
  agent_.say(status_of("demo-master-1", api::NodePhase::kDegraded, 100));
  EXPECT_TRUE(report()->ready);
  follow(kDemo, kServerName, false);
  ASSERT_TRUE(eventually([&] { return !report()->ready; }));
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  EXPECT_TRUE(eventually([&] { return report()->ready; }));
}

TEST_F(AgentListenerTest, LooksNowAndThenAtANodeThatIsReady) {
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  follow(kDemo, kServerName, true);
  ASSERT_TRUE(eventually([&] { return report() && report()->ready; }));
  advance(seconds(10));
  ASSERT_TRUE(eventually([&] { return agent_.count_hung_up() == 1; }));
  const std::size_t before = agent_.peers().size();
  advance(std::chrono::minutes(20));
  EXPECT_TRUE(eventually([&] { return agent_.count_peers() == before + 1; }));
}

TEST_F(AgentListenerTest, ForgetsWhatItsClusterHasLost) {
  follow();
  agent_.say(status_of("demo-master-1", api::NodePhase::kReady, 100));
  ASSERT_TRUE(eventually([&] { return report().has_value(); }));
  EXPECT_TRUE(listener_->has_identity(kDemo));
  EXPECT_FALSE(listener_->report(kDemo, "demo-master-1", "pod-2"));
  listener_->forget(kDemo);
  EXPECT_FALSE(report());
  EXPECT_FALSE(listener_->has_identity(kDemo));
}

}  // namespace
}  // namespace vk8s::controller
