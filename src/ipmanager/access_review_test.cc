#include "ipmanager/access_review.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "ipmanager/fake_reviews.h"

namespace vk8s::ipmanager {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
namespace resources = kube::resources;

class AccessReviewTest : public ::testing::Test {
 protected:
  std::shared_ptr<std::optional<Status>> ask(std::string_view authorization,
                                             std::string_view verb = "list") {
    auto answer = std::make_shared<std::optional<Status>>();
    access_.check(authorization, verb, [answer](Status status) {
      EXPECT_FALSE(answer->has_value()) << "answered twice";
      *answer = std::move(status);
    });
    return answer;
  }
  // "allowed", or the code and the message.
  std::string check(std::string_view authorization, std::string_view verb = "list") {
    const auto answer = ask(authorization, verb);
    timers_.advance(std::chrono::nanoseconds(0));
    if (!*answer) {
      return "(no answer)";
    }
    return **answer ? std::string("allowed")
                    : fmt::format("{}: {}", to_string((*answer)->error().code()),
                                  (*answer)->error().message());
  }
  std::size_t asked(const kube::Resource& resource) const {
    std::size_t out = 0;
    for (const kube::FakeRequest& request : server_.requests()) {
      out += request.resource == resource ? 1 : 0;
    }
    return out;
  }

  base::FakeTimers timers_;
  kube::FakeClient server_{timers_};
  testing::FakeReviews reviews_{server_};
  AccessReview access_{timers_, server_, {.most_kept = 3}, Log::silent()};
};

TEST_F(AccessReviewTest, AsksForTokenAndRight) {
  EXPECT_EQ(check("Bearer token-of-admin", "delete"), "allowed");
  EXPECT_EQ(check("bearer  token-of-admin ", "update"), "allowed");
  EXPECT_EQ(check("Bearer token-of-reader", "delete"),
            "forbidden: user \"reader\" may not delete ipallocations.vk8s.sktelecom.com");
  const Json& token = server_.requests()[0].body;
  EXPECT_EQ(base::get_string(token, "spec.audiences.0"), "vk8s-ip-manager");
  const Json& right = server_.requests()[1].body;
  EXPECT_EQ(base::get_string(right, "spec.user"), "admin");
  EXPECT_EQ(base::get_string(right, "spec.groups.0"), "system:authenticated");
}

TEST_F(AccessReviewTest, RefusesWhatIsNoTokenWithoutAsking) {
  for (const std::string& header :
       {std::string(), std::string("Bearer"), std::string("Bearer "), std::string("Basic YTpi"),
        std::string("Bearer a b"), std::string("Bearer \"a\""),
        "Bearer " + std::string(9000, 'a')}) {
    EXPECT_THAT(check(header), HasSubstr("unauthorized: a bearer token is needed")) << header;
  }
  EXPECT_TRUE(server_.requests().empty());
}

TEST_F(AccessReviewTest, RefusesATokenForSomebodyElse) {
  reviews_.audience = "https://kubernetes.default.svc";
  EXPECT_THAT(check("Bearer token-of-admin"), HasSubstr("unauthorized: the token"));
  reviews_.audience = "";
  EXPECT_THAT(check("Bearer token-of-admin"), HasSubstr("unauthorized: the token"));
}

TEST_F(AccessReviewTest, TakesTheApiServersOwnTokensWhereNoAudienceIsSet) {
  reviews_.audience = "https://kubernetes.default.svc";
  AccessReview open(timers_, server_, {.audience = ""}, Log::silent());
  std::optional<Status> answer;
  open.check("Bearer token-of-admin", "list", [&](Status status) { answer = std::move(status); });
  timers_.advance(std::chrono::nanoseconds(0));
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer) << answer->error().message();
  EXPECT_EQ(base::find(server_.requests()[0].body, "spec.audiences"), nullptr);
}

TEST_F(AccessReviewTest, KeepsAnAcceptedTokenForAMinute) {
  EXPECT_EQ(check("Bearer token-of-admin"), "allowed");
  reviews_.users.clear();
  timers_.advance(seconds(59));
  EXPECT_EQ(check("Bearer token-of-admin"), "allowed");
  EXPECT_EQ(asked(resources::kTokenReview), 1U);
  timers_.advance(seconds(1));
  EXPECT_THAT(check("Bearer token-of-admin"), HasSubstr("unauthorized"));
}

TEST_F(AccessReviewTest, KeepsARightsAnswerForTenSeconds) {
  EXPECT_THAT(check("Bearer token-of-reader", "create"), HasSubstr("forbidden"));
  EXPECT_EQ(check("Bearer token-of-reader", "list"), "allowed");
  reviews_.rights = {"reader create"};
  timers_.advance(seconds(9));
  EXPECT_THAT(check("Bearer token-of-reader", "create"), HasSubstr("forbidden"));
  EXPECT_EQ(check("Bearer token-of-reader", "list"), "allowed");
  timers_.advance(seconds(1));
  EXPECT_EQ(check("Bearer token-of-reader", "create"), "allowed");
  EXPECT_THAT(check("Bearer token-of-reader", "list"), HasSubstr("forbidden"));
  EXPECT_EQ(asked(resources::kTokenReview), 1U);
}

TEST_F(AccessReviewTest, KeepsNoFailureAndNoRefusedToken) {
  server_.fail_next("create", resources::kTokenReview, Error(Errc::kTimeout, "slow"));
  EXPECT_THAT(check("Bearer token-of-admin"), HasSubstr("unavailable: the API server"));
  server_.fail_next("create", resources::kSubjectAccessReview, Error(Errc::kForbidden, "rbac"));
  EXPECT_THAT(check("Bearer token-of-admin"), HasSubstr("unavailable: the API server"));
  EXPECT_EQ(check("Bearer token-of-admin"), "allowed");
  EXPECT_THAT(check("Bearer token-of-nobody"), HasSubstr("unauthorized"));
  reviews_.users["token-of-nobody"] = "admin";
  EXPECT_EQ(check("Bearer token-of-nobody"), "allowed");
}

TEST_F(AccessReviewTest, AsksOnceForManyAtATime) {
  std::vector<std::shared_ptr<std::optional<Status>>> answers;
  for (int i = 0; i < 5; ++i) {
    answers.push_back(ask("Bearer token-of-admin"));
  }
  timers_.advance(std::chrono::nanoseconds(0));
  for (const auto& answer : answers) {
    ASSERT_TRUE(*answer);
    EXPECT_TRUE(**answer);
  }
  EXPECT_EQ(server_.requests().size(), 2U);
}

TEST_F(AccessReviewTest, KeepsSoManyAtMost) {
  for (const char* user : {"a", "b", "c", "d"}) {
    reviews_.users[std::string("token-of-") + user] = user;
    reviews_.rights.insert(std::string(user) + " list");
    EXPECT_EQ(check(std::string("Bearer token-of-") + user), "allowed");
    timers_.advance(seconds(1));
  }
  EXPECT_EQ(check("Bearer token-of-d"), "allowed");
  EXPECT_EQ(asked(resources::kTokenReview), 4U);
  EXPECT_EQ(check("Bearer token-of-a"), "allowed");
  EXPECT_EQ(asked(resources::kTokenReview), 5U) << "the oldest is still kept";
}

}  // namespace
}  // namespace vk8s::ipmanager
