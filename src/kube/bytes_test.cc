// What reads bytes of others: YAML, kubeconfigs, selectors, watch streams, errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kube/api_error.h"
#include "kube/client.h"
#include "kube/decoder.h"
#include "kube/merge.h"
#include "kube/request_path.h"
#include "kube/selector.h"
#include "kube/watch_stream.h"
#include "kube/yaml.h"
#include "kube/yaml_writer.h"
#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::kube {
namespace {

using ::testing::HasSubstr;

Errc yaml_code(std::string_view text, const YamlLimits& limits = {}) {
  const auto result = parse_yaml_documents(text, limits);
  EXPECT_FALSE(result) << text;
  return result ? Errc::kInternal : result.error().code();
}

TEST(Yaml, ReadsDocumentsAsJson) {
  const auto documents = parse_yaml_documents(
      "a: {b: [1, -2, 0x10, 0644, 1.5, true, null, ~, text, \"7\", '']}\n---\n---\n- x: |\n"
      "    line\n- 'yes': yes\n");
  ASSERT_TRUE(documents) << documents.error().message();
  ASSERT_EQ(documents->size(), 2U);
  EXPECT_EQ(base::to_string((*documents)[0]),
            R"({"a":{"b":[1,-2,16,420,1.5E0,true,null,null,"text","7",""]}})");
  EXPECT_EQ(base::to_string((*documents)[1]), R"([{"x":"line\n"},{"yes":"yes"}])");
}

TEST(Yaml, KeepsWhatOnlyLooksLikeANumber) {
  const auto value = parse_yaml("[1.2.3, 09, 1e, -, +, 0x, --1, 1_000, 99999999999999999999, .]");
  ASSERT_TRUE(value);
  for (const Json& item : value->as_array()) {
    EXPECT_TRUE(item.is_string() || item.is_double()) << base::to_string(item);
  }
  EXPECT_TRUE(value->as_array()[0].is_string());
}

TEST(Yaml, RefusesBombsDuplicatesAndDepth) {
  EXPECT_EQ(yaml_code("a: &x [1]\nb: *x\n"), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code("a: 1\nb: 2\na: 3\n"), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code("{[1]: 2}"), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code(std::string(65, '[') + std::string(65, ']')), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code(std::string(100'000, '[')), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code("[1, 2, 3]", {.max_values = 3}), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code("[1, 2, 3]", {.max_bytes = 3}), Errc::kTooLarge);
  EXPECT_EQ(yaml_code("a: [1"), Errc::kInvalidArgument);
  EXPECT_EQ(yaml_code("a: b: c"), Errc::kInvalidArgument);
}

TEST(Yaml, NamesTheLine) {
  EXPECT_THAT(parse_yaml("a: 1\nb: 2\na: 3\n").error().message(),
              HasSubstr("line 3: duplicate key \"a\""));
}

TEST(YamlWriter, QuotesWhatCouldBeTakenForSomethingElse) {
  JsonObject object;
  object["plain"] = "abc-1.2/x_Y";
  object["word"] = "Yes";
  object["number"] = "1.37";
  object["empty"] = "";
  object["colon"] = "a: b";
  object["lines"] = "a\nb";
  object["on"] = 1;
  EXPECT_EQ(to_yaml(Json(object)),
            "plain: abc-1.2/x_Y\nword: \"Yes\"\nnumber: \"1.37\"\nempty: \"\"\n"
            "colon: \"a: b\"\nlines: \"a\\nb\"\n\"on\": 1\n");
}

TEST(YamlWriter, NestsObjectsAndLists) {
  const Json json =
      base::parse_json(R"({"a":{"b":[1,{"c":true,"d":[]}],"e":{}},"f":[["x"]]})").value();
  EXPECT_EQ(to_yaml(json), "a:\n  b:\n  - 1\n  - c: true\n    d: []\n  e: {}\nf:\n- - x\n");
  EXPECT_EQ(to_yaml(std::vector<Json>{Json(1), Json(2)}), "1\n---\n2\n");
}

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: c\n"
         "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
         "clusters: [{name: k, cluster: {" +
         cluster +
         "}}]\n"
         "users: [{name: u, user: {" +
         user + "}}]\n";
}

TEST(Kubeconfig, ReadsDataFields) {
  const auto config = ClientConfig::from_kubeconfig(
      kubeconfig("server: \"https://h:1\", tls-server-name: n, certificate-authority-data: " +
                     pki::base64_encode("CA"),
                 "client-certificate-data: " + pki::base64_encode("CERT") +
                     ", client-key-data: " + pki::base64_encode("KEY")));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->server, "https://h:1");
  EXPECT_EQ(config->tls_server_name, "n");
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->client_certificate_pem, "CERT");
  EXPECT_EQ(config->client_key_pem, "KEY");
}

TEST(Kubeconfig, ReadsFilesBesideIt) {
  const auto folder = sys::TempDir::create();
  ASSERT_TRUE(folder);
  ASSERT_TRUE(sys::write_file(folder->path() + "/ca.crt", "CA"));
  ASSERT_TRUE(sys::write_file(
      folder->path() + "/config",
      kubeconfig("server: \"https://h:1\", certificate-authority: ca.crt", "tokenFile: token")));
  const auto config = ClientConfig::from_kubeconfig_file(folder->path() + "/config");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->token_file, folder->path() + "/token");
}

TEST(Kubeconfig, RefusesWhatIsMissingOrUnsafeByName) {
  const std::string ca = ", certificate-authority-data: " + pki::base64_encode("CA");
  const std::vector<std::array<std::string, 3>> cases = {
      {"server: \"http://h:1\"" + ca, "token: t", "https://"},
      {"server: \"https://h:1\"", "token: t", "certificate-authority"},
      {"server: \"https://h:1\", insecure-skip-tls-verify: true", "token: t",
       "insecure-skip-tls-verify"},
      {"server: \"https://h\xff:1\"" + ca, "token: t", "character that a URL cannot have"},
      {"server: \"https://h :1\"" + ca, "token: t", "character that a URL cannot have"},
      {"server: \"https://h:1\"" + ca, "exec: {command: x}", "exec"},
      {"server: \"https://h:1\"" + ca, "client-certificate-data: eA==", "go together"},
      {"server: \"https://h:1\", certificate-authority-data: '%%'", "token: t",
       "certificate-authority-data"},
  };
  for (const auto& [cluster, user, word] : cases) {
    const auto config = ClientConfig::from_kubeconfig(kubeconfig(cluster, user));
    ASSERT_FALSE(config) << cluster;
    EXPECT_THAT(config.error().message(), HasSubstr(word));
  }
  EXPECT_FALSE(ClientConfig::from_kubeconfig(kubeconfig(cases[0][0], ""), "other"));
  EXPECT_FALSE(ClientConfig::from_kubeconfig("[]"));
}

// One that is there would be taken, one that is not there would be missed.
TEST(Kubeconfig, OpensNoFileThatAForeignOneNames) {
  const auto folder = sys::TempDir::create();
  ASSERT_TRUE(folder);
  const std::string there = folder->path() + "/file";
  ASSERT_TRUE(sys::write_file(there, "PEM"));
  const std::string server = "server: \"https://h:1\"";
  const std::string ca = ", certificate-authority-data: " + pki::base64_encode("CA");
  for (const std::string& file : {there, folder->path() + "/missing"}) {
    for (const auto& [cluster, user] : {
             std::pair{server + ", certificate-authority: " + file, std::string("token: t")},
             std::pair{server + ca, "client-certificate: " + file + ", client-key: " + file},
             std::pair{server + ca, "tokenFile: " + file},
         }) {
      const auto config = ClientConfig::from_foreign_kubeconfig(kubeconfig(cluster, user));
      ASSERT_FALSE(config) << cluster << user;
      EXPECT_THAT(config.error().message(), HasSubstr("names a file, which is not opened"));
    }
  }
  EXPECT_TRUE(ClientConfig::from_foreign_kubeconfig(kubeconfig(server + ca, "token: t")));
}

TEST(RequestPath, IsThatOfTheApi) {
  EXPECT_EQ(object_path(resources::kStatefulSet, {"a", "b"}, "status").value(),
            "/apis/apps/v1/namespaces/a/statefulsets/b/status");
  EXPECT_EQ(object_path(resources::kNode, {"", "n"}).value(), "/api/v1/nodes/n");
  EXPECT_EQ(object_path(resources::kClusterRole, {"", "system:node"}).value(),
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode");
  EXPECT_EQ(collection_path(resources::kPod, "").value(), "/api/v1/pods");
}

TEST(RequestPath, CannotBeLeftByAName) {
  for (const char* name : {"", ".", "..", "a/b", "a%2fb"}) {
    EXPECT_FALSE(object_path(resources::kNode, {"", name})) << name;
    EXPECT_FALSE(object_path(resources::kPod, {"ns", name})) << name;
  }
  EXPECT_EQ(object_path(resources::kNode, {"", "a?b#c d"}).value(), "/api/v1/nodes/a%3Fb%23c%20d");
  EXPECT_EQ(Query().add("labelSelector", "a=b,c in (d)").text(),
            "?labelSelector=a%3Db%2Cc%20in%20%28d%29");
}

TEST(Selector, Selects) {
  const std::map<std::string, std::string> labels = {{"app", "web"}, {"tier", "front"}};
  for (const char* text : {"", "app", "!old", "app=web", "app==web", "app!=db", "missing!=x",
                           "app in (db, web)", "tier notin (back)", "app=web,tier in (front),!x"}) {
    EXPECT_TRUE(Selector::parse(text).value().matches(labels)) << text;
  }
  for (const char* text : {"old", "!app", "app=db", "app!=web", "app in (db)", "app=web,tier=back",
                           "tier notin (front,back)"}) {
    EXPECT_FALSE(Selector::parse(text).value().matches(labels)) << text;
  }
  for (const char* text : {",", "a b", "a in b", "a in (b", "=x", "a=b=c", "in (a)", "a> in (b)"}) {
    EXPECT_FALSE(Selector::parse(text)) << text;
  }
}

TEST(LineSplitter, CutsWhateverTheChunks) {
  const std::string stream = "{\"a\":1}\n\n{\"b\":2}\n{\"c\"";
  for (std::size_t size = 1; size <= stream.size(); ++size) {
    LineSplitter splitter(100);
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      ASSERT_TRUE(splitter.feed(stream.substr(at, size), [&](std::string_view line) {
        lines.emplace_back(line);
        return true;
      }));
    }
    EXPECT_EQ(lines, (std::vector<std::string>{"{\"a\":1}", "{\"b\":2}"}));
    EXPECT_TRUE(splitter.is_mid_line());
  }
}

TEST(LineSplitter, RefusesALineWithoutEnd) {
  LineSplitter splitter(10);
  const auto ignore = [](std::string_view) { return true; };
  EXPECT_TRUE(splitter.feed("123456", ignore));
  const Status refused = splitter.feed("789012", ignore);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Errc::kTooLarge);
}

