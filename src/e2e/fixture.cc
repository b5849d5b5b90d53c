#include "e2e/fixture.h"

#include <fmt/ranges.h>

#include <iostream>
#include <vector>

#include "base/text.h"
#include "e2e/machine_state.h"

namespace vk8s::e2e {
namespace {

// The host, and the proof that it leaves nothing behind.
class HostEnvironment : public testing::Environment {
 public:
  void SetUp() override {
    if (missing_prerequisite()) {
      return;
    }
    before_ = machine_state();
    auto started = Host::start();
    if (started) {
      host_ = *std::move(started);
    } else {
      trouble_ = started.error().message();
    }
  }

  void TearDown() override {
    if (!host_) {
      return;
    }
    EXPECT_TRUE(ok(host_->purge()));
    host_.reset();
    EXPECT_EQ(machine_state(), before_) << "the host left something behind";
  }

  const Host* host() const { return host_.get(); }
  const std::string& trouble() const { return trouble_; }

 private:
  std::string before_;
  std::unique_ptr<Host> host_;
  std::string trouble_;
};

// GoogleTest owns it.
HostEnvironment* const environment =
    static_cast<HostEnvironment*>(testing::AddGlobalTestEnvironment(new HostEnvironment));

}  // namespace

void HostTest::SetUp() {
  if (const auto missing = missing_prerequisite()) {
    GTEST_SKIP() << *missing;
  }
  ASSERT_NE(environment->host(), nullptr) << environment->trouble();
}

void HostTest::TearDown() {
  if (!HasFailure() || environment->host() == nullptr) {
    return;
  }
  const auto show = [this](std::vector<std::string> arguments) {
    const std::string title = fmt::format("{}", fmt::join(arguments, " "));
    const auto text = kubectl()(std::move(arguments));
    std::cout << "---- kubectl " << title << "\n"
              << (text ? *text : text.error().message()) << "\n";
  };
  show({"get", "vk8s,statefulsets,pods,pvc,pv", "-A", "-o", "wide"});
  show({"get", "events", "-A", "--sort-by=.lastTimestamp"});
  show({"describe", "vk8s", "-A"});
  show({"-n", "vk8s-system", "logs", "deployment/vk8s-controller-manager", "--tail=100"});
  const auto nodes =
      kubectl()({"get", "pods", "-A", "-l", "app=vk8s", "-o",
                 R"(jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end})"});
  for (const std::string_view pod : base::split(nodes.value_or(""), ' ')) {
    if (const std::size_t slash = pod.find('/'); slash != std::string_view::npos) {
      show({"-n", std::string(pod.substr(0, slash)), "logs", std::string(pod.substr(slash + 1)),
            "--tail=60"});
    }
  }
}

const Host& HostTest::host() const { return *environment->host(); }

void HostTest::ensure_namespace(const std::string& name) {
  ASSERT_TRUE(ok(kubectl().apply(
      fmt::format("{{apiVersion: v1, kind: Namespace, metadata: {{name: {}}}}}", name))));
}

}  // namespace vk8s::e2e
