#include "cli/run.h"

#include "base/json.h"
#include "cli/test_fixture.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(CliTest, PrintsItsVersionWithoutAHost) {
  around_.variables.erase("KUBECONFIG");
  const Outcome text = run({"version"});
  EXPECT_EQ(text.code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("kubectl-vk8s "));
  EXPECT_THAT(text.out, Not(HasSubstr("host")));
  const auto document = base::parse_json(run({"version", "--short", "-o", "json"}).out);
  ASSERT_TRUE(document);
  EXPECT_TRUE(base::get_string(*document, "version"));
  EXPECT_TRUE(base::get_string(*document, "kubernetes.0"));
}

TEST_F(CliTest, PrintsTheVersionsOfHostAndController) {
  host_.set_raw([](const kube::RawRequest&) {
    return kube::RawResponse{200, R"({"major":"1","minor":"37","gitVersion":"v1.37.2"})"};
  });
  host_.put(kube::resources::kDeployment,
            {{"metadata", {{"namespace", "vk8s-system"}, {"name", "vk8s-controller-manager"}}},
             {"spec",
              {{"template",
                {{"spec", {{"containers", JsonArray{JsonObject{{"image", "r/c:v0.1"}}}}}}}}}}});
  const Outcome text = run({"version"});
  EXPECT_THAT(text.out, HasSubstr("host v1.37.2\ncontroller r/c:v0.1\n"));
  host_.clear_requests();
  EXPECT_THAT(run({"version", "--short"}).out, Not(HasSubstr("v1.37.2")));
  EXPECT_TRUE(host_.requests().empty());
}

TEST_F(CliTest, ExplainsItselfAndItsExitCodes) {
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.code, kExitOk);
  EXPECT_THAT(help.out, HasSubstr("host"));
  EXPECT_THAT(help.out, HasSubstr("Exit codes:"));
  EXPECT_THAT(help.out, Not(HasSubstr("reference")));
  EXPECT_THAT(run({"host", "up", "--help"}).out, HasSubstr("--rootfs"));
}

TEST_F(CliTest, EveryVerbHasExamplesAndExitCodesInItsHelp) {
  for (const char* verb : {"create", "list", "get", "watch", "kubeconfig", "shell", "logs", "pause",
                           "resume", "delete", "doctor", "versions", "completion", "version"}) {
    const Outcome help = run({verb, "--help"});
    EXPECT_EQ(help.code, kExitOk) << verb;
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  ")) << verb;
    EXPECT_THAT(help.out, HasSubstr("Exit codes:")) << verb;
  }
}

TEST_F(CliTest, RefusesWrongUsage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"no-such-verb"},
                                             {"host"},
                                             {"version", "-o", "xml"},
                                             {"get"},
                                             {"create", "team-a", "--workers", "many"},
                                             {"get", "Team_A"},
                                             {"get", "../secrets/x"},
                                             {"list", "-n", "a/b"},
                                             {"host", "up", "--nodes", "many"},
                                             {"host", "up", "--timeout", "0"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitUsage) << ::testing::PrintToString(arguments);
    EXPECT_FALSE(outcome.err.empty());
  }
  EXPECT_TRUE(host_.requests().empty());
}

TEST_F(CliTest, TellsThatThereIsNoHost) {
  const std::string state = home() + "/state";
  const Outcome text = run({"host", "status", "--state-dir", state});
  EXPECT_EQ(text.code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("host up"));
  const Outcome json = run({"host", "status", "--state-dir", state, "-o", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"exists\": false"));
  const Outcome kubeconfig = run({"host", "kubeconfig", "--state-dir", state});
  EXPECT_EQ(kubeconfig.code, kExitNotFound);
  EXPECT_EQ(kubeconfig.out, "");
  EXPECT_THAT(kubeconfig.err, HasSubstr("error: there is no host"));
}

TEST_F(CliTest, TellsWhereAKubeconfigIsLookedFor) {
  around_.variables.erase("KUBECONFIG");
  const Outcome outcome = run({"list"});
  EXPECT_EQ(outcome.code, kExitNotFound);
  EXPECT_THAT(outcome.err, HasSubstr("--kubeconfig"));
  EXPECT_THAT(outcome.err, HasSubstr("kubectl vk8s host up"));
}

TEST_F(CliTest, TellsThatTheHostDoesNotAnswer) {
  host_.fail_next("list", kube::resources::kVk8s, Error(Errc::kUnavailable, "connect: refused"));
  const Outcome outcome = run({"list"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("refused"));
  EXPECT_THAT(outcome.err, HasSubstr("https://host.example:6443 does not answer"));
  EXPECT_EQ(outcome.out, "");
}

TEST_F(CliTest, TellsHowToInstallWhereTheKindIsUnknown) {
  const Error unknown(Errc::kNotFound,
                      "the server could not find the requested resource (404 NotFound)");
  host_.fail_next("list", kube::resources::kVk8s, unknown, 2);
  host_.fail_next("get", kube::resources::kVk8s, unknown);
  host_.fail_next("create", kube::resources::kVk8s, unknown);
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"list"}, {"watch", "x"}, {"get", "x"}, {"create", "x"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitNotFound);
    EXPECT_THAT(outcome.err, HasSubstr("install GS-OptOps"));
  }
}

TEST(ExitCode, FollowsTheKindOfFailure) {
  EXPECT_EQ(exit_code_of(Error(Errc::kInvalidArgument, "")), kExitUsage);
  EXPECT_EQ(exit_code_of(Error(Errc::kConflict, "")), kExitConflict);
  EXPECT_EQ(exit_code_of(Error(Errc::kTimeout, "")), kExitTimeout);
  EXPECT_EQ(exit_code_of(Error(Errc::kForbidden, "")), kExitForbidden);
  EXPECT_EQ(exit_code_of(Error(Errc::kUnavailable, "")), kExitFailed);
}

TEST(Session, AlignsTables) {
  std::ostringstream out;
  Surroundings around;
  Session session(around, out, out);
  session.print_table({{"NAME", "STATE"}, {"long-näme", "up"}, {"x", ""}});
  EXPECT_EQ(out.str(), "NAME        STATE\nlong-näme   up\nx\n");
}

TEST(Session, KeepsControlCharactersFromTheTerminal) {
  std::ostringstream out;
  Surroundings around;
  Session session(around, out, out);
  session.progress("node", "\x1b[2Jgone");
  session.print_error(Error(Errc::kInternal, "bad \x1b[31m\nsecond"));
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
  EXPECT_THAT(out.str(), HasSubstr("error: bad ?[31m\n second\n"));
}

}  // namespace
}  // namespace vk8s::cli
