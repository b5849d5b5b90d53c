// What `doctor` finds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::cli {

enum class FindingLevel { kOk, kWarn, kFail };
std::string_view to_string(FindingLevel level);  // "OK", "WARN", "FAIL"

struct Finding {
  FindingLevel level = FindingLevel::kOk;
  std::string subject;  // "default StorageClass"
  std::string what;     // safe to show
  std::string fix;      // what to do; "" where there is nothing to do
};
using Findings = std::vector<Finding>;

inline Finding ok(std::string subject, std::string what) {
  return {FindingLevel::kOk, std::move(subject), std::move(what), ""};
}
inline Finding warn(std::string subject, std::string what, std::string fix) {
  return {FindingLevel::kWarn, std::move(subject), std::move(what), std::move(fix)};
}
inline Finding bad(std::string subject, std::string what, std::string fix) {
  return {FindingLevel::kFail, std::move(subject), std::move(what), std::move(fix)};
}

// A check that could not be made: it may be all right.
Finding unknown(std::string subject, const Error& error);

}  // namespace vk8s::cli
