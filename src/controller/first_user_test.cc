#include "controller/first_user.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controller/test_cluster.h"
#include "kube/fake_client.h"
#include "kube/testing/loop_thread.h"
#include "pki/pki.h"

namespace vk8s::controller {
namespace {

using kube::resources::kSecret;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

class FirstUsersTest : public testing::Test {
 protected:
  FirstUsersTest() { cluster_.vk8s.spec.kubeflow.emplace(); }

  void put(const char* name, const char* key, const std::string& value) {
    loop_.run([&] {
      server_.put(kSecret, {{"apiVersion", "v1"},
                            {"kind", "Secret"},
                            {"metadata", {{"namespace", "team-a"}, {"name", name}}},
                            {"data", {{key, pki::base64_encode(value)}}}});
    });
  }
  // As a user edits it.
  void change(const char* name, const std::string& password) {
    loop_.run([&] {
      Json secret = *server_.peek(kSecret, {"team-a", name});
      secret.at("data").as_object()["password"] = pki::base64_encode(password);
      server_.put(kSecret, std::move(secret));
    });
  }
  void remove(const char* name) {
    loop_.run([&] { call_ = server_.remove(kSecret, {"team-a", name}, {}, [](const auto&) {}); });
  }
  void fail_reads(int times) {
    loop_.run(
        [&] { server_.fail_next("get", kSecret, Error(Errc::kUnavailable, "it is away"), times); });
  }
  std::string find() {
    const auto login = users_.find(cluster_);
    if (!login) {
      return "away";
    }
    return login->trouble.empty() ? login->password : "trouble: " + login->trouble;
  }
  void pass(std::chrono::seconds time) { now_ += time; }

  kube::testing::LoopThread loop_;
  kube::FakeClient server_{loop_.loop()};
  kube::Call call_;
  BatchClient client_{loop_.loop(), server_};
  base::WallTime now_ = std::chrono::system_clock::now();
  SecretKeeper secrets_{client_, [this] { return now_; }};
  FirstUsers users_{client_, secrets_, [this] { return now_; }};
  Cluster cluster_ = demo_cluster();
};

TEST_F(FirstUsersTest, ReadTheSecretOfTheSpec) {
  cluster_.vk8s.spec.kubeflow->password_secret = "mine";
  put("mine", "password", "correct horse");
  EXPECT_EQ(find(), "correct horse");
  EXPECT_EQ(users_.find(cluster_)->source, "Secret mine (key password)");
}

TEST_F(FirstUsersTest, MakeAPasswordWhereTheSpecNamesNone) {
  const std::string made = find();
  EXPECT_THAT(made, MatchesRegex("[a-z2-9]+"));
  EXPECT_EQ(users_.find(cluster_)->source, "Secret demo-kubeflow-password (key password)");
  users_.forget({"team-a", "demo"});
  secrets_.forget({"team-a", "demo"});
  EXPECT_EQ(find(), made) << "it is in the Secret";
}

TEST_F(FirstUsersTest, ReadAgainAfterSomeMinutesOrWhenTheSpecChanges) {
  find();
  change("demo-kubeflow-password", "battery staple");
  EXPECT_NE(find(), "battery staple") << "a reconcile reads no Secret";
  pass(std::chrono::minutes(6));
  EXPECT_EQ(find(), "battery staple");
  put("mine", "password", "correct horse");
  cluster_.vk8s.spec.kubeflow->password_secret = "mine";
  EXPECT_EQ(find(), "correct horse");
}

TEST_F(FirstUsersTest, SayWhatIsWrongAndLookAgainSoon) {
  cluster_.vk8s.spec.kubeflow->password_secret = "mine";
  EXPECT_EQ(
      find(),
      "trouble: spec.kubeflow.passwordSecretRef.name \"mine\": there is no such Secret in this "
      "namespace; create it with the key password, or remove the field, and a password is "
      "generated");
  put("mine", "pass", "correct horse");
  pass(std::chrono::seconds(11));
  EXPECT_THAT(find(), HasSubstr("\"mine\": the Secret has no key password: add it"));
  put("mine", "password", "correct\nhorse");
  pass(std::chrono::seconds(11));
  EXPECT_THAT(find(), HasSubstr("write another one into the Secret's key password"));
  EXPECT_THAT(find(), Not(HasSubstr("horse")));
  put("mine", "password", "correct horse\n");
  pass(std::chrono::seconds(11));
  EXPECT_EQ(find(), "correct horse") << "the line break of the file it was made from";
}

TEST_F(FirstUsersTest, TakeNoSecretOfOthersForTheGeneratedOne) {
  put("demo-kubeflow-password", "other", "x");
  EXPECT_EQ(find(),
            "trouble: Secret demo-kubeflow-password is there and not of this cluster: name it in "
            "spec.kubeflow.passwordSecretRef.name, or delete it");
}

TEST_F(FirstUsersTest, KnowNothingOfAnEarlierClusterOfThatName) {
  cluster_.vk8s.spec.kubeflow->password_secret = "mine";
  put("mine", "password", "correct horse");
  EXPECT_EQ(find(), "correct horse");
  put("mine", "password", "battery staple");
  cluster_.vk8s.metadata.uid = "another";
  EXPECT_EQ(find(), "battery staple");
}

TEST_F(FirstUsersTest, AFailedReadChangesNothingThatIsKnown) {
  cluster_.vk8s.spec.kubeflow->password_secret = "mine";
  put("mine", "password", "correct horse");
  fail_reads(1);
  EXPECT_EQ(find(), "away");
  EXPECT_EQ(find(), "correct horse");
  pass(std::chrono::minutes(6));
  fail_reads(1);
  EXPECT_EQ(find(), "correct horse");
  pass(std::chrono::seconds(11));
  remove("mine");
  EXPECT_THAT(find(), HasSubstr("there is no such Secret"));
}

}  // namespace
}  // namespace vk8s::controller
