#include "controller/patient_inner_clusters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

namespace vk8s::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using Clock = std::chrono::steady_clock;

const kube::ObjectKey kGood{"team-a", "good"};

kube::ObjectKey slow_one(int number) { return {"team-b", "slow-" + std::to_string(number)}; }

// Answers after the time that a test sets; the clock is the test's.
class SlowInnerClusters final : public InnerClusters {
 public:
  bool has_identity(const kube::ObjectKey&) const override { return true; }
  Status adopt(const Cluster&) override { return {}; }
  void forget(const kube::ObjectKey&) override {}
  std::vector<Result<Json>> run(const kube::ObjectKey& cluster,
                                std::vector<BatchClient::Request> requests) override {
    {
      const std::lock_guard lock(mutex_);
      asked_.push_back(cluster.name);
    }
    if (entered_ != nullptr && cluster != kGood) {
      std::exchange(entered_, nullptr)->set_value();
      leave_.wait();
    }
    now_ += cluster == kGood ? milliseconds(1) : delay_;
    if (cluster != kGood && times_out_) {
      return std::vector<Result<Json>>(requests.size(), fail(Errc::kTimeout, "no answer in 5 s"));
    }
    return std::vector<Result<Json>>(requests.size(), Json());
  }

  std::vector<std::string> take_asked() {
    const std::lock_guard lock(mutex_);
    return std::exchange(asked_, {});
  }

  Clock::time_point now_{};
  milliseconds delay_{5000};
  bool times_out_ = true;
  std::promise<void>* entered_ = nullptr;
  std::shared_future<void> leave_;

 private:
  std::mutex mutex_;
  // Guarded by mutex_.
  std::vector<std::string> asked_;
};

class PatientInnerClustersTest : public testing::Test {
 protected:
  static std::vector<BatchClient::Request> one_request() {
    return {get_request(kube::resources::kNode, {"", "n"})};
  }
  Result<Json> ask(const kube::ObjectKey& cluster) {
    auto results = patient_.run(cluster, one_request());
    EXPECT_EQ(results.size(), 1U);
    return std::move(results.front());
  }
  // How long it is not asked, to the second.
  seconds rest_of(const kube::ObjectKey& cluster) {
    inner_.take_asked();
    for (seconds rest(0); rest < seconds(1000); rest += seconds(1)) {
      ask(cluster);
      if (!inner_.take_asked().empty()) {
        return rest;
      }
      inner_.now_ += seconds(1);
    }
    return seconds(-1);
  }

  SlowInnerClusters inner_;
  PatientInnerClusters patient_{inner_, [this] { return inner_.now_; }};
};

TEST_F(PatientInnerClustersTest, LetsClustersThatAnswerAlone) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(ask(kGood));
  }
  EXPECT_THAT(inner_.take_asked(), ElementsAre("good", "good", "good"));
  EXPECT_TRUE(patient_.run(kGood, {}).empty());
}

TEST_F(PatientInnerClustersTest, AsksOneThatDidNotAnswerLessAndLessOften) {
  const auto failed = ask(slow_one(1));
  ASSERT_FALSE(failed);
  // At once, and in the same words: a status does not change with each look.
  const auto resting = ask(slow_one(1));
  ASSERT_FALSE(resting);
  EXPECT_EQ(resting.error().message(), failed.error().message());
  EXPECT_EQ(resting.error().code(), Errc::kUnavailable);
  EXPECT_THAT(inner_.take_asked(), ElementsAre("slow-1"));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(20));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(40));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(80));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(160));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(300));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(300));
  EXPECT_TRUE(ask(kGood)) << "the others are asked all the while";
}

TEST_F(PatientInnerClustersTest, TakesAnswersThatComeJustInTimeForWhatTheyAre) {
  inner_.times_out_ = false;
  inner_.delay_ = milliseconds(4900);
  EXPECT_TRUE(ask(slow_one(1)));
  const auto resting = ask(slow_one(1));
  ASSERT_FALSE(resting);
  EXPECT_THAT(resting.error().message(), testing::HasSubstr("answers too slowly"));
}

TEST_F(PatientInnerClustersTest, TrustsAClusterAgainThatAnswers) {
  ask(slow_one(1));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(20));
  inner_.delay_ = milliseconds(10);
  inner_.times_out_ = false;
  EXPECT_EQ(rest_of(slow_one(1)), seconds(40));
  EXPECT_TRUE(ask(slow_one(1)));
  EXPECT_TRUE(ask(slow_one(1)));
  inner_.delay_ = seconds(5);
  ask(slow_one(1));
  EXPECT_EQ(rest_of(slow_one(1)), seconds(20)) << "as if it were the first time";
}

TEST_F(PatientInnerClustersTest, ForgetsAClusterThatIsGone) {
  ask(slow_one(1));
  patient_.forget(slow_one(1));
  inner_.take_asked();
  ask(slow_one(1));
  EXPECT_THAT(inner_.take_asked(), ElementsAre("slow-1"));
}

// As many as there are workers.
TEST_F(PatientInnerClustersTest, FourSlowClustersHoldOneWorkerAtATime) {
  for (int i = 1; i <= 4; ++i) {
    ask(slow_one(i));
  }
  inner_.now_ += kMaxRest;
  inner_.take_asked();
  std::promise<void> entered;
  std::promise<void> leave;
  inner_.entered_ = &entered;
  inner_.leave_ = leave.get_future().share();
  std::thread worker([this] { ask(slow_one(1)); });
  entered.get_future().wait();
  for (int i = 2; i <= 4; ++i) {
    EXPECT_FALSE(ask(slow_one(i)));
  }
  EXPECT_TRUE(ask(kGood));
  leave.set_value();
  worker.join();
  EXPECT_THAT(inner_.take_asked(), ElementsAre("slow-1", "good"));
  ask(slow_one(2));
  EXPECT_THAT(inner_.take_asked(), ElementsAre("slow-2")) << "each has its turn";
}

}  // namespace
}  // namespace vk8s::controller
