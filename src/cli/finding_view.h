// Findings, as `doctor` and `ip check` print them.
#pragma once

#include "base/json.h"
#include "cli/finding.h"
#include "cli/session.h"

namespace vk8s::cli {

void print_findings(Session& session, const Findings& findings);
// {"ok": ..., "findings": [...]}: ok unless one is FAIL.
Json to_json(const Findings& findings);
std::size_t count_failures(const Findings& findings);

}  // namespace vk8s::cli
