#include "api/node_status.h"

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

namespace vk8s::api {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

NodeStatus starting() {
  NodeStatus status;
  status.node = "team-a-master-1";
  status.phase = NodePhase::kStarting;
  status.step = "waiting for the API server";
  status.percent = 40;
  status.message = "etcd has no leader yet";
  status.since = base::parse_time("2026-05-01T09:30:00Z").value();
  status.kubelet_version = "v1.37.2";
  status.components = {{.name = "etcd",
                        .state = ComponentState::kRunning,
                        .pid = 42,
                        .restarts = 0,
                        .last_exit = "",
                        .last_lines = {}},
                       {.name = "kube-apiserver",
                        .state = ComponentState::kBackoff,
                        .pid = 0,
                        .restarts = 3,
                        .last_exit = "exit code 1",
                        .last_lines = {"a", "größe"}}};
  return status;
}

std::string json_of(const NodeStatus& status) { return base::to_string(to_json(status)); }

std::string changed(const std::function<void(JsonObject&)>& change) {
  Json json = to_json(starting());
  change(json.get_object());
  return base::to_string(json);
}

TEST(NodeStatus, SurvivesTheRoundTrip) {
  const auto read = parse_node_status(json_of(starting()));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(*read, starting());
}

TEST(NodeStatus, EveryEnumeratorSurvives) {
  NodeStatus status = starting();
  for (const NodePhase phase :
       {NodePhase::kStarting, NodePhase::kReady, NodePhase::kDegraded, NodePhase::kStopping}) {
    status.phase = phase;
    EXPECT_EQ(parse_node_status(json_of(status)).value().phase, phase);
  }
  for (const ComponentState state :
       {ComponentState::kWaiting, ComponentState::kStarting, ComponentState::kRunning,
        ComponentState::kBackoff, ComponentState::kStopped}) {
    status.components[0].state = state;
    EXPECT_EQ(parse_node_status(json_of(status)).value().components[0].state, state);
  }
  status.role = NodeRole::kWorker;
  EXPECT_EQ(parse_node_status(json_of(status)).value().role, NodeRole::kWorker);
}

TEST(NodeStatus, ReaderReplacesControlCharacters) {
  const auto read = parse_node_status(changed([](JsonObject& o) {
    o["message"] = "\x1b[2Jowned\n";
    o["components"].at(1).at("lastLines").at(0) = "a\rb\xE2\x80\xAE";
  }));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->message, "?[2Jowned?");
  EXPECT_EQ(read->components[1].last_lines[0], "a?b?");
}

TEST(NodeStatus, ReaderBringsFieldsIntoTheirLimits) {
  const auto read = parse_node_status(changed([](JsonObject& o) {
    o["percent"] = 4000;
    o["step"] = std::string(5000, 'x');
    o["components"].at(0).get_object()["pid"] = -5;
    o["components"].at(0).get_object()["restarts"] = 18446744073709551615ULL;
    JsonArray& lines = o["components"].at(0).at("lastLines").get_array();
    for (int i = 0; i < 20; ++i) {
      lines.push_back(boost::json::string(std::to_string(i)));
    }
    JsonArray& components = o["components"].get_array();
    for (int i = 0; i < 20; ++i) {
      components.push_back(components[1]);
    }
    o["unknown"] = "ignored";
  }));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->percent, 100);
  EXPECT_EQ(read->step.size(), kMaxStepBytes);
  EXPECT_EQ(read->components.size(), kMaxComponents);
  EXPECT_EQ(read->components[0].pid, 0);
  EXPECT_EQ(read->components[0].restarts, 1'000'000'000);
  EXPECT_THAT(read->components[0].last_lines,
              ElementsAre("12", "13", "14", "15", "16", "17", "18", "19"));
}

TEST(NodeStatus, ReaderRefusesWhatIsNoStatus) {
  const auto refusal = [](const std::string& text) {
    const auto read = parse_node_status(text);
    EXPECT_FALSE(read) << text;
    return read ? "accepted" : read.error().message();
  };
  EXPECT_THAT(refusal("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("apiVersion"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["apiVersion"] = "v2"; })),
              HasSubstr("apiVersion"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["node"] = "../x"; })), HasSubstr("node"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["phase"] = "Owned"; })), HasSubstr("phase"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o.erase("role"); })), HasSubstr("role"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["percent"] = "1"; })), HasSubstr("percent"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["message"] = 1; })), HasSubstr("message"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["since"] = "now"; })), HasSubstr("since"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["components"] = "x"; })),
              HasSubstr("components"));
  EXPECT_THAT(refusal(changed([](JsonObject& o) { o["components"].at(1) = 5; })),
              HasSubstr("components: must be a list of objects"));
  EXPECT_THAT(
      refusal(changed([](JsonObject& o) { o["components"].at(1).get_object()["state"] = "?"; })),
      HasSubstr("components[1].state"));
  EXPECT_EQ(parse_node_status(std::string(kMaxStatusBytes + 1, ' ')).error().code(),
            Errc::kTooLarge);
}

TEST(NodeStatus, RefusalQuotesNothingOfTheAgent) {
  const auto read = parse_node_status(changed([](JsonObject& o) { o["phase"] = "\x1b[2J"; }));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message().find('\x1b'), std::string::npos);
}

TEST(NodeStatus, TheLongestOneFitsAndIsReadBack) {
  NodeStatus status = starting();
  const std::string long_text(5000, '"');
  status.step = status.message = status.kubelet_version = long_text;
  status.percent = 100;
  ComponentStatus component{.name = long_text,
                            .state = ComponentState::kStarting,
                            .pid = 1LL << 60,
                            .restarts = 1LL << 60,
                            .last_exit = long_text,
                            .last_lines = std::vector<std::string>(50, long_text)};
  status.components.assign(50, component);
  const std::string json = json_of(status);
  EXPECT_LT(json.size(), kMaxStatusBytes);
  const auto read = parse_node_status(json);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->components.size(), kMaxComponents);
  EXPECT_EQ(json_of(*read), json);
}

TEST(NodeStatus, AbsentFieldsAreEmpty) {
  const auto read = parse_node_status(
      R"({"apiVersion":"agent.vk8s.sktelecom.com/v1alpha1","node":"a","role":"worker",)"
      R"("phase":"Ready"})");
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->percent, 0);
  EXPECT_THAT(read->components, IsEmpty());
}

RC_GTEST_PROP(NodeStatus, AnyTextsComeOutShowableAndStable,
              (const std::string& message, const std::string& line, int percent)) {
  NodeStatus status = starting();
  status.message = message;
  status.percent = percent;
  status.components[0].last_lines = {line};
  const auto once = parse_node_status(json_of(status));
  RC_ASSERT(once.has_value());
  RC_ASSERT(parse_node_status(json_of(*once)).value() == *once);
  RC_ASSERT(once->percent >= 0);
  RC_ASSERT(once->percent <= 100);
}

RC_GTEST_PROP(NodeStatus, AnyChangedByteIsReadOrRefused, (char byte)) {
  std::string text = json_of(starting());
  text[*rc::gen::inRange<std::size_t>(0, text.size())] = byte;
  if (const auto read = parse_node_status(text)) {
    RC_ASSERT(parse_node_status(json_of(*read)).value() == *read);
  }
}

}  // namespace
}  // namespace vk8s::api
