#include "cli/finding_view.h"

#include <algorithm>

#include "base/text.h"

namespace vk8s::cli {

std::size_t count_failures(const Findings& findings) {
  return static_cast<std::size_t>(
      std::count_if(findings.begin(), findings.end(),
                    [](const Finding& finding) { return finding.level == FindingLevel::kFail; }));
}

void print_findings(Session& session, const Findings& findings) {
  std::size_t width = 0;
  for (const Finding& finding : findings) {
    width = std::max(width, finding.subject.size());
  }
  for (const Finding& finding : findings) {
    std::string_view separator = "";
    std::string what;
    for (const std::string_view line : base::split(finding.what, '\n')) {
      what += std::string(separator) + base::printable(line);
      separator = "; ";
    }
    session.print(fmt::format("{:<4}  {:<{}}  {}", to_string(finding.level),
                              base::printable(finding.subject), width, what));
    if (!finding.fix.empty()) {
      session.print(
          fmt::format("{:<4}  {:<{}}  -> {}", "", "", width, base::printable(finding.fix)));
    }
  }
}

Json to_json(const Findings& findings) {
  JsonArray out;
  for (const Finding& finding : findings) {
    out.push_back(JsonObject{{"level", to_string(finding.level)},
                             {"subject", finding.subject},
                             {"what", finding.what},
                             {"fix", finding.fix}});
  }
  return JsonObject{{"ok", count_failures(findings) == 0}, {"findings", std::move(out)}};
}

}  // namespace vk8s::cli
