#include "e2e/fixture.h"

#include <vector>

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

const Host& HostTest::host() const { return *environment->host(); }

void HostTest::ensure_namespace(const std::string& name) {
  ASSERT_TRUE(ok(kubectl().apply(
      fmt::format("{{apiVersion: v1, kind: Namespace, metadata: {{name: {}}}}}", name))));
}

}  // namespace vk8s::e2e
