#include "cli/finding.h"

#include "base/text.h"

namespace vk8s::cli {

std::string_view to_string(FindingLevel level) {
  switch (level) {
    case FindingLevel::kOk:
      return "OK";
    case FindingLevel::kWarn:
      return "WARN";
    case FindingLevel::kFail:
      return "FAIL";
  }
  return "?";
}

Finding unknown(std::string subject, const Error& error) {
  const bool refused = error.code() == Errc::kForbidden || error.code() == Errc::kUnauthorized;
  return warn(std::move(subject), "not known: " + base::printable(error.message(), 512),
              refused ? "ask an administrator of the host to run this" : "try again");
}

}  // namespace vk8s::cli
