#include "kube/api_error.h"

#include "base/text.h"

namespace vk8s::kube {
namespace {

constexpr std::size_t kMaxMessageBytes = 2048;

Errc code_of(std::int64_t status, std::string_view reason) {
  switch (status) {
    case 400:
    case 406:
    case 422:
      return Errc::kInvalidArgument;
    case 401:
      return Errc::kUnauthorized;
    case 403:
      return Errc::kForbidden;
    case 404:
      return Errc::kNotFound;
    case 405:
    case 415:
      return Errc::kUnsupported;
    case 409:
      return reason == "AlreadyExists" ? Errc::kAlreadyExists : Errc::kConflict;
    case 410:
      return Errc::kGone;
    case 413:
      return Errc::kTooLarge;
    case 429:
      return Errc::kTooManyRequests;
    case 408:
    case 504:
      return Errc::kTimeout;
    case 502:
    case 503:
      return Errc::kUnavailable;
    default:
      break;
  }
  if (reason == "Expired" || reason == "Gone") {
    return Errc::kGone;
  }
  return Errc::kInternal;
}

std::string_view advice(Errc code) {
  switch (code) {
    case Errc::kUnauthorized:
      return "; check the client's certificate or token";
    case Errc::kTooManyRequests:
      return "; the server is overloaded, retry later";
    default:
      return "";
  }
}

}  // namespace

Error error_from_status(const Json& status) {
  const std::int64_t number = base::get_int(status, "code").value_or(500);
  const std::string_view reason = base::get_string(status, "reason").value_or("");
  const std::string_view message = base::get_string(status, "message").value_or("no message");
  const Errc code = code_of(number, reason);
  return {code, fmt::format("{} ({}{}{}){}", base::printable(message, kMaxMessageBytes), number,
                            reason.empty() ? "" : " ", base::printable(reason, 64), advice(code))};
}

Error error_from_response(int http_status, std::string_view body) {
  if (const auto status = base::parse_json(body, 1U << 20U);
      status && base::get_string(*status, "kind") == "Status" &&
      base::get_int(*status, "code") == http_status) {
    return error_from_status(*status);
  }
  const Errc code = code_of(http_status, "");
  const std::string text = base::printable(base::trim(body), 256);
  return {code, fmt::format("HTTP status {}{}{}{}", http_status, text.empty() ? "" : ": ", text,
                            advice(code))};
}

}  // namespace vk8s::kube
