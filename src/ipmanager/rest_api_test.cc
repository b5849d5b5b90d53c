#include "ipmanager/rest_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "ipmanager/fake_reviews.h"
#include "ipmanager/late_client.h"
#include "ipmanager/test_objects.h"

namespace vk8s::ipmanager {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::ip;
using testing::owner;
using testing::pool_object;
namespace resources = kube::resources;

class RestApiTest : public ::testing::Test {
 protected:
  RestApiTest() {
    server_.put(resources::kVNodeIPPool, pool_object("edge", {"10.1.0.0/29"}));
    allocator_.start();
    run();
  }

  void run() { timers_.advance(std::chrono::nanoseconds(0)); }

  http::ServerResponse ask(std::string_view method, std::string_view target,
                           const std::string& body = "", std::string_view token = "admin") {
    std::optional<http::ServerResponse> answer;
    http::ServerRequest request;
    const std::size_t question = target.find('?');
    request.method = method;
    request.path = target.substr(0, question);
    request.query =
        question == std::string_view::npos ? std::string_view() : target.substr(question + 1);
    request.body = body;
    request.headers = {{"content-type", "application/json"}};
    if (!token.empty()) {
      request.headers.emplace_back("authorization", fmt::format("Bearer token-of-{}", token));
    }
    api_.handle(std::move(request), [&](http::ServerResponse response) {
      EXPECT_FALSE(answer) << "answered twice";
      answer = std::move(response);
    });
    run();
    EXPECT_TRUE(answer) << "no answer";
    return answer.value_or(http::ServerResponse{.status = 0});
  }
  // "STATUS" and the body without its line's end.
  std::string text(const http::ServerResponse& response) const {
    std::string out = fmt::format("{} {}", response.status, response.body);
    while (out.ends_with('\n') || out.ends_with(' ')) {
      out.pop_back();
    }
    return out;
  }
  std::string say(std::string_view method, std::string_view target, const std::string& body = "") {
    return text(ask(method, target, body));
  }
  static Json json(const http::ServerResponse& response) {
    return base::parse_json(response.body).value_or(Json());
  }
  // The addresses of a list.
  std::vector<std::string> addresses(std::string_view target) {
    const Json list = json(ask("GET", target));
    std::vector<std::string> out;
    const JsonArray* items = base::get_array(list, "items");
    for (const Json& item : items == nullptr ? JsonArray() : *items) {
      out.emplace_back(base::get_string(item, "pod_ip").value_or("?"));
    }
    return out;
  }
  std::string version_of(const char* address) {
    return allocator_.find(ip(address)).value().resource_version;
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  testing::FakeReviews reviews_{server_};
  testing::LateClient client_{server_};
  Allocator allocator_{timers_, client_, Log::silent()};
  AccessReview access_{timers_, server_, {}, Log::silent()};
  RestApi api_{allocator_, access_, Log::silent()};
};

// --- who may -------------------------------------------------------------------------------

TEST_F(RestApiTest, AsksWhoIsThereBeforeAnythingElse) {
  const auto nobody = ask("POST", "/api/ip", "not JSON", "");
  EXPECT_EQ(nobody.status, 401);
  EXPECT_EQ(nobody.headers, (http::HeaderList{{"WWW-Authenticate", "Bearer"}}));
  EXPECT_THAT(nobody.body, HasSubstr(R"("code":"Unauthorized")"));
  EXPECT_EQ(ask("GET", "/api/ip", "", "stranger").status, 401);
  const auto reader = ask("POST", "/api/ip", "not JSON", "reader");
  EXPECT_EQ(reader.status, 403);
  EXPECT_THAT(reader.body, HasSubstr("may not create ipallocations"));
  EXPECT_EQ(ask("GET", "/api/ip", "", "reader").status, 200);
}

TEST_F(RestApiTest, AsksForTheRightOfEachOperation) {
  const std::pair<const char*, const char*> kCalls[] = {
      {"GET", "/api/ip"},    {"POST", "/api/ip"},     {"PUT", "/api/ip"},
      {"DELETE", "/api/ip"}, {"GET", "/api/free-ip"}, {"GET", "/api/free-ips"}};
  reviews_.rights.clear();
  std::vector<std::string> verbs;
  for (const auto& [method, path] : kCalls) {
    const auto response = ask(method, path);
    EXPECT_EQ(response.status, 403);
    const std::string message(base::get_string(json(response), "message").value_or(""));
    verbs.push_back(message.substr(0, message.find(" ipallocations")));
  }
  EXPECT_THAT(verbs,
              ElementsAre(HasSubstr("not list"), HasSubstr("not create"), HasSubstr("not update"),
                          HasSubstr("not delete"), HasSubstr("not list"), HasSubstr("not list")));
}

TEST_F(RestApiTest, SaysToTryAgainWhereItCannotAsk) {
  server_.fail_next("create", resources::kTokenReview, Error(Errc::kTimeout, "slow"));
  const auto response = ask("GET", "/api/ip");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers, (http::HeaderList{{"Retry-After", "1"}}));
}

TEST_F(RestApiTest, KnowsNothingBeforeItsCachesAreFilled) {
  Allocator empty(timers_, client_, Log::silent());
  RestApi api(empty, access_, Log::silent());
  std::optional<http::ServerResponse> answer;
  http::ServerRequest request;
  request.method = "GET";
  request.path = "/api/free-ip";
  request.headers = {{"authorization", "Bearer token-of-admin"}};
  api.handle(std::move(request), [&](http::ServerResponse r) { answer = std::move(r); });
  run();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->headers, (http::HeaderList{{"Retry-After", "1"}}));
}

