#include "cli/run.h"

#include <gmock/gmock.h>

#include <sstream>
#include <vector>

#include "base/json.h"
#include "cli/session.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

Outcome run_with(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = run(arguments, out, err);
  return {code, out.str(), err.str()};
}

TEST(Cli, PrintsItsVersion) {
  const Outcome text = run_with({"version"});
  EXPECT_EQ(text.code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("kubectl-vk8s "));
  const Outcome json = run_with({"version", "-o", "json"});
  const auto document = base::parse_json(json.out.substr(0, json.out.find('\n')));
  ASSERT_TRUE(document) << json.out;
  EXPECT_TRUE(base::get_string(*document, "version"));
  EXPECT_TRUE(base::get_string(*document, "kubernetes.0"));
}

TEST(Cli, ExplainsItselfAndItsExitCodes) {
  const Outcome help = run_with({"--help"});
  EXPECT_EQ(help.code, kExitOk);
  EXPECT_THAT(help.out, HasSubstr("host"));
  EXPECT_THAT(help.out, HasSubstr("Exit codes:"));
  EXPECT_THAT(run_with({"host", "up", "--help"}).out, HasSubstr("--rootfs"));
}

TEST(Cli, RefusesWrongUsage) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"no-such-verb"},
                                             {"host"},
                                             {"version", "-o", "xml"},
                                             {"host", "up", "--nodes", "many"},
                                             {"host", "up", "--timeout", "0"}}) {
    const Outcome outcome = run_with(arguments);
    EXPECT_EQ(outcome.code, kExitUsage);
    EXPECT_FALSE(outcome.err.empty());
  }
}

TEST(Cli, TellsThatThereIsNoHost) {
  const auto folder = sys::TempDir::create();
  ASSERT_TRUE(folder);
  const std::string state = folder->path() + "/state";
  const Outcome text = run_with({"host", "status", "--state-dir", state});
  EXPECT_EQ(text.code, kExitOk);
  EXPECT_THAT(text.out, HasSubstr("host up"));
  const Outcome json = run_with({"host", "status", "--state-dir", state, "-o", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"exists\":false"));
  const Outcome kubeconfig = run_with({"host", "kubeconfig", "--state-dir", state});
  EXPECT_EQ(kubeconfig.code, kExitNotFound);
  EXPECT_EQ(kubeconfig.out, "");
  EXPECT_THAT(kubeconfig.err, HasSubstr("error: there is no host"));
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
  Session session(out, out);
  session.print_table({{"NAME", "STATE"}, {"long-name", "up"}, {"x", ""}});
  EXPECT_EQ(out.str(), "NAME        STATE\nlong-name   up\nx\n");
}

TEST(Session, KeepsControlCharactersFromTheTerminal) {
  std::ostringstream out;
  Session session(out, out);
  session.progress("node", "\x1b[2Jgone");
  session.print_error(Error(Errc::kInternal, "bad \x1b[31m\nsecond"));
  EXPECT_EQ(out.str().find('\x1b'), std::string::npos);
  EXPECT_THAT(out.str(), HasSubstr("error: bad ?[31m\n second\n"));
}

}  // namespace
}  // namespace vk8s::cli
