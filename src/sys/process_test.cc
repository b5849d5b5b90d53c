#include "sys/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "sys/file.h"

namespace vk8s::sys {
namespace {

using testing::HasSubstr;

SpawnOptions command(std::vector<std::string> argv) {
  SpawnOptions options;
  options.argv = std::move(argv);
  options.environment = scrubbed_environment();
  return options;
}

TEST(ChildProcess, ReportsTheExitCode) {
  auto child = ChildProcess::spawn(command({"sh", "-c", "exit 7"}));
  ASSERT_TRUE(child) << child.error().message();
  const ExitStatus status = child->wait();
  EXPECT_EQ(status.code, 7);
  EXPECT_EQ(status.to_string(), "exit code 7");
  EXPECT_FALSE(child->is_running());
}

TEST(ChildProcess, ReportsTheSignal) {
  auto child = ChildProcess::spawn(command({"sleep", "60"}));
  ASSERT_TRUE(child) << child.error().message();
  EXPECT_FALSE(child->try_wait());
  ASSERT_TRUE(child->signal(SIGTERM));
  EXPECT_EQ(child->wait().to_string(), "signal 15 (SIGTERM)");
}

TEST(ChildProcess, AnExecFailureIsAnErrorWithItsErrno) {
  const auto missing = ChildProcess::spawn(command({"/no/such/program"}));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Errc::kNotFound);
  EXPECT_THAT(missing.error().message(), HasSubstr("execute: No such file or directory"));
}

TEST(ChildProcess, AWorkingDirectoryThatIsMissingIsNamed) {
  SpawnOptions options = command({"true"});
  options.working_directory = "/no/such/folder";
  const auto child = ChildProcess::spawn(options);
  ASSERT_FALSE(child);
  EXPECT_THAT(child.error().message(), HasSubstr("enter working directory"));
}

TEST(ChildProcess, ItsOwnersEndKillsIt) {
  pid_t pid = 0;
  {
    auto child = ChildProcess::spawn(command({"sleep", "60"}));
    ASSERT_TRUE(child);
    pid = child->pid();
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(ChildProcess, HasNoBlockedSignalsAndExactlyTheGivenEnvironment) {
  SpawnOptions options = command({"sh", "-c", "grep SigBlk /proc/self/status; env | sort"});
  options.environment = {{"PATH", "/usr/bin:/bin"}, {"ONLY", "this"}};
  const auto output = check_command(options);
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_THAT(*output, HasSubstr("SigBlk:\t0000000000000000"));
  EXPECT_THAT(*output, HasSubstr("ONLY=this"));
  EXPECT_THAT(*output, testing::Not(HasSubstr("HOME=")));
}

TEST(RunCommand, PassesInputAndCollectsOutput) {
  const std::string large(300'000, 'x');
  const auto output = run_command(command({"cat"}), {.standard_input = large});
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_EQ(output->standard_output, large);
}

TEST(RunCommand, RefusesMoreOutputThanItsLimit) {
  const auto output =
      run_command(command({"head", "-c", "5000", "/dev/zero"}), {.max_output_bytes = 1000});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code(), Errc::kTooLarge);
}

TEST(RunCommand, KillsAtTheDeadline) {
  const auto output =
      run_command(command({"sleep", "60"}), {.timeout = std::chrono::milliseconds(50)});
  ASSERT_FALSE(output);
  EXPECT_EQ(output.error().code(), Errc::kTimeout);
}

TEST(RunCommand, ACommandThatDoesNotReadItsInputIsNoError) {
  const auto output = run_command(command({"true"}), {.standard_input = std::string(1 << 20, 'x')});
  ASSERT_TRUE(output) << output.error().message();
  EXPECT_TRUE(output->status.success());
}

TEST(CheckCommand, AFailureCarriesTheLastWords) {
  const auto output = check_command(command({"sh", "-c", "echo no space >&2; exit 3"}));
  ASSERT_FALSE(output);
  EXPECT_THAT(output.error().message(), HasSubstr("exit code 3): no space"));
}

TEST(ScrubbedEnvironment, DropsTheHostsApiServer) {
  ::setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
  ::setenv("MY_SERVICE_PORT", "1", 1);
  const Environment environment = scrubbed_environment();
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  ::unsetenv("MY_SERVICE_PORT");
  EXPECT_FALSE(environment.contains("KUBERNETES_SERVICE_HOST"));
  EXPECT_FALSE(environment.contains("MY_SERVICE_PORT"));
  EXPECT_TRUE(environment.contains("PATH"));
}

}  // namespace
}  // namespace vk8s::sys
