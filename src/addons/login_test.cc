#include "addons/login.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/plan.h"
#include "addons/test_set.h"
#include "pki/pki.h"

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::item_of;
using ::testing::Not;

constexpr const char* kSet = R"(
apiVersion: v1
kind: Secret
metadata: {name: passwords, namespace: auth}
stringData: {HASH: "$2y$12$example", OTHER: kept}
---
apiVersion: v1
kind: Secret
metadata: {name: client, namespace: auth}
data: {ID: aWQ=, SECRET: ZXhhbXBsZQ==}
---
apiVersion: v1
kind: Secret
metadata: {name: proxy-4k2bm9, namespace: proxy}
data: {client-secret: ZXhhbXBsZQ==, cookie-secret: Y29va2ll}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: config, namespace: auth}
data:
  config.yaml: |
    - email: user@example.com
      not: other.user@example.com, user@example.com.kr
    - "user@example.com"
---
apiVersion: example.org/v1
kind: Profile
metadata: {name: first}
spec: {owner: {kind: User, name: user@example.com}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: dex, namespace: auth}
spec:
  selector: {matchLabels: {app: dex}}
  template:
    metadata: {labels: {app: dex}}
    spec:
      containers:
      - {name: dex, image: dex, envFrom: [{secretRef: {name: passwords}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: proxy}
spec:
  selector: {matchLabels: {app: server}}
  template:
    metadata: {labels: {app: server}}
    spec: {containers: [{name: c, image: server, envFrom: [{secretRef: {name: passwords}}]}]}
)";

constexpr const char* kInfo = R"({"version": "1", "login": {
  "email": "user@example.com",
  "passwordHash": {"namespace": "auth", "name": "passwords", "key": "HASH"},
  "random": [[{"namespace": "auth", "name": "client", "key": "SECRET"},
              {"namespace": "proxy", "name": "proxy-*", "key": "client-secret"}],
             [{"namespace": "proxy", "name": "proxy-*", "key": "cookie-secret"}]]}})";

Result<ManifestSet> set_with(std::string info) {
  return ManifestSet::create(
      {{.path = "addon.json", .content = std::move(info)}, {.path = "set.yaml", .content = kSet}});
}

class LoginTest : public ::testing::Test {
 protected:
  LoginTest() {
    auto set = set_with(kInfo);
    EXPECT_TRUE(set) << set.error().message();
    plan_ = make_plan(std::make_shared<const ManifestSet>(*std::move(set)));
  }

  static const Json& object(const Plan& plan, const std::string& kind, const std::string& name) {
    return plan.manifest(item_of(plan, kind, name)).object;
  }
  static std::string value(const Plan& plan, const std::string& secret, const std::string& key) {
    const JsonObject* data = base::get_object(object(plan, "Secret", secret), "data");
    const Json* text = data == nullptr ? nullptr : data->if_contains(key);
    return text == nullptr
               ? std::string()
               : pki::base64_decode(std::string_view(text->get_string())).value_or("not base64");
  }
  static std::string annotation(const Plan& plan, const std::string& deployment) {
    const JsonObject* all = base::get_object(object(plan, "Deployment", deployment),
                                             "spec.template.metadata.annotations");
    return all == nullptr ? std::string()
                          : std::string(all->at("vk8s.sktelecom.com/login").get_string());
  }

  std::shared_ptr<const Plan> plan_;
  Login login_{.email = "kim@site.example", .password_hash = "$2b$12$hash", .key = "k"};
};

TEST_F(LoginTest, PutsTheHashInItsPlace) {
  const auto own = with_login(*plan_, login_);
  EXPECT_EQ(value(*own, "passwords", "HASH"), "$2b$12$hash");
  const std::string secret = base::to_string(object(*own, "Secret", "passwords"));
  EXPECT_THAT(secret, Not(HasSubstr("$2y$12$example")));
  EXPECT_THAT(secret, HasSubstr("\"OTHER\":\"kept\""));
}

TEST_F(LoginTest, MakesTheRandomValuesOfEachCluster) {
  const auto own = with_login(*plan_, login_);
  const std::string secret = value(*own, "client", "SECRET");
  EXPECT_EQ(secret.size(), 32U);
  EXPECT_EQ(value(*own, "proxy-4k2bm9", "client-secret"), secret) << "both sides have it";
  EXPECT_NE(value(*own, "proxy-4k2bm9", "cookie-secret"), secret);
  EXPECT_EQ(value(*own, "client", "ID"), "id");
  EXPECT_EQ(value(*with_login(*plan_, login_), "client", "SECRET"), secret);
  login_.key = "another cluster's";
  EXPECT_NE(value(*with_login(*plan_, login_), "client", "SECRET"), secret);
}