TEST_F(RestApiTest, KnowsItsPathsAndMethods) {
  EXPECT_THAT(say("GET", "/api"), HasSubstr("404"));
  const auto response = ask("PATCH", "/api/ip", "", "");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.headers, (http::HeaderList{{"Allow", "GET, POST, PUT, DELETE"}}));
}

// --- POST ----------------------------------------------------------------------------------

TEST_F(RestApiTest, ReservesAnAddressForNobody) {
  const auto made = ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.3", "note": "camera 3"})");
  EXPECT_EQ(made.status, 201);
  EXPECT_EQ(made.content_type, "application/json");
  EXPECT_EQ(text(made),
            fmt::format(R"(201 {{"pod_ip":"10.1.0.3","status":"reserved","pool":"edge",)"
                        R"("note":"camera 3","resource_version":"{}"}})",
                        version_of("10.1.0.3")));
  const std::string again = say("POST", "/api/ip", R"({"pod_ip": "10.1.0.3"})");
  EXPECT_THAT(again, HasSubstr("409"));
  EXPECT_THAT(again, HasSubstr("reserved: camera 3"));
}

TEST_F(RestApiTest, GivesAPodTheAddressItAsksForOnce) {
  const std::string body = R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/web-0"})";
  EXPECT_THAT(
      say("POST", "/api/ip", body),
      HasSubstr(R"(201 {"pod_ip":"10.1.0.3","status":"allocated","pod_name":"team-a/web-0")"));
  EXPECT_THAT(say("POST", "/api/ip", body), HasSubstr("200 "));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "web-0", "namespace": "team-a"})"),
              HasSubstr(R"(200 {"pod_ip":"10.1.0.3")"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_ip": "10.1.0.4", "pod_name": "team-a/web-0"})"),
              HasSubstr("it has 10.1.0.3 already"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_ip": "10.1.0.3", "pod_name": "team-b/web-0"})"),
              HasSubstr("taken by team-a/web-0"));
}

TEST_F(RestApiTest, GivesAPodTheNextFreeAddress) {
  const Json made = json(ask("POST", "/api/ip", R"({"pod_name": "team-a/web-0"})"));
  const auto address = IpAddress::parse(base::get_string(made, "pod_ip").value_or(""));
  ASSERT_TRUE(address);
  EXPECT_EQ(allocator_.find(*address)->owner, owner("web-0"));
}

