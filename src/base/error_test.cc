#include "base/error.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>

namespace vk8s::base {
namespace {

Result<int> parse_positive(int value) {
  if (value <= 0) {
    return fail(Errc::kInvalidArgument, "{} is not positive", value);
  }
  return value;
}

Result<int> doubled(int value) {
  const int checked = VK8S_TRY(parse_positive(value));
  return checked * 2;
}

Status in_context(int value) {
  VK8S_TRY_CONTEXT(parse_positive(value), "read field {}", "cpu");
  return {};
}

Result<std::unique_ptr<int>> owned() { return std::make_unique<int>(7); }

Result<int> moved_out() {
  const std::unique_ptr<int> pointer = VK8S_TRY(owned());
  return *pointer;
}

TEST(Error, CarriesKindAndFormattedMessage) {
  const auto result = parse_positive(-3);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code(), Errc::kInvalidArgument);
  EXPECT_EQ(result.error().message(), "-3 is not positive");
}

TEST(Error, ContextGoesInFrontAndKeepsTheKind) {
  const Error error =
      Error(Errc::kForbidden, "refused").context("connect {}", "10.0.0.1").context("write Secret");
  EXPECT_EQ(error.message(), "write Secret: connect 10.0.0.1: refused");
  EXPECT_EQ(error.code(), Errc::kForbidden);
}

TEST(Error, TryReturnsTheErrorOrGoesOnWithTheValue) {
  EXPECT_EQ(doubled(4).value(), 8);
  EXPECT_EQ(doubled(0).error().message(), "0 is not positive");
  EXPECT_EQ(moved_out().value(), 7);
}

Result<int> nested(int value) {
  return VK8S_TRY(doubled(VK8S_TRY_CONTEXT(parse_positive(value), "inner"))) + 1;
}

TEST(Error, TryMayBeNested) {
  EXPECT_EQ(nested(2).value(), 5);
  EXPECT_EQ(nested(0).error().message(), "inner: 0 is not positive");
}

TEST(Error, TryContextNamesWhatWasAttempted) {
  EXPECT_TRUE(in_context(1));
  EXPECT_EQ(in_context(-1).error().message(), "read field cpu: -1 is not positive");
}

TEST(Error, OnlyFailuresThatTimeCanCureAreRetryable) {
  for (const Errc code : {Errc::kConflict, Errc::kGone, Errc::kTooManyRequests, Errc::kTimeout,
                          Errc::kUnavailable, Errc::kIo, Errc::kInternal}) {
    EXPECT_TRUE(Error(code, "").is_retryable()) << to_string(code);
  }
  for (const Errc code : {Errc::kInvalidArgument, Errc::kNotFound, Errc::kAlreadyExists,
                          Errc::kUnauthorized, Errc::kForbidden, Errc::kTooLarge, Errc::kCancelled,
                          Errc::kExhausted, Errc::kUnsupported}) {
    EXPECT_FALSE(Error(code, "").is_retryable()) << to_string(code);
  }
}

TEST(Error, ErrnoChoosesTheKindAndEndsTheMessage) {
  const auto missing = error_from_errno(ENOENT, "open /a");
  EXPECT_EQ(missing.code(), Errc::kNotFound);
  EXPECT_EQ(missing.message(), "open /a: No such file or directory");
  EXPECT_EQ(error_from_errno(EEXIST, "").code(), Errc::kAlreadyExists);
  EXPECT_EQ(error_from_errno(EPERM, "").code(), Errc::kForbidden);
  EXPECT_EQ(error_from_errno(ENOSPC, "").code(), Errc::kExhausted);
  EXPECT_EQ(error_from_errno(EDQUOT, "").code(), Errc::kExhausted);
  EXPECT_EQ(error_from_errno(ECONNREFUSED, "").code(), Errc::kUnavailable);
  EXPECT_EQ(error_from_errno(EPIPE, "").code(), Errc::kUnavailable);
  EXPECT_EQ(error_from_errno(ENOSYS, "").code(), Errc::kUnsupported);
  EXPECT_EQ(error_from_errno(ENAMETOOLONG, "").code(), Errc::kInvalidArgument);
  EXPECT_EQ(error_from_errno(EIO, "").code(), Errc::kIo);
}

TEST(Error, EveryKindHasAName) {
  for (int code = 0; code <= static_cast<int>(Errc::kInternal); ++code) {
    EXPECT_NE(to_string(static_cast<Errc>(code)), "unknown") << code;
  }
}

}  // namespace
}  // namespace vk8s::base
