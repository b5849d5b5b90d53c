#include "kube/informer.h"

#include <gtest/gtest.h>

#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::kube {
namespace {

using std::chrono::seconds;
using Events = std::vector<std::string>;

Json pod(const std::string& name, const std::string& phase) {
  return JsonObject{
      {"metadata",
       JsonObject{{"name", name},
                  {"namespace", "ns"},
                  {"labels", JsonObject{{"example.com/cluster", name.substr(0, 1)}}},
                  {"annotations", JsonObject{{"large", "text"}}},
                  {"ownerReferences", JsonArray{JsonObject{{"uid", "owner-" + phase}}}}}},
      {"spec", JsonObject{{"nodeName", "n"}}},
      {"status", JsonObject{{"phase", phase}}}};
}

class InformerTest : public ::testing::Test {
 protected:
  void make(InformerOptions options, const Log& log = Log::silent()) {
    options.resource = resources::kPod;
    informer_.emplace(timers_, client_, std::move(options), log);
    informer_->add_handlers(
        {.on_added = [this](const ObjectPtr& o) { note("+", *o); },
         .on_updated = [this](const ObjectPtr&, const ObjectPtr& o) { note("~", *o); },
         .on_deleted = [this](const ObjectPtr& o) { note("-", *o); }});
    informer_->start();
  }
  void note(const char* what, const Json& object) {
    events_.push_back(what + std::string(*base::get_string(object, "metadata.name")));
  }
  void run(std::chrono::nanoseconds time = {}) { timers_.advance(time); }
  Events take_events() { return std::exchange(events_, {}); }
  static int count_in(const std::string& text, const std::string& words) {
    int number = 0;
    for (std::size_t at = text.find(words); at != std::string::npos;
         at = text.find(words, at + 1)) {
      ++number;
    }
    return number;
  }
  int count(const std::string& verb) {
    int number = 0;
    for (const FakeRequest& request : client_.requests()) {
      number += request.verb == verb ? 1 : 0;
    }
    return number;
  }

  base::FakeTimers timers_;
  FakeClient client_{timers_};
  std::optional<Informer> informer_;
  Events events_;
};

TEST_F(InformerTest, ListsThenFollows) {
  client_.put(resources::kPod, pod("a", "Pending"));
  make({});
  EXPECT_FALSE(informer_->has_synced());
  bool synced = false;
  informer_->when_synced([&] { synced = true; });
  run();
  EXPECT_TRUE(informer_->has_synced());
  EXPECT_TRUE(synced);
  client_.put(resources::kPod, pod("b", "Pending"));
  client_.put(resources::kPod, pod("a", "Running"));
  run();
  const Call removed = client_.remove(resources::kPod, {"ns", "b"}, {}, [](const auto&) {});
  run();
  EXPECT_EQ(take_events(), (Events{"+a", "+b", "~a", "-b"}));
  EXPECT_EQ(base::get_string(*informer_->store().get({"ns", "a"}), "status.phase"), "Running");
  EXPECT_EQ(informer_->store().get({"ns", "b"}), nullptr);
}

TEST_F(InformerTest, ListsInPages) {
  for (int i = 0; i < 25; ++i) {
    client_.put(resources::kPod, pod(fmt::format("p{:02}", i), "Pending"));
  }
  make({.page_size = 10});
  run();
  EXPECT_EQ(informer_->store().size(), 25U);
  EXPECT_EQ(count("list"), 3);
}

TEST_F(InformerTest, ResumesFromLastResourceVersionAfterDisconnect) {
  make({});
  run();
  client_.put(resources::kPod, pod("a", "Pending"));
  run();
  client_.end_watches(fail(Errc::kUnavailable, "connection reset"));
  client_.put(resources::kPod, pod("b", "Pending"));
  run(seconds(1));
  EXPECT_EQ(take_events(), (Events{"+a", "+b"}));
  EXPECT_EQ(count("list"), 1);
}

TEST_F(InformerTest, ResumesFromABookmarkThatIsNewerThanItsEvents) {
  make({});
  run();
  client_.put(resources::kPod, pod("a", "Pending"));
  run();
  client_.put(resources::kSecret, pod("other", ""));
  client_.send_bookmarks();
  run();
  client_.end_watches({});
  run(seconds(1));
  EXPECT_EQ(count("list"), 1);
  EXPECT_EQ(client_.running_watches(), 1);
}

TEST_F(InformerTest, ListsAgainWhenItsVersionIsGoneAndTellsTheDifference) {
  client_.put(resources::kPod, pod("a", "Pending"));
  client_.put(resources::kPod, pod("b", "Pending"));
  client_.put(resources::kPod, pod("same", "Pending"));
  make({});
  run();
  take_events();
  client_.end_watches(fail(Errc::kGone, "too old resource version"));
  const Call removed = client_.remove(resources::kPod, {"ns", "a"}, {}, [](const auto&) {});
  client_.put(resources::kPod, pod("b", "Running"));
  client_.put(resources::kPod, pod("c", "Pending"));
  client_.forget_history();
  run(seconds(2));
  EXPECT_EQ(take_events(), (Events{"-a", "~b", "+c"}));
  EXPECT_EQ(count("list"), 2);
}

TEST_F(InformerTest, BacksOffWhileTheServerIsAway) {
  client_.fail_next("list", resources::kPod, Error(Errc::kUnavailable, "refused"), 1000);
  make({});
  run(seconds(60));
  EXPECT_GE(count("list"), 8);
  EXPECT_LE(count("list"), 14);
}

TEST_F(InformerTest, TellsOfATroubleThatStaysOnce) {
  ::testing::internal::CaptureStderr();
  client_.fail_next("list", resources::kPod, Error(Errc::kNotFound, "no such kind"), 3);
  make({}, Log::to_stderr("test"));
  run(seconds(20));
  client_.fail_next("watch", resources::kPod, Error(Errc::kGone, "too old"));
  client_.fail_next("list", resources::kPod, Error(Errc::kNotFound, "no such kind"), 2);
  client_.end_watches(fail(Errc::kGone, "too old"));
  run(seconds(20));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_in(log, "no such kind"), 2) << "once, and once again after it was well: " << log;
  EXPECT_TRUE(informer_->has_synced());
}