TEST_F(RestApiTest, SaysWhatThePoolsDoNotAllow) {
  server_.put(
      resources::kVNodeIPPool,
      pool_object("closed", {"10.2.0.0/29"}, JsonObject{{"namespaces", JsonArray{"team-b"}}}));
  run();
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_ip": "10.9.0.1"})"),
              AllOf(HasSubstr("422"), HasSubstr(R"("field":"pod_ip")")));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_ip": "10.1.0.0"})"), HasSubstr("422"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_ip": "10.1.0.3", "pool": "closed"})"),
              HasSubstr("422"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "team-a/web-0", "pool": "closed"})"),
              AllOf(HasSubstr("422"), HasSubstr(R"("field":"pool")")));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "team-b/web-0", "pool": "closed"})"),
              HasSubstr(R"(201 {"pod_ip":"10.2.0)"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "team-a/web-0", "pool": "none"})"),
              AllOf(HasSubstr("404"), HasSubstr(R"("field":"pool")")));
}

TEST_F(RestApiTest, SaysThatNoneIsLeft) {
  for (int pod = 0; pod < 6; ++pod) {
    EXPECT_EQ(ask("POST", "/api/ip", fmt::format(R"({{"pod_name": "team-a/web-{}"}})", pod)).status,
              201);
  }
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "team-a/web-6"})"),
              AllOf(HasSubstr("409"), HasSubstr("no address is left")));
  EXPECT_THAT(say("GET", "/api/free-ip"), HasSubstr("404"));
  EXPECT_THAT(say("GET", "/api/free-ip?pool=edge"), HasSubstr("pool edge has no free address"));
  EXPECT_THAT(say("GET", "/api/free-ips"), HasSubstr(R"(200 {"items":[]})"));
}

TEST_F(RestApiTest, SaysToTryAgainWhileTheApiServerIsAway) {
  server_.set_hook([](const kube::FakeRequest& request) -> std::optional<Error> {
    return request.resource == resources::kIPAllocation
               ? std::optional<Error>(Error(Errc::kTimeout, "connection refused"))
               : std::nullopt;
  });
  const auto response = ask("POST", "/api/ip", R"({"pod_name": "team-a/web-0"})");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers, (http::HeaderList{{"Retry-After", "1"}}));
}

TEST_F(RestApiTest, TellsAFaultOfItsOwn) {
  server_.fail_next("create", resources::kIPAllocation, Error(Errc::kUnsupported, "no such kind"));
  EXPECT_THAT(say("POST", "/api/ip", R"({"pod_name": "team-a/web-0"})"),
              AllOf(HasSubstr("500"), HasSubstr("InternalError")));
}

// --- GET -----------------------------------------------------------------------------------

class RestListTest : public RestApiTest {
 protected:
  RestListTest() {
    server_.put(resources::kVNodeIPPool, pool_object("six", {"fd00::/124"}));
    run();
    EXPECT_EQ(ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.2"})").status, 201);
    EXPECT_EQ(
        ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/web-0"})").status,
        201);
    EXPECT_EQ(
        ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.4", "pod_name": "team-b/web-0"})").status,
        201);
    EXPECT_EQ(ask("POST", "/api/ip", R"({"pod_ip": "fd00::5", "pod_name": "team-b/db-0"})").status,
              201);
    EXPECT_EQ(ask("DELETE", "/api/ip?pod_ip=10.1.0.4").status, 204);
  }
};

TEST_F(RestListTest, IsInOrderAndSelects) {
  EXPECT_THAT(addresses("/api/ip"), ElementsAre("10.1.0.2", "10.1.0.3", "10.1.0.4", "fd00::5"));
  EXPECT_THAT(addresses("/api/ip?status=reserved"), ElementsAre("10.1.0.2"));
  EXPECT_THAT(addresses("/api/ip?status=allocated"), ElementsAre("10.1.0.3", "fd00::5"));
  EXPECT_THAT(addresses("/api/ip?status=deallocating"), ElementsAre("10.1.0.4"));
  EXPECT_THAT(addresses("/api/ip?pool=six"), ElementsAre("fd00::5"));
  EXPECT_THAT(addresses("/api/ip?pool=none"), ElementsAre());
  EXPECT_THAT(addresses("/api/ip?pod_name=web-0"), ElementsAre("10.1.0.3", "10.1.0.4"));
  EXPECT_THAT(addresses("/api/ip?pod_name=team-b%2Fweb-0"), ElementsAre("10.1.0.4"));
  EXPECT_THAT(addresses("/api/ip?pod_name=web-0&namespace=team-a"), ElementsAre("10.1.0.3"));
  EXPECT_THAT(addresses("/api/ip?namespace=team-b"), ElementsAre("10.1.0.4", "fd00::5"));
  EXPECT_THAT(addresses("/api/ip?pod_name=team-a/web-0&namespace=team-b"), ElementsAre());
}

