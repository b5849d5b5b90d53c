#include "cni/ipam_plugin.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "base/unique_fd.h"
#include "cni/record_store.h"
#include "sys/file.h"

namespace vk8s::cni {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kAnnotations = R"({"vk8s.sktelecom.com/ip": "10.1.200.7"})";

// The plugin with both its neighbours played: who serves the node, and host-local.
class IpamPluginTest : public testing::Test {
 protected:
  void SetUp() override {
    const std::string program = folder_.path() + "/host-local";
    ASSERT_TRUE(sys::write_file(program, "", {.mode = 0755}));
  }

  // annotations: "" = the plugin in front does not hand them on.
  std::string config(std::string_view annotations, std::string_view more = {},
                     std::string_view version = "1.1.0") const {
    const std::string runtime =
        annotations.empty()
            ? "{}"
            : fmt::format(R"({{"io.kubernetes.cri.pod-annotations": {}}})", annotations);
    return fmt::format(R"({{"cniVersion": "{}", "name": "vk8s", "type": "ptp", "runtimeConfig": {},
        "ipam": {{"type": "vk8s-ipam", "store": "{}", "ranges": [[{{"subnet": "10.1.5.0/24"}}]],
                  "routes": [{{"dst": "0.0.0.0/0"}}]}} {}}})",
                       version, runtime, store_.folder(), more);
  }

  Outcome run(const std::string& verb, const std::string& text, std::string container = "a") {
    variables_["CNI_COMMAND"] = verb;
    variables_["CNI_CONTAINERID"] = std::move(container);
    variables_["CNI_PATH"] = folder_.path();
    const UniqueFd input(::memfd_create("input", MFD_CLOEXEC));
    EXPECT_EQ(::write(input.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::lseek(input.get(), 0, SEEK_SET);
    const IpamPlugin plugin(
        [this](const std::string&, const ClaimRequest& request) {
          asked_.push_back(
              fmt::format("{} {}", request.address.to_string(), request.pod.to_string()));
          return answer_;
        },
        [this](const std::string& program, const std::string& given) {
          delegated_.push_back(program.substr(program.rfind('/') + 1));
          given_ = given;
          return Error(Errc::kUnavailable, "became another");
        });
    return plugin.run(
        [this](const char* name) {
          const auto found = variables_.find(name);
          return found == variables_.end() ? std::string() : found->second;
        },
        input.get());
  }

  // The verb ended with the delegate.
  bool is_delegated(const std::string& verb, const std::string& text) {
    delegated_.clear();
    const Outcome outcome = run(verb, text);
    return delegated_ == std::vector<std::string>{"host-local"} &&
           outcome.standard_output.find("became another") != std::string::npos;
  }
  std::vector<Record> records() const { return *store_.list(); }
  static int code(const Outcome& outcome) {
    const auto document = base::parse_json(outcome.standard_output);
    return document ? static_cast<int>(base::get_int(*document, "code").value_or(0)) : -1;
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  RecordStore store_{folder_.path() + "/records"};
  std::map<std::string, std::string> variables_ = {
      {"CNI_IFNAME", "eth0"},
      {"CNI_NETNS", "/proc/self/ns/net"},
      {"CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=demo-0;K8S_POD_UID=u"}};
  Result<ClaimAnswer> answer_ = ClaimAnswer{.granted = true, .reason = {}};
  std::vector<std::string> asked_;
  std::vector<std::string> delegated_;
  std::string given_;  // to the delegate
};

TEST_F(IpamPluginTest, GivesThePodItsAddress) {
  const Outcome outcome = run("ADD", config(kAnnotations));
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.standard_output,
            R"({"cniVersion":"1.1.0","ips":[{"address":"10.1.200.7/16","gateway":"10.1.5.1"}],)"
            R"("routes":[{"dst":"0.0.0.0/0"}],"dns":{}})"
            "\n");
  EXPECT_THAT(asked_, testing::ElementsAre("10.1.200.7 team-a/demo-0"));
  ASSERT_EQ(records().size(), 1U);
  EXPECT_EQ(records()[0].attachment, (Attachment{"a", "eth0"}));
  EXPECT_EQ(records()[0].pod, (Pod{"team-a", "demo-0", "u"}));
  EXPECT_EQ(records()[0].netns_inode, *netns_inode("/proc/self/ns/net"));
  EXPECT_THAT(delegated_, IsEmpty());
}

TEST_F(IpamPluginTest, BecomesTheDelegateForAPodWithoutAnAddressAndAsksNobody) {
  EXPECT_TRUE(is_delegated("ADD", config("{}")));
  EXPECT_TRUE(is_delegated("ADD", config("null")));
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_EQ(base::get_string(*base::parse_json(given_), "ipam.type"), "host-local");
}

TEST_F(IpamPluginTest, GivesNoAddressWhereItCannotKnowWhetherThePodWantsOne) {
  const Outcome outcome = run("ADD", config(""));
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(code(outcome), 7);
  EXPECT_THAT(outcome.standard_output, HasSubstr("io.kubernetes.cri.pod-annotations"));
  EXPECT_THAT(delegated_, IsEmpty());
}

TEST_F(IpamPluginTest, SaysWhyAPodMayNotHaveItsAddressNow) {
  answer_ = ClaimAnswer{.granted = false, .reason = "it is team-b/other-0's"};
  const Outcome refused = run("ADD", config(kAnnotations));
  EXPECT_EQ(code(refused), 11);
  EXPECT_THAT(refused.standard_output,
              HasSubstr("pod team-a/demo-0 may not have address 10.1.200.7 now: it is "
                        "team-b/other-0's"));
  answer_ = fail(Errc::kUnavailable, "nobody serves");
  const Outcome away = run("ADD", config(kAnnotations));
  EXPECT_EQ(code(away), 11);
  EXPECT_THAT(away.standard_output, HasSubstr("nobody serves"));
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_THAT(delegated_, IsEmpty());
}

TEST_F(IpamPluginTest, RefusesWhatCannotBeGivenBeforeItAsks) {
  EXPECT_EQ(code(run("ADD", config(R"({"vk8s.sktelecom.com/ip": "10.1.200.07"})"))), 7);
  EXPECT_EQ(code(run("ADD", config(R"({"vk8s.sktelecom.com/ip": ""})"))), 7);
  EXPECT_EQ(code(run("ADD", config(R"({"vk8s.sktelecom.com/ip": "10.1.5.9"})"))), 7)
      << "of the node's own range";
  variables_["CNI_NETNS"] = folder_.path();
  EXPECT_EQ(code(run("ADD", config(kAnnotations))), 7) << "no namespace";
  variables_["CNI_ARGS"] = "";
  EXPECT_EQ(code(run("ADD", config(kAnnotations))), 4) << "no pod";
  EXPECT_THAT(asked_, IsEmpty());
  EXPECT_THAT(records(), IsEmpty());
}

TEST_F(IpamPluginTest, GivesAnAddressToOneContainer) {
  ASSERT_EQ(run("ADD", config(kAnnotations), "a").exit_code, 0);
  const Outcome second = run("ADD", config(kAnnotations), "b");
  EXPECT_EQ(code(second), 11);
  EXPECT_THAT(second.standard_output, HasSubstr("in use on this node by pod team-a/demo-0"));
  EXPECT_TRUE(is_delegated("DEL", config(kAnnotations)));
  EXPECT_EQ(run("ADD", config(kAnnotations), "b").exit_code, 0);
}

TEST_F(IpamPluginTest, DeletesAgainAndAgainAndTheDelegatesPartToo) {
  ASSERT_EQ(run("ADD", config(kAnnotations)).exit_code, 0);
  variables_["CNI_NETNS"] = "";
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(is_delegated("DEL", config("")));
    EXPECT_THAT(records(), IsEmpty());
  }
}

