// Label selectors as text ("app=a,tier in (b, c),!old"). Source: apimachinery
// pkg/labels. Pure; bytes of others.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::kube {

class Selector {
 public:
  // "" selects everything.
  static Result<Selector> parse(std::string_view text);

  // The keys its requirements speak of.
  std::vector<std::string> keys() const;
  bool matches(const std::map<std::string, std::string>& labels) const;

 private:
  enum class Operator { kIn, kNotIn, kExists, kAbsent };
  struct Requirement {
    std::string key;
    Operator operation;
    std::set<std::string> values;
  };
  static Result<Requirement> parse_requirement(std::string_view text);

  std::vector<Requirement> requirements_;
};

}  // namespace vk8s::kube