TEST_F(RestListTest, ComesInPages) {
  const Json first = json(ask("GET", "/api/ip?limit=2"));
  EXPECT_EQ(base::get_array(first, "items")->size(), 2U);
  EXPECT_EQ(base::get_string(first, "continue"), "10.1.0.3");
  const Json second = json(ask("GET", "/api/ip?limit=2&continue=10.1.0.3"));
  EXPECT_EQ(base::get_array(second, "items")->size(), 2U);
  EXPECT_EQ(base::find(second, "continue"), nullptr);
  const std::string last = "fd00-0000-0000-0000-0000-0000-0000-0005";
  EXPECT_THAT(addresses("/api/ip?continue=" + last), ElementsAre());
}

TEST_F(RestListTest, ShowsOneAddressThoughItIsFree) {
  EXPECT_THAT(addresses("/api/ip?pod_ip=10.1.0.3"), ElementsAre("10.1.0.3"));
  EXPECT_THAT(addresses("/api/ip?pod_ip=10.1.0.3&status=reserved"), ElementsAre());
  EXPECT_EQ(say("GET", "/api/ip?pod_ip=10.1.0.5"),
            R"(200 {"items":[{"pod_ip":"10.1.0.5","status":"free","pool":"edge"}]})");
  EXPECT_THAT(addresses("/api/ip?pod_ip=10.1.0.5&pool=six"), ElementsAre());
  EXPECT_THAT(addresses("/api/ip?pod_ip=10.1.0.5&pod_name=web-0"), ElementsAre());
  EXPECT_THAT(say("GET", "/api/ip?pod_ip=10.9.0.1"), HasSubstr("404"));
}

TEST_F(RestListTest, ShowsNoAddressAsFreeThatNobodyWouldBeGiven) {
  server_.put(resources::kVNodeIPPool,
              pool_object("other", {"10.2.0.0/24"}, JsonObject{{"gateway", "10.1.0.5"}}));
  server_.put(resources::kNode, base::parse_json(R"({"metadata":{"name":"host-1"},
      "spec":{"podCIDRs":["10.2.0.0/25"]}})")
                                    .value());
  run();
  EXPECT_THAT(say("GET", "/api/ip?pod_ip=10.1.0.5"),
              AllOf(HasSubstr("404"), HasSubstr("10.1.0.5 is the gateway of VNodeIPPool other")));
  EXPECT_THAT(say("GET", "/api/ip?pod_ip=10.2.0.9"),
              AllOf(HasSubstr("404"), HasSubstr("which Node host-1 gives to its pods")));
  EXPECT_THAT(say("GET", "/api/ip?pod_ip=10.2.0.129"), HasSubstr(R"("pool":"other")"));
}

TEST_F(RestListTest, ShowsFreeOnes) {
  EXPECT_EQ(say("GET", "/api/free-ip"),
            R"(200 {"pod_ip":"10.1.0.1","status":"free","pool":"edge"})");
  EXPECT_EQ(say("GET", "/api/free-ip?pool=six"),
            R"(200 {"pod_ip":"fd00::1","status":"free","pool":"six"})");
  EXPECT_THAT(addresses("/api/free-ips?limit=4"),
              ElementsAre("10.1.0.1", "10.1.0.5", "10.1.0.6", "fd00::1"));
  EXPECT_THAT(addresses("/api/free-ips?pool=edge"),
              ElementsAre("10.1.0.1", "10.1.0.5", "10.1.0.6"));
  EXPECT_THAT(say("GET", "/api/free-ips?pool=none"), HasSubstr("404"));
  EXPECT_THAT(say("GET", "/api/free-ip?pool=none"), HasSubstr("404"));
}

TEST_F(RestListTest, ShowsWhoseNodeItIs) {
  server_.put(resources::kIPAllocation,
              testing::allocation_object("10.1.0.6", testing::node_of("demo", "uid-1"), "edge"));
  run();
  EXPECT_THAT(
      say("GET", "/api/ip?pod_ip=10.1.0.6"),
      HasSubstr(R"("pod_name":"team-a/demo-master-1-0","cluster":"demo","node":"master-1")"));
}