TEST_F(IpamPluginTest, ChecksWhatItGave) {
  const std::string previous = R"(, "prevResult": {"ips": [{"address": "10.1.200.7/16"}]})";
  EXPECT_EQ(run("CHECK", config(kAnnotations, previous)).exit_code, 1) << "no record";
  ASSERT_EQ(run("ADD", config(kAnnotations)).exit_code, 0);
  const Outcome good = run("CHECK", config(kAnnotations, previous));
  EXPECT_EQ(good.exit_code, 0) << good.standard_output;
  EXPECT_EQ(good.standard_output, "");
  EXPECT_EQ(run("CHECK", config(kAnnotations)).exit_code, 1) << "no prevResult";
  EXPECT_EQ(
      run("CHECK", config(kAnnotations, R"(, "prevResult": {"ips": [{"address": "10.1.5.9/24"}]})"))
          .exit_code,
      1)
      << "another address";
  EXPECT_EQ(run("CHECK", config(R"({"vk8s.sktelecom.com/ip": "10.1.200.8"})", previous)).exit_code,
            1)
      << "the annotation has changed";
  EXPECT_THAT(delegated_, IsEmpty());
}

TEST_F(IpamPluginTest, LeavesTheCheckOfOtherPodsToTheDelegate) {
  EXPECT_TRUE(is_delegated("CHECK", config("{}")));
}

