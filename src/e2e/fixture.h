// One embedded host for all tests of a program; a test fails if it could not be had.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/host.h"

namespace vk8s::e2e {

class HostTest : public testing::Test {
 protected:
  void SetUp() override;
  // A test that failed shows what the host looked like then.
  void TearDown() override;
  const Host& host() const;
  const Kubectl& kubectl() const { return host().kubectl(); }
  // Made if it is not there.
  void ensure_namespace(const std::string& name);
};

// For ASSERT_TRUE(ok(status)): with the error's words where it is one.
template <class T>
testing::AssertionResult ok(const Result<T>& result) {
  return result ? testing::AssertionSuccess()
                : testing::AssertionFailure() << result.error().message();
}

}  // namespace vk8s::e2e
