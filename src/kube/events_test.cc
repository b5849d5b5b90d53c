#include "kube/events.h"

#include <gtest/gtest.h>

namespace vk8s::kube {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using Kind = EventAggregator::Decision::Kind;

class EventAggregatorTest : public ::testing::Test {
 protected:
  EventAggregator::Decision say(const std::string& message, const std::string& uid = "u") {
    const EventAggregator::Event event{
        {resources::kPod, {"ns", "pod"}, uid}, EventType::kWarning, "Failed", message};
    const auto decision = aggregator_.decide(event, now_);
    if (decision.kind == Kind::kCreate) {
      aggregator_.remember(event, decision.message, {"ns", "event-" + std::to_string(++created_)});
    }
    return decision;
  }

  EventAggregator aggregator_;
  EventAggregator::TimePoint now_{};
  int created_ = 0;
};

TEST_F(EventAggregatorTest, CountsARepeatedEvent) {
  EXPECT_EQ(say("no image").kind, Kind::kCreate);
  const auto again = say("no image");
  EXPECT_EQ(again.kind, Kind::kCount);
  EXPECT_EQ(again.event.name, "event-1");
  EXPECT_EQ(again.count, 2);
  EXPECT_EQ(say("no image", "another").kind, Kind::kCreate);
}

TEST_F(EventAggregatorTest, BeginsAnewAfterAQuietWhile) {
  say("no image");
  now_ += minutes(11);
  EXPECT_EQ(say("no image").kind, Kind::kCreate);
}

TEST_F(EventAggregatorTest, CombinesManySimilarOnes) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(say("attempt " + std::to_string(i)).message, "attempt " + std::to_string(i));
  }
  EXPECT_EQ(say("attempt 10").message, "(combined from similar events): attempt 10");
  const auto combined = say("attempt 11");
  EXPECT_EQ(combined.kind, Kind::kCount);
  EXPECT_EQ(combined.event.name, "event-11");
}

TEST_F(EventAggregatorTest, SilencesWhatSaysTooMuchForAWhile) {
  for (int i = 0; i < 25; ++i) {
    say("no image");
  }
  EXPECT_EQ(say("no image").kind, Kind::kDrop);
  EXPECT_EQ(say("no image", "another").kind, Kind::kCreate);
  now_ += seconds(301);
  EXPECT_EQ(say("no image").kind, Kind::kCount);
}

TEST_F(EventAggregatorTest, ForgetsTheOldestOfTooManyObjects) {
  say("no image", "first");
  for (int i = 0; i < 5000; ++i) {
    say("no image", std::to_string(i));
  }
  EXPECT_EQ(say("no image", "first").kind, Kind::kCreate);
  EXPECT_EQ(say("no image", "4999").kind, Kind::kCount);
}

}  // namespace
}  // namespace vk8s::kube
