// Errors as values. Every fallible function of this project returns Result<T>;
// no exception crosses a module (those of libraries are caught where called).
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace vk8s::base {

// What kind of failure it is: what callers branch on. The message says the rest.
enum class Errc {
  kInvalidArgument,  // bad input: it will fail again until the input changes
  kNotFound,
  kAlreadyExists,
  kConflict,  // somebody else wrote first: read again, then retry
  kUnauthorized,
  kForbidden,
  kGone,  // a resourceVersion or token too old: start over
  kTooLarge,
  kTooManyRequests,
  kTimeout,
  kUnavailable,  // the other side is away: a retry may help
  kCancelled,
  kExhausted,  // no address, port, disk, ... is left
  kIo,
  kUnsupported,
  kInternal,
};

std::string_view to_string(Errc code);

// A failure: its kind, a message a user can act on, and the contexts added on
// the way up ("write kubeconfig Secret a/b: connect 10.0.0.1:6443: refused").
class [[nodiscard]] Error {
 public:
  Error(Errc code, std::string message);

  Errc code() const { return code_; }
  const std::string& message() const { return message_; }

  // Whether the same call may succeed later with nothing changed by the caller.
  bool is_retryable() const;

  // Puts "<context>: " before the message.
  template <class... Args>
  Error context(fmt::format_string<Args...> format, Args&&... args) && {
    return std::move(*this).with_prefix(fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Error with_prefix(std::string prefix) &&;

  Errc code_;
  std::string message_;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

// return fail(Errc::kNotFound, "node {}: no such Secret", name);
template <class... Args>
tl::unexpected<Error> fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

// The same from errno: "<message>: <strerror>", its code chosen by errno.
Error error_from_errno(int error_number, std::string_view what);

template <class... Args>
tl::unexpected<Error> fail_errno(int error_number, fmt::format_string<Args...> format,
                                 Args&&... args) {
  return tl::unexpected<Error>(
      error_from_errno(error_number, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace vk8s::base

namespace vk8s {
using base::Errc;
using base::Error;
using base::fail;
using base::fail_errno;
using base::Result;
using base::Status;
}  // namespace vk8s

// auto cert = VK8S_TRY(load(path));  returns the error of load() from the
// enclosing function, or goes on. May be nested, but not in braces: T{a, TRY(b)} leaks a (GCC 12).
#define VK8S_TRY(expression) \
  VK8S_DETAIL_TRY(VK8S_DETAIL_JOIN(vk8s_try_, __COUNTER__), expression, .error())

// The same with a context: VK8S_TRY_CONTEXT(load(path), "read CA of {}", name).
#define VK8S_TRY_CONTEXT(expression, ...)                               \
  VK8S_DETAIL_TRY(VK8S_DETAIL_JOIN(vk8s_try_, __COUNTER__), expression, \
                  .error().context(__VA_ARGS__))

#define VK8S_DETAIL_JOIN_NOW(a, b) a##b
#define VK8S_DETAIL_JOIN(a, b) VK8S_DETAIL_JOIN_NOW(a, b)
#define VK8S_DETAIL_TRY(result, expression, ...)                                   \
  ({                                                                               \
    auto result = (expression);                                                    \
    if (!result) {                                                                 \
      return ::tl::unexpected<::vk8s::base::Error>(std::move(result) __VA_ARGS__); \
    }                                                                              \
    ::vk8s::base::detail::take(std::move(result));                                 \
  })

namespace vk8s::base::detail {
template <class T>
T take(Result<T>&& result) {
  return std::move(*result);
}
inline void take(Status&&) {}
}  // namespace vk8s::base::detail