TEST(WatchEvent, IsReadOrRefused) {
  Decoder decoder;
  const auto event = parse_watch_event(
      R"({"type":"MODIFIED","object":{"metadata":{"name":"a","managedFields":[1]}}})", decoder,
      true);
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(event->type, WatchEvent::Type::kModified);
  EXPECT_EQ(base::to_string(event->object), R"({"metadata":{"name":"a"}})");
  const auto gone = parse_watch_event(
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}})", decoder,
      false);
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Errc::kGone);
  for (const char* bad : {"", "x", "[]", "{}", R"({"type":"ADDED"})",
                          R"({"type":"ADDED","object":1})", R"({"type":"NEW","object":{}})"}) {
    EXPECT_FALSE(parse_watch_event(bad, decoder, false)) << bad;
  }
}

TEST(Decoder, ReadsEveryTypeAndRefusesDepth) {
  Decoder decoder;
  const std::string text = R"({"i":-9223372036854775808,"u":18446744073709551615,"d":1.5,"b":true,)"
                           R"("n":null,"s":"é\n","a":[[]]})";
  EXPECT_EQ(decoder.decode(text).value(), base::parse_json(text).value());
  EXPECT_FALSE(decoder.decode(std::string(300, '[') + std::string(300, ']')));
  EXPECT_FALSE(decoder.decode("{} {}"));
  EXPECT_FALSE(decoder.decode("\"\xff\""));
  const std::string large = "[\"" + std::string(3U << 20U, 'x') + "\"]";
  EXPECT_TRUE(decoder.decode(large));
  EXPECT_TRUE(decoder.decode("[1]"));
}