// As with a right to list and none to watch.
TEST_F(InformerTest, TellsOnceOfWatchesThatFailWhereListsDoNot) {
  ::testing::internal::CaptureStderr();
  client_.fail_next("watch", resources::kPod, Error(Errc::kForbidden, "may not watch"), 5);
  make({}, Log::to_stderr("test"));
  run(seconds(60));
  EXPECT_GE(count("list"), 5);
  client_.put(resources::kPod, pod("a", "Pending"));
  run();
  EXPECT_EQ(take_events(), Events{"+a"});
  client_.fail_next("watch", resources::kPod, Error(Errc::kForbidden, "may not watch"), 2);
  client_.end_watches({});
  run(seconds(60));
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(count_in(log, "may not watch"), 2) << "once, and once again after it was well: " << log;
}

TEST_F(InformerTest, DoesNotSpinWhenTheServerEndsEveryWatchAtOnce) {
  make({});
  run();
  for (int i = 0; i < 6000; ++i) {
    client_.end_watches({});
    run(std::chrono::milliseconds(10));
  }
  EXPECT_LE(count("watch") + count("list"), 30);
}

TEST_F(InformerTest, ListsAgainWhenAVersionCannotBeWatchedForLong) {
  make({});
  run();
  client_.fail_next("watch", resources::kPod, Error(Errc::kTimeout, "too large version"), 100);
  client_.end_watches({});
  run(seconds(60));
  EXPECT_GE(count("list"), 2);
}

TEST_F(InformerTest, KeepsOnlyProjectedFields) {
  make({.projection = keep_fields({"status.phase"})});
  client_.put(resources::kPod, pod("a", "Running"));
  run();
  const ObjectPtr object = informer_->store().get({"ns", "a"});
  ASSERT_TRUE(object);
  EXPECT_EQ(base::get_string(*object, "status.phase"), "Running");
  EXPECT_NE(base::find(*object, "metadata.uid"), nullptr);
  EXPECT_EQ(base::find(*object, "spec"), nullptr);
  EXPECT_EQ(base::find(*object, "metadata.annotations"), nullptr);
}

TEST_F(InformerTest, FindsByLabelAndOwner) {
  make({.indexes = {{"cluster", index_by_label("example.com/cluster")},
                    {"owner", index_by_owner()}}});
  client_.put(resources::kPod, pod("a1", "1"));
  client_.put(resources::kPod, pod("a2", "1"));
  client_.put(resources::kPod, pod("b1", "1"));
  run();
  const Store& store = informer_->store();
  EXPECT_EQ(store.find("cluster", "a").size(), 2U);
  EXPECT_EQ(store.find("owner", "owner-1").size(), 3U);
  client_.put(resources::kPod, pod("a2", "2"));
  run();
  EXPECT_EQ(store.find("owner", "owner-1").size(), 2U);
  EXPECT_EQ(store.find("owner", "owner-2").size(), 1U);
  EXPECT_TRUE(store.find("nothing", "a").empty());
}

TEST_F(InformerTest, TellsEverythingAgainOnResync) {
  client_.put(resources::kPod, pod("a", "Pending"));
  make({.resync = seconds(30)});
  run(seconds(31));
  EXPECT_EQ(take_events(), (Events{"+a", "~a"}));
}

TEST_F(InformerTest, IsSilentAfterStopEvenFromAHandler) {
  client_.put(resources::kPod, pod("a", "Pending"));
  client_.put(resources::kPod, pod("b", "Pending"));
  make({});
  informer_->add_handlers({.on_added = [this](const ObjectPtr&) { informer_->stop(); },
                           .on_updated = {},
                           .on_deleted = {}});
  run();
  client_.put(resources::kPod, pod("c", "Pending"));
  run(seconds(100));
  EXPECT_EQ(take_events(), (Events{"+a"}));
}

}  // namespace
}  // namespace vk8s::kube
