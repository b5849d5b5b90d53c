#include "cli/completion.h"

#include "cli/reference.h"
#include "cli/test_fixture.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST_F(CliTest, CompletesVerbs) {
  EXPECT_EQ(run({"__complete", "wat"}).out,
            "watch\tShow what each node is doing, until the cluster is Running\n:4\n");
  EXPECT_THAT(run({"__complete", ""}).out, HasSubstr("create\t"));
  EXPECT_THAT(run({"__complete", ""}).out, Not(HasSubstr("reference")));
  EXPECT_THAT(run({"__complete", "host", "u"}).out, StartsWith("up\t"));
}

TEST_F(CliTest, CompletesOptionsAndTheirValues) {
  EXPECT_THAT(run({"__complete", "logs", "team-a", "--comp"}).out, StartsWith("--component\t"));
  EXPECT_THAT(run({"__complete", "logs", "team-a", "--component", "kube-a"}).out,
              StartsWith("kube-apiserver\n"));
  EXPECT_EQ(run({"__complete", "list", "-o", "j"}).out, "json\n:4\n");
  EXPECT_THAT(run({"__complete", "create", "x", "--version", "1.37"}).out, StartsWith("1.37\t"));
  EXPECT_EQ(run({"__complete", "completion", "z"}).out, "zsh\n:4\n");
}

TEST_F(CliTest, CompletesTheNamesOfClustersAndNamespaces) {
  put_cluster(cluster_in_phase("team-a", "Running"));
  put_cluster(cluster_object("other-team", "other"));
  host_.put(kube::resources::kNamespace, {{"metadata", {{"name", "research"}}}});
  EXPECT_EQ(run({"__complete", "get", ""}).out, "team-a\tRunning\n:4\n");
  EXPECT_EQ(run({"__complete", "get", "-n", "other", ""}).out, "other-team\tWaiting\n:4\n");
  EXPECT_EQ(run({"__complete", "get", "--namespace=other", "x"}).out, ":4\n");
  EXPECT_EQ(run({"__complete", "get", "-n", "re"}).out, "research\n:4\n");
  // The name of a new cluster cannot be known, and one name is enough.
  EXPECT_EQ(run({"__complete", "create", ""}).out, ":4\n");
  EXPECT_EQ(run({"__complete", "get", "team-a", ""}).out, ":4\n");
}

TEST_F(CliTest, CompletesNothingWhereTheHostIsAway) {
  around_.variables.erase("KUBECONFIG");
  const Outcome outcome = run({"__complete", "get", ""});
  EXPECT_EQ(outcome.code, kExitOk);
  EXPECT_EQ(outcome.out, ":4\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(CliTest, PrintsCompletionScripts) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Outcome outcome = run({"completion", shell});
    EXPECT_EQ(outcome.code, kExitOk);
    EXPECT_THAT(outcome.out, HasSubstr("kubectl-vk8s __complete"));
    EXPECT_THAT(outcome.out, HasSubstr("kubectl_complete-vk8s"));
  }
  EXPECT_EQ(run({"completion", "csh"}).code, kExitUsage);
}

TEST_F(CliTest, ReferenceNamesEveryVerbAndOption) {
  const std::string text = run({"reference"}).out;
  for (const char* part : {"## create\n", "## host up\n", "| `-A`, `--all-namespaces` |",
                           "kubectl vk8s doctor [NAME] [OPTIONS]", "| 5 | timeout |"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("## reference")));
}

TEST_F(CliTest, ReferenceIsWhatIsCommitted) {
  const auto committed = sys::read_file(std::string(VK8S_SOURCE_DIR) + "/docs/cli.md");
  if (!committed) {
    GTEST_SKIP() << committed.error().message();
  }
  EXPECT_EQ(*committed, run({"reference"}).out)
      << "docs/cli.md is old: kubectl-vk8s reference > docs/cli.md";
}

}  // namespace
}  // namespace vk8s::cli
