#include "controller/api_reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace vk8s::controller {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ApiReference, HasATableForEachObjectAndALinkToIt) {
  const std::string text = api_reference();
  EXPECT_THAT(text, HasSubstr("\n## spec\n"));
  EXPECT_THAT(text, HasSubstr("| `nodes` | list of [object](#specnodes) | **Required.**"));
  EXPECT_THAT(text, HasSubstr("\n### spec.nodes[]\n"));
  EXPECT_THAT(text, HasSubstr("\n### spec.nodes[].storage\n"));
  EXPECT_THAT(text, HasSubstr("\n### status.conditions[]\n"));
}

TEST(ApiReference, TellsTypesDefaultsChoicesAndRules) {
  const std::string text = api_reference();
  EXPECT_THAT(text, HasSubstr("| `size` | quantity |"));
  EXPECT_THAT(text, HasSubstr("| `limits` | map of quantity |"));
  EXPECT_THAT(text, HasSubstr("Default: `100.72.0.0/16`."));
  EXPECT_THAT(text, HasSubstr("One of `Delete`, `Retain`."));
  EXPECT_THAT(text, HasSubstr("- spec.kubernetes.podNetworkCidr is immutable\n"));
  EXPECT_THAT(text, HasSubstr("- spec.network.upstreamDNS[] must be an IP address\n"));
}

TEST(ApiReference, LeavesNoCellThatMarkdownWouldTakeForMarkup) {
  const std::string text = api_reference();
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.starts_with("| ") && !line.starts_with("| `<node name>`")) {
      EXPECT_THAT(std::string(line), Not(HasSubstr(" <"))) << line;
    }
  }
}

}  // namespace
}  // namespace vk8s::controller
