#include "addons/kind_resolver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "addons/fake_site.h"

namespace vk8s::addons {
namespace {

using ::testing::HasSubstr;
using testing::object_of;

const ObjectId kThingId{"example.org", "Thing", "demo", "thing"};

class KindResolverTest : public ::testing::Test {
 protected:
  KindResolverTest() {
    client_.set_raw([this](const kube::RawRequest& request) -> std::optional<kube::RawResponse> {
      asked_.push_back(request.path);
      const auto found = answers_.find(request.path);
      return found == answers_.end() ? std::nullopt : std::optional(found->second);
    });
  }
  void serve(const std::string& path, const std::string& body) {
    answers_[path] = {.status = 200, .body = body};
  }
  KindResolver::Done take() {
    return [this](Result<kube::Resource> resource) { results_.push_back(std::move(resource)); };
  }
  void settle() { timers_.advance(std::chrono::nanoseconds(0)); }

  base::FakeTimers timers_;
  kube::FakeClient client_{timers_};
  KindResolver resolver_{client_};
  std::map<std::string, kube::RawResponse> answers_;
  std::vector<std::string> asked_;
  std::vector<Result<kube::Resource>> results_;
};

TEST_F(KindResolverTest, AsksOnceForAllWhoWaitAndRemembers) {
  serve("/apis/example.org/v1",
        R"({"resources": [{"name": "things", "kind": "Thing", "namespaced": true},
                          {"name": "things/status", "kind": "Thing", "namespaced": true},
                          {"name": "wholes", "kind": "Whole", "namespaced": false}]})");
  resolver_.resolve(kThingId, "v1", take());
  resolver_.resolve({"example.org", "Whole", "", "w"}, "v1", take());
  settle();
  resolver_.resolve(kThingId, "v1", take());
  ASSERT_EQ(results_.size(), 3U);
  EXPECT_EQ(results_[0].value(), (kube::Resource{"example.org", "v1", "things", "Thing", true}));
  EXPECT_EQ(results_[1].value(), (kube::Resource{"example.org", "v1", "wholes", "Whole", false}));
  EXPECT_EQ(results_[2].value(), *results_[0]);
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(KindResolverTest, AsksAgainForWhatWasNotServed) {
  resolver_.resolve(kThingId, "v1", take());
  settle();
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].error().code(), Errc::kNotFound);
  EXPECT_THAT(results_[0].error().message(), HasSubstr("does not serve example.org/v1 Thing"));
  serve("/apis/example.org/v1", R"({"resources": [{"name": "things", "kind": "Thing"}]})");
  resolver_.resolve(kThingId, "v1", take());
  settle();
  ASSERT_EQ(results_.size(), 2U);
  EXPECT_TRUE(results_[1]);
}

TEST_F(KindResolverTest, FindsTheVersionThatTookTheOldOnesPlace) {
  serve("/apis/example.org", R"({"preferredVersion": {"version": "v2"}})");
  serve("/apis/example.org/v2", R"({"resources": [{"name": "things", "kind": "Thing"}]})");
  resolver_.resolve_any(kThingId, "v1", take());
  settle();
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].value().version, "v2");
}

TEST_F(KindResolverTest, KnowsKubernetesOwnKindsAndAsksForNoBadPath) {
  resolver_.resolve({"apps", "Deployment", "a", "b"}, "v1", take());
  resolver_.resolve({"../x", "Thing", "", "b"}, "v1", take());
  ASSERT_EQ(results_.size(), 2U);
  EXPECT_EQ(results_[0].value(), kube::resources::kDeployment);
  EXPECT_EQ(results_[1].error().code(), Errc::kNotFound);
  EXPECT_TRUE(asked_.empty());
}

TEST_F(KindResolverTest, TellsAServerThatIsAwayFromAKindThatIsNotServed) {
  answers_["/apis/example.org/v1"] = {.status = 503, .body = ""};
  resolver_.resolve_any(kThingId, "v1", take());
  settle();
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_NE(results_[0].error().code(), Errc::kNotFound);
  EXPECT_TRUE(results_[0].error().is_retryable());
}

TEST(ParseResourceList, PassesOverWhatIsNoKind) {
  const auto kinds = parse_resource_list({"example.org", "v1"}, object_of(R"(
resources:
- {name: "../secrets", kind: Evil}
- {name: things}
- 5
- {name: things, kind: Thing}
)"));
  ASSERT_EQ(kinds.size(), 1U);
  EXPECT_EQ(kinds.at("Thing").plural, "things");
}

}  // namespace
}  // namespace vk8s::addons