TEST_F(LoginTest, PutsTheAddressWhereTheManifestsNameTheirs) {
  const auto own = with_login(*plan_, login_);
  const auto config = base::get_object(object(*own, "ConfigMap", "config"), "data");
  EXPECT_EQ(std::string(config->at("config.yaml").get_string()),
            "- email: kim@site.example\n"
            "  not: other.user@example.com, user@example.com.kr\n"
            "- \"kim@site.example\"\n");
  EXPECT_EQ(text_at(object(*own, "Profile", "first"), "spec.owner.name"), "kim@site.example");
  login_.email = "";
  EXPECT_EQ(object(*with_login(*plan_, login_), "Profile", "first"),
            object(*plan_, "Profile", "first"));
}

TEST_F(LoginTest, StartsWorkloadsAnewWhoseLoginHasChanged) {
  EXPECT_THAT(annotation(*plan_, "dex"), IsEmpty());
  const std::string first = annotation(*with_login(*plan_, login_), "dex");
  EXPECT_EQ(first.size(), 32U);
  EXPECT_EQ(annotation(*with_login(*plan_, login_), "dex"), first);
  EXPECT_THAT(annotation(*with_login(*plan_, login_), "server"), IsEmpty())
      << "a Secret of that name in another Namespace";
  login_.password_hash = "$2b$12$another";
  EXPECT_NE(annotation(*with_login(*plan_, login_), "dex"), first);
}

TEST_F(LoginTest, SharesWhatIsTheSame) {
  const auto own = with_login(*plan_, login_);
  EXPECT_EQ(own->set, plan_->set);
  EXPECT_EQ(own->own.size(), 6U);
  EXPECT_EQ(own->needs, plan_->needs);
  const Login before = login_;
  EXPECT_EQ(with_login(*plan_, before)->digest, own->digest);
  login_.password_hash = "$2b$12$another";
  EXPECT_NE(with_login(*plan_, login_)->digest, own->digest);
  EXPECT_NE(own->digest, plan_->digest);
}

TEST_F(LoginTest, RefusesPlacesThatAreNotThere) {
  const auto refusal = [](const std::string& from, const std::string& to) {
    std::string info = kInfo;
    info.replace(info.find(from), from.size(), to);
    const auto set = set_with(info);
    return set ? "it was taken" : set.error().message();
  };
  EXPECT_THAT(refusal("\"HASH\"", "\"GONE\""),
              HasSubstr("the manifests have no Secret auth/passwords, key GONE"));
  EXPECT_THAT(refusal("\"proxy\", \"name\"", "\"auth\", \"name\""),
              HasSubstr("no Secret auth/proxy-*, key client-secret"));
  EXPECT_THAT(refusal("\"key\": \"HASH\"", "\"key\": 1"),
              HasSubstr("login.passwordHash: it must have namespace, name and key"));
  EXPECT_THAT(refusal("\"passwords\"", "\"*\""), HasSubstr("login.passwordHash: it must"));
  EXPECT_THAT(refusal("\"user@example.com\"", "\"user\""), HasSubstr("login.email"));
  EXPECT_THAT(refusal("\"user@example.com\"", "\"nobody@example.com\""),
              HasSubstr("login.email: no manifest names nobody@example.com"));
  EXPECT_THAT(refusal("\"random\": [[", "\"random\": [[], ["), HasSubstr("login.random[]"));
}

TEST_F(LoginTest, TakesTheOneSecretOfAPrefix) {
  const auto set = ManifestSet::create(
      {{.path = "addon.json", .content = kInfo},
       {.path = "set.yaml", .content = kSet},
       {.path = "more.yaml", .content = R"({apiVersion: v1, kind: Secret, metadata: {
            name: proxy-other, namespace: proxy}, data: {client-secret: ZXhhbXBsZQ==}})"}});
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().message(), HasSubstr("no Secret proxy/proxy-*, key client-secret"));
}

TEST(EmailAddress, IsOneThatCanStandAnywhere) {
  EXPECT_TRUE(is_email_address("user@example.com"));
  EXPECT_TRUE(is_email_address("a.b+c_d%e-f@x-y.z"));
  for (const char* text : {"", "user", "@example.com", "user@", "a@b@c", "a b@c", "a@b\nc", "-a@b",
                           "a@b.", "a@-b", "a:b@c", "\"a\"@b", "{a@b"}) {
    EXPECT_FALSE(is_email_address(text)) << text;
  }
  EXPECT_FALSE(is_email_address(std::string(250, 'a') + "@b.co"));
}

}  // namespace
}  // namespace vk8s::addons