// --- PUT and DELETE ------------------------------------------------------------------------

class RestChangeTest : public RestApiTest {
 protected:
  RestChangeTest() {
    EXPECT_EQ(ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.2"})").status, 201);
    EXPECT_EQ(ask("POST", "/api/ip", R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/db-0"})").status,
              201);
  }
};

TEST_F(RestChangeTest, GivesAReservedAddressToAPod) {
  const std::string body = R"({"pod_ip": "10.1.0.2", "pod_name": "team-a/web-0"})";
  EXPECT_THAT(
      say("PUT", "/api/ip", body),
      HasSubstr(R"(200 {"pod_ip":"10.1.0.2","status":"allocated","pod_name":"team-a/web-0")"));
  EXPECT_THAT(say("PUT", "/api/ip", body), HasSubstr("200"));
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.2", "pod_name": "team-a/app-0"})"),
              HasSubstr("10.1.0.2 is of team-a/web-0"));
}

TEST_F(RestChangeTest, DoesSoOnlyToTheVersionThatIsNamed) {
  const auto body = [](const std::string& version) {
    return fmt::format(
        R"({{"pod_ip": "10.1.0.2", "pod_name": "team-a/web-0", "resource_version": "{}"}})",
        version);
  };
  EXPECT_THAT(say("PUT", "/api/ip", body("1")),
              AllOf(HasSubstr("409"), HasSubstr(R"("field":"resource_version")")));
  // Somebody writes to it, and the watch is behind.
  const std::string version = version_of("10.1.0.2");
  client_.hold();
  server_.put(resources::kIPAllocation, *server_.peek(resources::kIPAllocation, {"", "10.1.0.2"}));
  EXPECT_THAT(say("PUT", "/api/ip", body(version)),
              AllOf(HasSubstr("409"), HasSubstr("written to since"),
                    HasSubstr(R"("field":"resource_version")")));
  client_.let_through();
  EXPECT_THAT(say("PUT", "/api/ip", body(version_of("10.1.0.2"))), HasSubstr("200"));
}

TEST_F(RestChangeTest, LeavesAPodItsOneAddress) {
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.2", "pod_name": "team-a/db-0"})"),
              AllOf(HasSubstr("409"), HasSubstr("10.1.0.3 already")));
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.5", "pod_name": "team-a/web-0"})"),
              HasSubstr("404"));
}

TEST_F(RestChangeTest, GivesBack) {
  EXPECT_THAT(
      say("PUT", "/api/ip",
          R"({"pod_ip": "10.1.0.3", "status": "deallocating", "pod_name": "team-a/web-0"})"),
      HasSubstr("10.1.0.3 is of team-a/db-0"));
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.3", "status": "deallocating"})"),
              HasSubstr(R"(200 {"pod_ip":"10.1.0.3","status":"deallocating")"));
  EXPECT_TRUE(allocator_.find(ip("10.1.0.3"))->releasing);
  // Its pod has it again before it was free.
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.3", "pod_name": "team-a/db-0"})"),
              HasSubstr(R"("status":"allocated")"));
  EXPECT_FALSE(allocator_.find(ip("10.1.0.3"))->releasing);
}

TEST_F(RestChangeTest, GivesBackOnlyTheVersionThatIsNamed) {
  const auto body = [](const std::string& version) {
    return fmt::format(
        R"({{"pod_ip": "10.1.0.3", "status": "deallocating", "resource_version": "{}"}})", version);
  };
  const std::string version = version_of("10.1.0.3");
  client_.hold();
  server_.put(resources::kIPAllocation, *server_.peek(resources::kIPAllocation, {"", "10.1.0.3"}));
  EXPECT_THAT(say("PUT", "/api/ip", body(version)),
              AllOf(HasSubstr("409"), HasSubstr("written to since"),
                    HasSubstr(R"("field":"resource_version")")));
  client_.let_through();
  EXPECT_FALSE(allocator_.find(ip("10.1.0.3"))->releasing);
  EXPECT_THAT(say("PUT", "/api/ip", body(version_of("10.1.0.3"))), HasSubstr("200"));
}

