// One embedded host for all tests of a program; a test fails if it could not be had.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "e2e/host.h"

namespace vk8s::e2e {

class HostTest : public testing::Test {
 protected:
  void SetUp() override;
  // A test that failed shows what the host looked like then, and its clusters are deleted: the
  // next one has the host to itself.
  void TearDown() override;
  static bool has_host();
  const Host& host() const;
  const Kubectl& kubectl() const { return host().kubectl(); }
  // Made if it is not there.
  void ensure_namespace(const std::string& name);
  // As when its machine fails: the process is killed and the pod does not come back. Another one
  // leads once the dead one's lease has run out.
  Status kill_controller() const;
  // Kind, name, uid and resourceVersion of these objects ("-n", "default", "pods,secrets"), a line
  // each: whatever changed them shows.
  std::string versions_of(std::vector<std::string> what) const;

 private:
  void show_host() const;
  std::vector<std::pair<std::string, std::string>> names(Kubectl::Arguments what) const;
};

// For ASSERT_TRUE(ok(status)): with the error's words where it is one.
template <class T>
testing::AssertionResult ok(const Result<T>& result) {
  return result ? testing::AssertionSuccess()
                : testing::AssertionFailure() << result.error().message();
}

}  // namespace vk8s::e2e
