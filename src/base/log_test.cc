#include "base/log.h"

#include <gmock/gmock.h>

#include <functional>

namespace vk8s::base {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::string written(const std::function<void(const Log&)>& write,
                    LogLevel level = LogLevel::kInfo) {
  ::testing::internal::CaptureStderr();
  write(Log::to_stderr("agent", level));
  return ::testing::internal::GetCapturedStderr();
}

std::string with_value(const std::string& value) {
  const std::string line = written([&](const Log& log) { log.info("m", {{"k", value}}); });
  const std::size_t begin = line.find("k=") + 2;
  return line.substr(begin, line.size() - begin - 1);
}

TEST(Log, WritesTimeLevelComponentMessageAndFields) {
  const std::string line = written([](const Log& log) {
    log.child("etcd").warning("restarted", {{"pid", 42}, {"reason", "exit code 1"}});
  });
  EXPECT_THAT(line, MatchesRegex("[0-9]+-[0-9]+-[0-9]+T[0-9:.+-]+ warning "
                                 "agent/etcd: restarted pid=42 reason=\"exit code 1\"\n"));
}

TEST(Log, LeavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(written([](const Log& log) { log.debug("quiet"); }), "");
  EXPECT_THAT(written([](const Log& log) { log.debug("loud"); }, LogLevel::kDebug),
              HasSubstr("loud"));
}

TEST(Log, SilentWritesNothing) {
  EXPECT_EQ(written([](const Log&) { Log::silent().child("x").error("no"); }), "");
}

TEST(Log, NoFieldForgesALine) {
  EXPECT_EQ(with_value("a\n2026 error forged"), R"("a\n2026 error forged")");
  EXPECT_EQ(with_value("x y=\"z\\"), R"("x y=\"z\\")");
  EXPECT_EQ(with_value("\x1b[2J"), R"("\x1b[2J")");
  EXPECT_EQ(with_value("\xC2\x85"), R"("\xc2\x85")");
  EXPECT_EQ(with_value("\x9b"), R"("\x9b")");
  EXPECT_EQ(with_value(""), R"("")");
}

TEST(Log, PlainValuesStayPlain) {
  EXPECT_EQ(with_value("registry.example:5000/vnode"), "registry.example:5000/vnode");
  EXPECT_EQ(with_value("größe"), "größe");
}

TEST(Log, NoMessageForgesALine) {
  const std::string line = written([](const Log& log) { log.info("a\nb\x1b"); });
  EXPECT_THAT(line, EndsWith("agent: a?b?\n"));
}

TEST(Log, BracesOfAMessageAreText) {
  EXPECT_THAT(written([](const Log& log) { log.info("{} {0}"); }), EndsWith("agent: {} {0}\n"));
}

TEST(Log, CutsLongValues) {
  const std::string value = with_value(std::string(10000, 'x'));
  EXPECT_EQ(value.size(), 4099U);
  EXPECT_THAT(value, EndsWith("x..."));
  EXPECT_THAT(value, Not(HasSubstr("\"")));
}

}  // namespace
}  // namespace vk8s::base