TEST_F(RestChangeTest, GivesBackNoReservationThatHasBecomeAPods) {
  // Another replica has given it to a pod, and the watch is behind.
  client_.hold();
  server_.put(resources::kIPAllocation, testing::allocation_object("10.1.0.2", owner("web-0")));
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.2"),
              AllOf(HasSubstr("409"), HasSubstr("it is team-a/web-0's")));
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.2", "status": "deallocating"})"),
              AllOf(HasSubstr("409"), HasSubstr("it is team-a/web-0's")));
  client_.let_through();
  EXPECT_FALSE(allocator_.find(ip("10.1.0.2"))->releasing);
}

TEST_F(RestChangeTest, LeavesANodeOfAClusterItsAddress) {
  server_.put(resources::kVk8s, base::parse_json(R"({"metadata":{"name":"demo",
      "namespace":"team-a","uid":"uid-1"},"spec":{"network":{"staticIPs":true},
      "nodes":[{"name":"master-1","role":"master"}]}})")
                                    .value());
  server_.put(resources::kIPAllocation,
              testing::allocation_object("10.1.0.6", testing::node_of("demo", "uid-1")));
  run();
  const auto refusal = AllOf(HasSubstr("409"), HasSubstr("of node master-1 of Vk8s team-a/demo"));
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.6"), refusal);
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.6&pod_name=team-a/demo-master-1-0"), refusal);
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.6", "status": "deallocating"})"),
              refusal);
  server_.fail_next("get", resources::kVk8s, Error(Errc::kForbidden, "no right"));
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.6"), HasSubstr("503"));
  EXPECT_FALSE(allocator_.find(ip("10.1.0.6"))->releasing);
  const kube::Call call =
      server_.remove(resources::kVk8s, {"team-a", "demo"}, {}, [](const auto&) {});
  run();
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.6"), HasSubstr("204"));
  EXPECT_TRUE(allocator_.find(ip("10.1.0.6"))->releasing);
}

TEST_F(RestChangeTest, TellsARightOfItsOwnThatIsMissingFromAnotherOwner) {
  server_.fail_next("patch", resources::kIPAllocation, Error(Errc::kForbidden, "no right"), 1);
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.3"),
              AllOf(HasSubstr("500"), HasSubstr("InternalError")));
}

TEST_F(RestChangeTest, GivesNobodyWhatIsBeingGivenBack) {
  EXPECT_EQ(ask("PUT", "/api/ip", R"({"pod_ip": "10.1.0.2", "status": "deallocating"})").status,
            200);
  EXPECT_THAT(say("PUT", "/api/ip", R"({"pod_ip": "10.1.0.2", "pod_name": "team-a/web-0"})"),
              AllOf(HasSubstr("409"), HasSubstr("has been given back")));
}

TEST_F(RestChangeTest, DeletesOnce) {
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.3&pod_name=team-a/web-0"),
              AllOf(HasSubstr("409"), HasSubstr("10.1.0.3 is of team-a/db-0")));
  const auto deleted = ask("DELETE", "/api/ip?pod_ip=10.1.0.3&pod_name=team-a/db-0");
  EXPECT_EQ(deleted.status, 204);
  EXPECT_EQ(deleted.content_type + deleted.body, "");
  EXPECT_TRUE(allocator_.find(ip("10.1.0.3"))->releasing);
  EXPECT_EQ(ask("DELETE", "/api/ip?pod_ip=10.1.0.3").status, 204);
  EXPECT_EQ(ask("DELETE", "/api/ip", R"({"pod_ip": "10.1.0.2"})").status, 204);
  EXPECT_EQ(ask("DELETE", "/api/ip?pod_ip=10.1.0.5").status, 204) << "there is nothing";
}

TEST_F(RestChangeTest, DeletesNothingOfAnOwnerThatItHasNotSeenYet) {
  client_.hold();
  server_.put(resources::kIPAllocation, testing::allocation_object("10.1.0.6", owner("app-0")));
  EXPECT_THAT(say("DELETE", "/api/ip?pod_ip=10.1.0.6&pod_name=team-a/web-0"), HasSubstr("409"));
  client_.let_through();
  EXPECT_FALSE(allocator_.find(ip("10.1.0.6"))->releasing);
}

}  // namespace
}  // namespace vk8s::ipmanager