TEST_F(IpamPluginTest, CollectsWhatIsNoLongerValidAndLetsTheDelegateDoSo) {
  ASSERT_EQ(run("ADD", config(kAnnotations), "a").exit_code, 0);
  EXPECT_TRUE(is_delegated(
      "GC",
      config("", R"(, "cni.dev/valid-attachments": [{"containerID": "a", "ifname": "eth0"}])")));
  EXPECT_EQ(records().size(), 1U);
  EXPECT_TRUE(is_delegated("GC", config("", R"(, "cni.dev/valid-attachments": [])")));
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_EQ(code(run("GC", config(""))), 7) << "without a list nothing is collected";
}

TEST_F(IpamPluginTest, LeavesStatusToTheDelegate) {
  EXPECT_TRUE(is_delegated("STATUS", config("")));
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(IpamPluginTest, AnswersVersionWithoutAConfiguration) {
  const Outcome outcome = run("VERSION", R"({"cniVersion": "1.0.0"})");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.standard_output,
              HasSubstr(R"("supportedVersions":["0.4.0","1.0.0","1.1.0"])"));
  EXPECT_EQ(run("VERSION", "").exit_code, 0);
}

TEST_F(IpamPluginTest, SpeaksOnlyVersionsThatHaveTheVerb) {
  EXPECT_EQ(code(run("ADD", config(kAnnotations, "", "0.3.1"))), 1);
  EXPECT_EQ(code(run("GC", config("", R"(, "cni.dev/valid-attachments": [])", "1.0.0"))), 1);
  EXPECT_EQ(code(run("STATUS", config("", "", "0.4.0"))), 1);
  EXPECT_EQ(run("ADD", config(kAnnotations, "", "0.4.0")).exit_code, 0);
}

TEST_F(IpamPluginTest, CallsFailuresByTheirCodes) {
  EXPECT_EQ(code(run("ADD", "{")), 6);
  EXPECT_EQ(code(run("ADD", "{}")), 1) << "no version";
  EXPECT_EQ(code(run("ADD", std::string((1U << 20U) + 1, ' '))), 5);
  variables_["CNI_IFNAME"] = "..";
  EXPECT_EQ(code(run("ADD", config(kAnnotations))), 4);
}

TEST_F(IpamPluginTest, SaysWhereItLookedForTheDelegate) {
  ASSERT_EQ(::chmod((folder_.path() + "/host-local").c_str(), 0644), 0);
  const Outcome outcome = run("ADD", config("{}"));
  EXPECT_EQ(code(outcome), 50);
  EXPECT_THAT(outcome.standard_output, HasSubstr("plugin host-local is not in CNI_PATH"));
}

TEST_F(IpamPluginTest, IntroducesItselfToWhoStartsItByHand) {
  const IpamPlugin plugin(nullptr, nullptr);
  const Outcome outcome = plugin.run([](const char*) { return std::string(); }, -1);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.standard_error, HasSubstr("vk8s-ipam: a CNI plugin"));
}

}  // namespace
}  // namespace vk8s::cni
