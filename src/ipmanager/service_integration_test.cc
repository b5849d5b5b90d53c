// vk8s-ip-manager on a real API server: its own rights, callers' tokens and rights, its
// certificate, several replicas, an API server that is away.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ipmanager/test_service.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using testing::TestHost;
using testing::TestService;

class ServiceOnApiServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (kube::testing::ApiServer::missing_prerequisite()) {
      return;
    }
    auto host = TestHost::start();
    ASSERT_TRUE(host) << host.error().message();
    host_ = host->release();
    const Status ready = prepare();
    ASSERT_TRUE(ready) << ready.error().message();
  }
  static void TearDownTestSuite() {
    delete host_;
    host_ = nullptr;
  }

  static Status prepare() {
    VK8S_TRY(testing::install_service(*host_));
    VK8S_TRY(testing::add_caller(*host_, "admin", {"list", "create", "update", "delete"}));
    VK8S_TRY(testing::add_caller(*host_, "reader", {"list"}));
    return testing::add_caller(*host_, "stranger", {"watch"});
  }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_NE(host_, nullptr);
    ASSERT_TRUE(host_->put_pool("edge", {"10.1.0.0/28"}));
    service_ = std::make_unique<TestService>(*host_);
    ASSERT_TRUE(service_->wait_until_ready());
    const auto token = testing::token_of(*host_, "admin");
    ASSERT_TRUE(token) << token.error().message();
    admin_ = *token;
    ASSERT_TRUE(wait_for("GET", "/api/free-ip?pool=edge", "200 "));
  }
  void TearDown() override {
    service_.reset();
    if (host_ != nullptr) {
      host_->remove_everything();
    }
  }

  // Asks until the answer holds the words.
  bool wait_for(const std::string& method, const std::string& target, const std::string& words,
                const std::string& body = "", seconds limit = seconds(20)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    while (service_->say(method, target, admin_, body).find(words) == std::string::npos) {
      if (std::chrono::steady_clock::now() > deadline) {
        return false;
      }
      host_->thread().tick(std::chrono::milliseconds(50));
    }
    return true;
  }

  static TestHost* host_;
  std::unique_ptr<TestService> service_;
  std::string admin_;  // a token
};

TestHost* ServiceOnApiServer::host_ = nullptr;

TEST_F(ServiceOnApiServer, TakesAnAddressThroughItsWholeLife) {
  EXPECT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_ip": "10.1.0.3", "note": "door"})"),
              HasSubstr(R"(201 {"pod_ip":"10.1.0.3","status":"reserved","pool":"edge")"));
  EXPECT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_ip": "10.1.0.3"})"),
              HasSubstr("reserved: door"));
  const std::string give = R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/web-0"})";
  EXPECT_THAT(service_->say("PUT", "/api/ip", admin_, give), HasSubstr(R"("status":"allocated")"));
  EXPECT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_name": "team-a/web-0"})"),
              HasSubstr(R"(200 {"pod_ip":"10.1.0.3")"));
  EXPECT_THAT(service_->say("GET", "/api/ip?pod_name=team-a%2Fweb-0", admin_),
              HasSubstr(R"("pod_name":"team-a/web-0")"));
  EXPECT_THAT(service_->say("PUT", "/api/ip", admin_,
                            R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/db-0"})"),
              HasSubstr("10.1.0.3 is of team-a/web-0"));
  EXPECT_EQ(service_->say("DELETE", "/api/ip?pod_ip=10.1.0.3", admin_), "204 ");
  // No pod has it: the sweeper deletes it.
  EXPECT_TRUE(wait_for("GET", "/api/ip?pod_ip=10.1.0.3", R"("status":"free")", "", seconds(40)));
  EXPECT_TRUE(host_->list_allocations().empty());
}

TEST_F(ServiceOnApiServer, NeedsATokenForItsOwnAudience) {
  EXPECT_THAT(service_->say("GET", "/api/ip", ""), HasSubstr("401 "));
  EXPECT_THAT(service_->say("GET", "/api/ip", "eyJhbGciOiJub25lIn0.e30."), HasSubstr("401 "));
  const auto other = testing::token_of(*host_, "admin", "");
  ASSERT_TRUE(other) << other.error().message();
  EXPECT_THAT(service_->say("GET", "/api/ip", *other), HasSubstr("401 "));
  EXPECT_THAT(service_->say("GET", "/api/ip", admin_), HasSubstr("200 "));
}

