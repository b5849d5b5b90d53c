#include "e2e/fixture.h"

#include <fmt/ranges.h>

#include <iostream>
#include <vector>

#include "base/text.h"
#include "e2e/machine_state.h"
#include "e2e/processes.h"

namespace vk8s::e2e {
namespace {

constexpr const char* kSystem = "vk8s-system";
constexpr auto kCleaning = std::chrono::seconds(130);
constexpr auto kShowing = std::chrono::seconds(10);

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

void show(const Kubectl& kubectl, Kubectl::Arguments arguments) {
  const std::string title = fmt::format("{}", fmt::join(arguments, " "));
  const auto text = kubectl(std::move(arguments), {}, kShowing);
  std::cout << "---- kubectl " << title << "\n" << (text ? *text : text.error().message()) << "\n";
}

}  // namespace

void HostTest::SetUp() {
  if (const auto missing = missing_prerequisite()) {
    GTEST_SKIP() << *missing;
  }
  ASSERT_NE(environment->host(), nullptr) << environment->trouble();
}

void HostTest::TearDown() {
  if (!HasFailure() || !has_host()) {
    return;
  }
  show_host();
  const auto deleted =
      kubectl()({"delete", "vk8s", "--all", "--all-namespaces", "--timeout=120s"}, {}, kCleaning);
  if (!deleted) {
    std::cout << "clusters are left for the next test: " << deleted.error().message() << "\n";
  }
}

void HostTest::show_host() const {
  show(kubectl(), {"get", "vk8s,statefulsets,pods,pvc,pv", "-A", "-o", "wide"});
  show(kubectl(), {"get", "events", "-A", "--sort-by=.lastTimestamp"});
  show(kubectl(), {"describe", "vk8s", "-A"});
  show(kubectl(), {"-n", kSystem, "logs", "deployment/vk8s-controller-manager", "--tail=100"});
  for (const auto& [in, pod] : names({"pods", "-l", "app=vk8s"})) {
    show(kubectl(), {"-n", in, "logs", pod, "--tail=60"});
  }
  for (const auto& [in, name] : names({"vk8s"})) {
    if (const auto cluster = VirtualCluster::attach(host(), in, name)) {
      std::cout << "---- inside " << in << "/" << name << "\n";
      show(cluster->kubectl(), {"get", "nodes,pods", "-A", "-o", "wide"});
      show(cluster->kubectl(), {"get", "events", "-A", "--sort-by=.lastTimestamp"});
    }
  }
}

// Namespaces and names of such objects.
std::vector<std::pair<std::string, std::string>> HostTest::names(Kubectl::Arguments what) const {
  what.insert(what.begin(), "get");
  what.insert(
      what.end(),
      {"-A", "-o", R"(jsonpath={range .items[*]}{.metadata.namespace}/{.metadata.name} {end})"});
  const std::string all = kubectl()(std::move(what)).value_or("");
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string_view one : base::split(all, ' ')) {
    if (const std::size_t slash = one.find('/'); slash != std::string_view::npos) {
      out.emplace_back(one.substr(0, slash), one.substr(slash + 1));
    }
  }
  return out;
}

bool HostTest::has_host() { return environment->host() != nullptr; }

const Host& HostTest::host() const { return *environment->host(); }

void HostTest::ensure_namespace(const std::string& name) {
  ASSERT_TRUE(ok(kubectl().apply(
      fmt::format("{{apiVersion: v1, kind: Namespace, metadata: {{name: {}}}}}", name))));
}

Status HostTest::kill_controller() const {
  const std::vector<std::string> newest = {"-n",
                                           kSystem,
                                           "get",
                                           "pods",
                                           "-l",
                                           "app=vk8s-controller-manager",
                                           "--sort-by=.metadata.creationTimestamp",
                                           "-o",
                                           "jsonpath={.items[-1:].metadata.uid}"};
  VK8S_TRY(wait_until(
      [&] {
        const auto uid = kubectl()(newest);
        const Status killed = uid && !uid->empty()
                                  ? kill_process("vk8s-controller", *uid)
                                  : fail(Errc::kNotFound, "the controller has no pod");
        return Answer{killed.has_value(), killed ? "" : killed.error().message()};
      },
      std::chrono::seconds(30), "the controller is killed"));
  VK8S_TRY(kubectl()({"-n", kSystem, "delete", "pods", "-l", "app=vk8s-controller-manager",
                      "--grace-period=0", "--force", "--wait=false"}));
  return {};
}

std::string HostTest::versions_of(std::vector<std::string> what) const {
  what.insert(what.begin(), "get");
  what.insert(what.end(), {"-o",
                           "jsonpath={range .items[*]}{.kind} {.metadata.name} {.metadata.uid} "
                           "{.metadata.resourceVersion}{\"\\n\"}{end}"});
  const auto objects = kubectl()(std::move(what));
  return objects ? *objects : objects.error().message();
}

}  // namespace vk8s::e2e