TEST(ApiError, CarriesTheServersWords) {
  const Error conflict = error_from_response(
      409, R"({"kind":"Status","code":409,"reason":"Conflict","message":"it was modified"})");
  EXPECT_EQ(conflict.code(), Errc::kConflict);
  EXPECT_EQ(conflict.message(), "it was modified (409 Conflict)");
  const Error exists =
      error_from_response(409, R"({"kind":"Status","code":409,"reason":"AlreadyExists"})");
  EXPECT_EQ(exists.code(), Errc::kAlreadyExists);
  EXPECT_EQ(error_from_response(503, "<html>\x1b[31m").code(), Errc::kUnavailable);
  EXPECT_EQ(error_from_response(503, "<html>\x1b[31m").message().find('\x1b'), std::string::npos);
  EXPECT_TRUE(error_from_response(429, "").is_retryable());
  EXPECT_FALSE(error_from_response(403, "").is_retryable());
}

TEST(Merge, PatchesAsRfc7396) {
  const auto merged = [](const char* target, const char* patch) {
    Json value = base::parse_json(target).value();
    merge_patch_into(value, base::parse_json(patch).value());
    return base::to_string(value);
  };
  EXPECT_EQ(merged(R"({"a":"b","c":{"d":1,"e":2}})", R"({"a":null,"c":{"d":3}})"),
            R"({"c":{"d":3,"e":2}})");
  EXPECT_EQ(merged(R"({"a":[1]})", R"({"a":{"b":null}})"), R"({"a":{}})");
  EXPECT_EQ(merged("[1]", "\"x\""), "\"x\"");
}

TEST(Merge, PrunesOnlyWhatWasSaidBefore) {
  Json target = base::parse_json(R"({"a":{"x":1,"y":2},"b":{"z":1},"c":1})").value();
  prune_into(target, base::parse_json(R"({"a":{"x":1},"b":{"z":1}})").value(),
             base::parse_json(R"({"a":{}})").value());
  EXPECT_EQ(target, base::parse_json(R"({"a":{"y":2},"c":1})").value());
}

}  // namespace
}  // namespace vk8s::kube