TEST_F(ServiceOnApiServer, GivesEachCallerHisRights) {
  const auto reader = testing::token_of(*host_, "reader");
  ASSERT_TRUE(reader) << reader.error().message();
  EXPECT_THAT(service_->say("GET", "/api/ip", *reader), HasSubstr("200 "));
  EXPECT_THAT(service_->say("POST", "/api/ip", *reader, R"({"pod_ip": "10.1.0.3"})"),
              HasSubstr("system:serviceaccount:team-a:reader\\\" may not create ipallocations"));
  EXPECT_THAT(service_->say("DELETE", "/api/ip?pod_ip=10.1.0.3", *reader), HasSubstr("403 "));
  const auto stranger = testing::token_of(*host_, "stranger");
  ASSERT_TRUE(stranger) << stranger.error().message();
  EXPECT_THAT(service_->say("GET", "/api/free-ips", *stranger), HasSubstr("403 "));
}

TEST_F(ServiceOnApiServer, ShowsItsStateWithoutAToken) {
  EXPECT_EQ(service_->say("GET", "/healthz", ""), "200 ok\n");
  EXPECT_EQ(service_->say("GET", "/readyz", ""), "200 ok\n");
  EXPECT_THAT(service_->say("POST", "/readyz", ""), HasSubstr("405 "));
  EXPECT_THAT(service_->say("GET", "/openapi.json", ""), HasSubstr(R"("openapi": "3.1.0")"));
  EXPECT_THAT(service_->say("GET", "/", ""), HasSubstr("404 "));

  EXPECT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_ip": "10.1.0.3"})"),
              HasSubstr("201 "));
  EXPECT_TRUE(
      wait_for("GET", "/metrics", "vk8s_ip_allocations{pool=\"edge\",status=\"reserved\"} 1\n"));
  const std::string metrics = service_->say("GET", "/metrics", "");
  EXPECT_THAT(metrics, HasSubstr("vk8s_ip_allocations{pool=\"edge\",status=\"allocated\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("vk8s_ip_pool_capacity{pool=\"edge\"} 14\n"));
  EXPECT_THAT(metrics, HasSubstr("vk8s_ip_free{pool=\"edge\"} 13\n"));
  EXPECT_THAT(
      metrics,
      HasSubstr("vk8s_ip_requests_total{code=\"201\",method=\"POST\",path=\"/api/ip\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("vk8s_ip_requests_total{code=\"404\",method=\"other\""));
}

TEST_F(ServiceOnApiServer, GivesTheSameFromTwoReplicas) {
  TestService other(*host_);
  ASSERT_TRUE(other.wait_until_ready());
  // Both are verified by the one CA that is published.
  EXPECT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_name": "team-a/web-0"})"),
              HasSubstr("201 "));
  const std::string again = other.say("POST", "/api/ip", admin_, R"({"pod_name": "team-a/web-0"})");
  EXPECT_THAT(again, HasSubstr("\"pod_name\":\"team-a/web-0\""));
  EXPECT_EQ(host_->list_allocations().size(), 1U);
  EXPECT_THAT(other.say("POST", "/api/ip", admin_,
                        fmt::format(R"({{"pod_ip": "{}", "pod_name": "team-a/db-0"}})",
                                    host_->list_allocations()[0].address.to_string())),
              HasSubstr("taken by team-a/web-0"));
}

TEST_F(ServiceOnApiServer, SaysToTryAgainWhileTheApiServerIsAway) {
  ASSERT_THAT(service_->say("POST", "/api/ip", admin_, R"({"pod_ip": "10.1.0.3"})"),
              HasSubstr("201 "));
  const std::string ca = testing::published_ca(*host_);
  host_->server().kill_api_server();
  // What is known stays known.
  const auto known = service_->call("GET", "/api/ip?pod_ip=10.1.0.3", admin_, "", ca);
  EXPECT_TRUE(known && known->status == 200) << (known ? known->body : known.error().message());
  const auto answer = service_->call("POST", "/api/ip", admin_, R"({"pod_ip": "10.1.0.4"})", ca);
  EXPECT_TRUE(answer) << answer.error().message();
  if (answer) {
    EXPECT_EQ(answer->status, 503) << answer->body;
    EXPECT_EQ(answer->headers.at("retry-after"), "1");
  }
  ASSERT_TRUE(host_->server().start_api_server());
  EXPECT_TRUE(wait_for("POST", "/api/ip", "201 ", R"({"pod_ip": "10.1.0.4"})", seconds(60)));
}

}  // namespace
}  // namespace vk8s::ipmanager
