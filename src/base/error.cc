#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace vk8s::base {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return "invalid argument";
    case Errc::kNotFound:
      return "not found";
    case Errc::kAlreadyExists:
      return "already exists";
    case Errc::kConflict:
      return "conflict";
    case Errc::kUnauthorized:
      return "unauthorized";
    case Errc::kForbidden:
      return "forbidden";
    case Errc::kGone:
      return "gone";
    case Errc::kTooLarge:
      return "too large";
    case Errc::kTooManyRequests:
      return "too many requests";
    case Errc::kTimeout:
      return "timeout";
    case Errc::kUnavailable:
      return "unavailable";
    case Errc::kCancelled:
      return "cancelled";
    case Errc::kExhausted:
      return "exhausted";
    case Errc::kIo:
      return "I/O error";
    case Errc::kUnsupported:
      return "unsupported";
    case Errc::kInternal:
      return "internal error";
  }
  return "unknown";
}

Error::Error(Errc code, std::string message) : code_(code), message_(std::move(message)) {}

bool Error::is_retryable() const {
  switch (code_) {
    case Errc::kConflict:
    case Errc::kGone:
    case Errc::kTooManyRequests:
    case Errc::kTimeout:
    case Errc::kUnavailable:
    case Errc::kIo:
    case Errc::kInternal:
      return true;
    default:
      return false;
  }
}

Error Error::with_prefix(std::string prefix) && {
  return {code_, std::move(prefix) + ": " + message_};
}

Error error_from_errno(int error_number, std::string_view what) {
  Errc code = Errc::kIo;
  switch (error_number) {
    case ENOENT:
      code = Errc::kNotFound;
      break;
    case EEXIST:
      code = Errc::kAlreadyExists;
      break;
    case EACCES:
    case EPERM:
      code = Errc::kForbidden;
      break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      code = Errc::kExhausted;
      break;
    case ETIMEDOUT:
      code = Errc::kTimeout;
      break;
    case ECONNREFUSED:
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
      code = Errc::kUnavailable;
      break;
    case ENAMETOOLONG:
    case EINVAL:
      code = Errc::kInvalidArgument;
      break;
    case ENOSYS:
    case EOPNOTSUPP:
      code = Errc::kUnsupported;
      break;
    default:
      break;
  }
  return {code, fmt::format("{}: {}", what, std::strerror(error_number))};
}

}  // namespace vk8s::base
