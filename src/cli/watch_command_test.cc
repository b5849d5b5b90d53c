#include <csignal>

#include "cli/progress_view.h"
#include "cli/test_fixture.h"

namespace vk8s::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(CliTest, WatchPrintsOnlyWhatChangesAndEndsWhenRunning) {
  put_cluster(cluster_in_phase("team-a", "Installing"));
  put_while_watching(
      {cluster_in_phase("team-a", "Installing"), cluster_in_phase("team-a", "Running")});
  const Outcome outcome = run({"watch", "team-a"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  const std::string first = "team-a-worker-1: Starting 40% starting kubelet\n";
  EXPECT_THAT(outcome.out, HasSubstr(first));
  EXPECT_EQ(outcome.out.find(first), outcome.out.rfind(first));
  EXPECT_THAT(outcome.out, HasSubstr("team-a: Running 2/2\n"));
  EXPECT_THAT(outcome.out, HasSubstr(" s] "));
  EXPECT_THAT(outcome.out, Not(HasSubstr("\x1b")));
}

TEST_F(CliTest, WatchDoesNotTakeAnOldStatusForTheNewSpecs) {
  Json stale = cluster_in_phase("team-a", "Running");
  stale.at("metadata").as_object()["generation"] = 2;
  put_cluster(stale);
  EXPECT_EQ(run({"watch", "team-a", "--timeout", "0.02"}).code, kExitTimeout);
}

TEST_F(CliTest, WatchDrawsOnePictureOnATerminalAndGivesItBack) {
  around_.output_size = [] { return TerminalSize{80, 24}; };
  put_cluster(cluster_in_phase("team-a", "Installing"));
  put_while_watching({cluster_in_phase("team-a", "Running")});
  const Outcome outcome = run({"watch", "team-a"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, ::testing::StartsWith("\x1b[?25l\r"));
  EXPECT_THAT(outcome.out, HasSubstr("\x1b[3A\r"));
  EXPECT_THAT(outcome.out, HasSubstr("[########............]  40%"));
  EXPECT_THAT(outcome.out, ::testing::EndsWith("\x1b[?25h"));
}

TEST_F(CliTest, WatchFollowsUntilTheClusterIsGone) {
  put_cluster(cluster_in_phase("team-a", "Running"));
  kube::Call removal;
  host_.set_hook([&](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb == "watch") {
      around_.loop.post([&] {
        removal = host_.remove(kube::resources::kVk8s, {"research", "team-a"}, {},
                               [](const Result<Json>&) {});
      });
    }
    return std::nullopt;
  });
  const Outcome outcome = run({"watch", "team-a", "--follow"});
  EXPECT_EQ(outcome.code, kExitNotFound);
  EXPECT_THAT(outcome.err, HasSubstr("has been deleted"));
}

TEST_F(CliTest, WatchGivesTheTerminalBackWhenInterrupted) {
  around_.output_size = [] { return TerminalSize{80, 24}; };
  put_cluster(cluster_in_phase("team-a", "Running"));
  host_.set_hook([this](const kube::FakeRequest& request) -> std::optional<Error> {
    if (request.verb == "watch") {
      around_.loop.post([] { ::raise(SIGINT); });
    }
    return std::nullopt;
  });
  const Outcome followed = run({"watch", "team-a", "--follow"});
  EXPECT_EQ(followed.code, kExitOk) << followed.err;
  EXPECT_THAT(followed.out, ::testing::EndsWith("\x1b[?25h"));
  put_cluster(cluster_in_phase("team-a", "Installing"));
  EXPECT_EQ(run({"watch", "team-a"}).code, kExitFailed);
}

TEST_F(CliTest, WatchEndsWithTheReasonOfAFailure) {
  put_cluster(cluster_in_phase("team-a", "Fail", "node name taken"));
  const Outcome outcome = run({"watch", "team-a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("node name taken"));
}

TEST_F(CliTest, WatchNeedsACluster) { EXPECT_EQ(run({"watch", "team-a"}).code, kExitNotFound); }

ClusterView small_cluster() {
  return view_of(cluster_in_phase("a", "Installing", "waits for a \xe2\x82\xac image"));
}

TEST(LiveLines, FitIntoTheTerminal) {
  for (const std::size_t columns : {1U, 10U, 30U, 200U}) {
    for (const std::string& line :
         live_lines(small_cluster(), std::chrono::seconds(12), {columns, 24})) {
      EXPECT_LE(line.size(), columns + 2);  // one character of three bytes
    }
  }
  EXPECT_EQ(live_lines(small_cluster(), std::chrono::seconds(12), {40, 24})[1],
            "  a-master-1  master  Ready     100%");
  const auto lines = live_lines(small_cluster(), std::chrono::seconds(12), {200, 24});
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_THAT(lines[0], HasSubstr("1/2 nodes ready  12 s"));
  EXPECT_EQ(lines[1], "  a-master-1  master  Ready     [####################] 100%");
}

TEST(LiveLines, LeaveReadyNodesOutWhereTheTerminalIsLow) {
  ClusterView cluster = small_cluster();
  cluster.nodes.insert(cluster.nodes.begin(), 60, cluster.nodes[0]);
  const auto lines = live_lines(cluster, std::chrono::seconds(1), {80, 10});
  EXPECT_LT(lines.size(), 10U);
  EXPECT_THAT(lines[1], HasSubstr("a-worker-1"));
  EXPECT_EQ(lines[lines.size() - 2], "  and 56 more");
}

TEST(ChangedLines, TellEachStateOnce) {
  std::map<std::string, std::string> told;
  EXPECT_THAT(changed_lines(small_cluster(), told),
              ElementsAre("a-master-1: Ready 100%", "a-worker-1: Starting 40% starting kubelet",
                          "a: Installing 1/2"));
  EXPECT_THAT(changed_lines(small_cluster(), told), IsEmpty());
}

TEST(ClusterView, ShowsNodesThatNobodyHasSpokenOfYet) {
  const ClusterView view = view_of(cluster_object("a"));
  ASSERT_EQ(view.nodes.size(), 2U);
  EXPECT_EQ(view.nodes[1].phase, "Waiting");
  EXPECT_EQ(view.ready_nodes, "0/2");
  EXPECT_EQ(view.master(), "a-master-1");
}

TEST(ClusterView, SurvivesAnyJson) {
  for (const char* text : {"null", "[]", "{\"spec\":3,\"status\":[]}",
                           "{\"spec\":{\"nodes\":[1,null]},\"status\":{\"nodes\":[{}]}}"}) {
    EXPECT_FALSE(view_of(*base::parse_json(text)).phase.empty());
  }
}

TEST(Age, IsWrittenAsKubectlDoes) {
  const auto now = *base::parse_time("2026-05-01T00:00:00Z");
  EXPECT_EQ(age_text("2026-04-30T23:59:55Z", now), "5s");
  EXPECT_EQ(age_text("2026-04-30T23:56:50Z", now), "3m10s");
  EXPECT_EQ(age_text("2026-04-30T23:00:00Z", now), "60m");
  EXPECT_EQ(age_text("2026-04-30T10:00:00Z", now), "14h");
  EXPECT_EQ(age_text("2026-04-20T00:00:00Z", now), "11d");
  EXPECT_EQ(age_text("2026-06-01T00:00:00Z", now), "0s");
  EXPECT_EQ(age_text("", now), "-");
}

}  // namespace
}  // namespace vk8s::cli
