#include "kube/selector.h"

#include "base/text.h"

namespace vk8s::kube {
namespace {

// Cuts at commas outside of parentheses.
std::vector<std::string_view> split_requirements(std::string_view text) {
  std::vector<std::string_view> parts;
  std::size_t start = 0;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    depth += text[i] == '(' ? 1 : text[i] == ')' ? -1 : 0;
    if (text[i] == ',' && depth == 0) {
      parts.push_back(text.substr(start, i - start));
      start = i + 1;
    }
  }
  parts.push_back(text.substr(start));
  return parts;
}

bool is_word(std::string_view text) {
  return !text.empty() && text.find_first_of(" ,()=!<>") == std::string_view::npos;
}

}  // namespace

Result<Selector::Requirement> Selector::parse_requirement(std::string_view text) {
  text = base::trim(text);
  const auto refuse = [text] {
    return fail(Errc::kInvalidArgument, "label selector: \"{}\" is not a requirement",
                base::printable(text, 128));
  };
  if (text.starts_with('!')) {
    const std::string_view key = base::trim(text.substr(1));
    return is_word(key) ? Result<Requirement>({std::string(key), Operator::kAbsent, {}}) : refuse();
  }
  if (const std::size_t at = text.find('='); at != std::string_view::npos) {
    const bool is_not = at > 0 && text[at - 1] == '!';
    const bool is_double = at + 1 < text.size() && text[at + 1] == '=';
    const std::string_view key = base::trim(text.substr(0, is_not ? at - 1 : at));
    const std::string_view value = base::trim(text.substr(at + (is_double && !is_not ? 2 : 1)));
    if (!is_word(key) || (!value.empty() && !is_word(value))) {
      return refuse();
    }
    return Requirement{
        std::string(key), is_not ? Operator::kNotIn : Operator::kIn, {std::string(value)}};
  }
  const std::size_t open = text.find('(');
  if (open == std::string_view::npos) {
    return is_word(text) ? Result<Requirement>({std::string(text), Operator::kExists, {}})
                         : refuse();
  }
  const auto words = base::split(base::trim(text.substr(0, open)), ' ');
  if (words.size() != 2 || !is_word(words[0]) || !text.ends_with(')') ||
      (words[1] != "in" && words[1] != "notin")) {
    return refuse();
  }
  Requirement requirement{
      std::string(words[0]), words[1] == "in" ? Operator::kIn : Operator::kNotIn, {}};
  for (const std::string_view value :
       base::split(text.substr(open + 1, text.size() - open - 2), ',')) {
    requirement.values.emplace(base::trim(value));
  }
  return requirement;
}

Result<Selector> Selector::parse(std::string_view text) {
  Selector selector;
  if (base::trim(text).empty()) {
    return selector;
  }
  for (const std::string_view part : split_requirements(text)) {
    selector.requirements_.push_back(VK8S_TRY(parse_requirement(part)));
  }
  return selector;
}

std::vector<std::string> Selector::keys() const {
  std::vector<std::string> result;
  for (const Requirement& requirement : requirements_) {
    result.push_back(requirement.key);
  }
  return result;
}

bool Selector::matches(const std::map<std::string, std::string>& labels) const {
  for (const Requirement& requirement : requirements_) {
    const auto found = labels.find(requirement.key);
    const bool is_in = found != labels.end() && requirement.values.contains(found->second);
    bool holds = false;
    switch (requirement.operation) {
      case Operator::kIn:
        holds = is_in;
        break;
      case Operator::kNotIn:
        holds = !is_in;
        break;
      case Operator::kExists:
        holds = found != labels.end();
        break;
      case Operator::kAbsent:
        holds = found == labels.end();
        break;
    }
    if (!holds) {
      return false;
    }
  }
  return true;
}

}  // namespace vk8s::kube
