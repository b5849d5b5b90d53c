#include "ipmanager/rest_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json.h"

namespace vk8s::ipmanager {
namespace {

using testing::HasSubstr;

http::ServerRequest request_of(const std::string& method, const std::string& path,
                               const std::string& query, const std::string& body = "") {
  http::ServerRequest out;
  out.method = method;
  out.path = path;
  out.query = query;
  out.body = body;
  if (!body.empty()) {
    out.headers = {{"content-type", "application/json; charset=utf-8"}};
  }
  return out;
}

Accepted<RestRequest> parse(const http::ServerRequest& request) {
  const auto operation = find_operation(request.method, request.path);
  EXPECT_TRUE(operation);
  return parse_rest_request(**operation, request);
}

Accepted<RestRequest> query(const std::string& text, const std::string& path = "/api/ip") {
  return parse(request_of("GET", path, text));
}
Accepted<RestRequest> body(const std::string& method, const std::string& text) {
  return parse(request_of(method, "/api/ip", "", text));
}

// "STATUS field: message"
std::string refusal(const Accepted<RestRequest>& result) {
  return result ? std::string("accepted")
                : fmt::format("{} {}: {}", result.error().status, result.error().field,
                              result.error().message);
}

TEST(FindOperation, KnowsEveryMethodOfItsPaths) {
  for (const Operation& operation : operations()) {
    const auto found = find_operation(operation.method, operation.path);
    ASSERT_TRUE(found);
    EXPECT_EQ((*found)->id, operation.id);
  }
}

TEST(FindOperation, SaysWhatIsAllowed) {
  const auto wrong = find_operation("PATCH", "/api/ip");
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().status, 405);
  EXPECT_EQ(wrong.error().headers, (http::HeaderList{{"Allow", "GET, POST, PUT, DELETE"}}));
  EXPECT_EQ(find_operation("POST", "/api/free-ip").error().headers,
            (http::HeaderList{{"Allow", "GET"}}));
  EXPECT_EQ(find_operation("GET", "/api/ip/").error().status, 404);
  EXPECT_EQ(find_operation("GET", "/api/%69p").error().status, 404);
}

TEST(ParseQuery, DecodesPercentsAndKeepsTheOrder) {
  const auto found = parse_query("pod_name=team-a%2Fweb-0&pool=a+b&x");
  ASSERT_TRUE(found);
  EXPECT_EQ(*found, (std::vector<std::pair<std::string, std::string>>{
                        {"pod_name", "team-a/web-0"}, {"pool", "a b"}, {"x", ""}}));
  EXPECT_TRUE(parse_query("")->empty());
}

TEST(ParseQuery, RefusesWhatTwoReadersCouldReadDifferently) {
  EXPECT_FALSE(parse_query("pool=%4"));
  EXPECT_FALSE(parse_query("pool=%zz"));
  EXPECT_FALSE(parse_query("pool=a&pool=b"));
  EXPECT_FALSE(parse_query("pool=a&%70ool=b"));
  std::string many;
  for (std::size_t i = 0; i <= kMaxQueryParameters; ++i) {
    many += fmt::format("p{}=1&", i);
  }
  EXPECT_FALSE(parse_query(many));
}

TEST(RestQuery, ReadsEveryParameter) {
  const auto all = query(
      "pod_ip=fd00%3A%3A7&pod_name=team-a/web-0&namespace=team-b&status=reserved&pool=edge&"
      "limit=1000&continue=10.1.0.7");
  ASSERT_TRUE(all) << refusal(all);
  EXPECT_EQ(all->address->to_string(), "fd00::7");
  EXPECT_EQ(all->pod, "web-0");
  EXPECT_EQ(all->pod_namespace, "team-a");
  EXPECT_EQ(all->namespace_name, "team-b");
  EXPECT_EQ(all->status, AddressState::kReserved);
  EXPECT_EQ(all->pool, "edge");
  EXPECT_EQ(all->limit, 1000U);
  EXPECT_EQ(all->after->to_string(), "10.1.0.7");
  EXPECT_EQ(query("")->limit, kDefaultPage);
  EXPECT_EQ(query("pod_name=web-0")->pod_namespace, "");
  EXPECT_EQ(query("pool=a&limit=1", "/api/free-ips")->limit, 1U);
}

TEST(RestQuery, NamesWhatIsWrong) {
  EXPECT_THAT(refusal(query("pod_ip=10.1.0.300")), HasSubstr("400 pod_ip: pod_ip"));
  EXPECT_THAT(refusal(query("pod_ip=::ffff:10.1.0.7")), HasSubstr("write the IPv4 address"));
  EXPECT_THAT(refusal(query("pod_ip=10.1.0.07")), HasSubstr("400 pod_ip"));
  EXPECT_THAT(refusal(query("pod_ip=")), HasSubstr("400 pod_ip"));
  EXPECT_THAT(refusal(query("pod_name=Web")), HasSubstr("as in team-a/web-0"));
  EXPECT_THAT(refusal(query("pod_name=a/b/c")), HasSubstr("400 pod_name"));
  EXPECT_THAT(refusal(query("pod_name=a.b/c")), HasSubstr("400 pod_name"));
  EXPECT_THAT(refusal(query("namespace=a.b")), HasSubstr("400 namespace"));
  EXPECT_THAT(refusal(query("status=taken")), HasSubstr("400 status"));
  EXPECT_THAT(refusal(query("status=free")), HasSubstr("/api/free-ips"));
  EXPECT_THAT(refusal(query("pool=")), HasSubstr("400 pool"));
  EXPECT_THAT(refusal(query("address=10.1.0.7")), HasSubstr("no parameter \"address\""));
  EXPECT_THAT(refusal(query("limit=1", "/api/free-ip")), HasSubstr("no parameter \"limit\""));
  for (const char* limit : {"0", "1001", "-1", "1.0", "07", "", "x", "99999999999999999999"}) {
    EXPECT_THAT(refusal(query(fmt::format("limit={}", limit))), HasSubstr("400 limit")) << limit;
  }
  for (const char* page : {"10.1.0.07", "fd00::7", "", "a"}) {
    EXPECT_THAT(refusal(query(fmt::format("continue={}", page))), HasSubstr("400 continue"))
        << page;
  }
}

TEST(RestQuery, OfADeletionNeedsTheAddress) {
  EXPECT_THAT(refusal(parse(request_of("DELETE", "/api/ip", ""))),
              HasSubstr("400 pod_ip: pod_ip is missing"));
  EXPECT_THAT(refusal(parse(request_of("DELETE", "/api/ip", "pod_ip=10.1.0.7&pod_name=web-0"))),
              HasSubstr("as in team-a/web-0"));
  const auto owned = parse(request_of("DELETE", "/api/ip", "pod_ip=10.1.0.7&pod_name=a/b"));
  ASSERT_TRUE(owned) << refusal(owned);
  EXPECT_EQ(owned->pod_namespace, "a");
}

TEST(RestBody, OfADeletionIsTakenFromOlderClients) {
  const auto found = body("DELETE", R"({"pod_ip": "10.1.0.7"})");
  ASSERT_TRUE(found) << refusal(found);
  EXPECT_EQ(found->address->to_string(), "10.1.0.7");
  EXPECT_THAT(refusal(body("DELETE", "{}")), HasSubstr("pod_ip is missing"));
  EXPECT_THAT(refusal(parse(
                  request_of("DELETE", "/api/ip", "pod_ip=10.1.0.7", R"({"pod_ip": "10.1.0.7"})"))),
              HasSubstr("stands in the body"));
}

TEST(RestBody, IsAReservationOrAPodsAddress) {
  const auto reserved = body("POST", R"({"pod_ip": "10.1.0.7", "note": "카메라 3"})");
  ASSERT_TRUE(reserved) << refusal(reserved);
  EXPECT_EQ(reserved->status, AddressState::kReserved);
  EXPECT_EQ(reserved->note, "카메라 3");
  EXPECT_EQ(reserved->pod, "");
  for (const char* text :
       {R"({"pod_name": "team-a/web-0"})", R"({"pod_name": "web-0", "namespace": "team-a"})",
        R"({"pod_name": "team-a/web-0", "status": "allocated", "pool": "edge"})"}) {
    const auto pod = body("POST", text);
    ASSERT_TRUE(pod) << refusal(pod);
    EXPECT_EQ(pod->status, AddressState::kAllocated);
    EXPECT_EQ(pod->pod, "web-0");
    EXPECT_EQ(pod->pod_namespace, "team-a");
    EXPECT_EQ(pod->namespace_name, "");
    EXPECT_FALSE(pod->address);
  }
}

TEST(RestBody, OfANewAddressNamesWhatIsWrong) {
  const auto post = [](const std::string& text) { return refusal(body("POST", text)); };
  EXPECT_THAT(post(""), HasSubstr("no JSON"));
  EXPECT_THAT(post("{"), HasSubstr("no JSON"));
  EXPECT_THAT(post("[]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(post("{}"), HasSubstr("400 pod_ip: pod_ip is missing"));
  EXPECT_THAT(post(R"({"status": "allocated"})"), HasSubstr("pod_name is missing"));
  EXPECT_THAT(post(R"({"status": "allocated", "pod_ip": "10.1.0.7"})"),
              HasSubstr("pod_name is missing"));
  EXPECT_THAT(post(R"({"pod_name": "web-0"})"), HasSubstr("400 namespace: namespace is missing"));
  EXPECT_THAT(post(R"({"namespace": "team-a", "pod_name": "team-a/web-0"})"),
              HasSubstr("namespace: pod_name has one already"));
  EXPECT_THAT(post(R"({"pod_ip": "10.1.0.7", "status": "reserved", "pod_name": "a/b"})"),
              HasSubstr("pod_name does not go with status reserved"));
  EXPECT_THAT(post(R"({"pod_ip": "10.1.0.7", "status": "deallocating"})"),
              HasSubstr("\"deallocating\" is not what it can become here"));
  EXPECT_THAT(post(R"({"pod_ip": 7})"), HasSubstr("pod_ip must be a string"));
  EXPECT_THAT(post(R"({"pod_ip": null})"), HasSubstr("pod_ip must be a string"));
  EXPECT_THAT(post(R"({"ip": "10.1.0.7"})"), HasSubstr("no field \"ip\""));
  EXPECT_THAT(post(R"({"pod_ip": "10.1.0.7", "resource_version": "1"})"),
              HasSubstr("no field \"resource_version\""));
  EXPECT_THAT(post(R"({"pod_ip": "10.1.0.7", "note": "a\u001bb"})"), HasSubstr("400 note"));
}

TEST(RestBody, TakesALongPodNameWithItsNamespaceBesideIt) {
  const std::string label(63, 'a');
  const std::string name = label + "." + label + "." + label + "." + std::string(61, 'a');
  EXPECT_TRUE(body("POST", fmt::format(R"({{"pod_name": "{}", "namespace": "team-a"}})", name)));
  EXPECT_THAT(refusal(body("POST", fmt::format(R"({{"pod_name": "team-a/{}"}})", name))),
              HasSubstr("400 pod_name"));
}

TEST(RestBody, CountsTheCharactersOfANote) {
  std::string note;
  for (std::size_t i = 0; i < kMaxNoteCharacters; ++i) {
    note += "가";
  }
  EXPECT_TRUE(body("POST", fmt::format(R"({{"pod_ip": "10.1.0.7", "note": "{}"}})", note)));
  EXPECT_THAT(
      refusal(body("POST", fmt::format(R"({{"pod_ip": "10.1.0.7", "note": "{}가"}})", note))),
      HasSubstr("256 characters"));
}

TEST(RestBody, OfAChange) {
  const auto given =
      body("PUT", R"({"pod_ip": "10.1.0.7", "pod_name": "a/b", "resource_version": "12"})");
  ASSERT_TRUE(given) << refusal(given);
  EXPECT_EQ(given->status, AddressState::kAllocated);
  EXPECT_EQ(given->resource_version, "12");
  const auto back = body("PUT", R"({"pod_ip": "10.1.0.7", "status": "deallocating"})");
  ASSERT_TRUE(back) << refusal(back);
  EXPECT_EQ(back->status, AddressState::kDeallocating);
  const auto put = [](const std::string& text) { return refusal(body("PUT", text)); };
  EXPECT_THAT(put(R"({"pod_ip": "10.1.0.7"})"), HasSubstr("pod_name is missing"));
  EXPECT_THAT(put(R"({"pod_name": "a/b"})"), HasSubstr("pod_ip is missing"));
  EXPECT_THAT(put(R"({"pod_ip": "10.1.0.7", "status": "reserved"})"), HasSubstr("400 status"));
  EXPECT_THAT(put(R"({"pod_ip": "10.1.0.7", "status": "deallocating", "resource_version": "0"})"),
              HasSubstr("400 resource_version"));
}

TEST(RestBody, MustBeJsonAndSmall) {
  http::ServerRequest request = request_of("POST", "/api/ip", "", R"({"pod_ip": "10.1.0.7"})");
  request.headers = {{"content-type", "text/json"}};
  EXPECT_THAT(refusal(parse(request)), HasSubstr("415"));
  request.headers = {};
  EXPECT_THAT(refusal(parse(request)), HasSubstr("415"));
  request.headers = {{"content-type", "Application/JSON"}};
  EXPECT_TRUE(parse(request));
  EXPECT_THAT(refusal(body("POST", std::string(kMaxRestBodyBytes + 1, ' '))), HasSubstr("413"));
  EXPECT_THAT(refusal(parse(request_of("GET", "/api/ip", "", "{}"))), HasSubstr("no body"));
}

TEST(Refusal, IsJsonWithCodeMessageAndField) {
  const http::ServerResponse response = to_response(
      {.status = 409, .message = "it is of a/b\n", .field = "pod_ip", .headers = {{"A", "b"}}});
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(response.body,
            "{\"code\":\"Conflict\",\"message\":\"it is of a/b?\",\"field\":\"pod_ip\"}\n");
  EXPECT_EQ(response.headers.size(), 1U);
}

}  // namespace
}  // namespace vk8s::ipmanager
