#include "cli/foreground.h"

#include <gmock/gmock.h>

#include <csignal>

namespace vk8s::cli {
namespace {

using ::testing::ElementsAre;

ForegroundCommand shell(const std::string& script) {
  return {.argv = {"sh", "-c", script}, .environment = {{"PATH", "/usr/bin:/bin"}}};
}

TEST(Foreground, GivesTheProgramsExitStatus) {
  EventLoop loop;
  EXPECT_EQ(run_in_foreground(loop, shell("exit 7"))->code, 7);
  EXPECT_EQ(run_in_foreground(loop, shell("kill -KILL $$"))->signal, SIGKILL);
}

TEST(Foreground, TellsLinesMadeSafeToShow) {
  EventLoop loop;
  std::vector<std::string> lines;
  ForegroundCommand command = shell("printf 'one\\ntwo \\033[2J\\nlast'");
  command.on_line = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_TRUE(run_in_foreground(loop, command)->success());
  EXPECT_THAT(lines, ElementsAre("one", "two ?[2J", "last"));
}

TEST(Foreground, PassesTerminationOnButNotTheTerminalsInterrupt) {
  EventLoop loop;
  loop.post([] {
    ::raise(SIGINT);
    ::raise(SIGTERM);
  });
  const auto exit = run_in_foreground(loop, shell("while :; do sleep 1; done"));
  ASSERT_TRUE(exit);
  EXPECT_EQ(exit->signal, SIGTERM);
}

TEST(Foreground, SaysThatAProgramIsNotThere) {
  EventLoop loop;
  ForegroundCommand command = shell("");
  command.argv = {"no-such-program"};
  const auto exit = run_in_foreground(loop, command);
  ASSERT_FALSE(exit);
  EXPECT_EQ(exit.error().code(), Errc::kNotFound);
}

}  // namespace
}  // namespace vk8s::cli
