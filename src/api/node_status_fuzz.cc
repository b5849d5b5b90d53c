#include "api/node_status.h"
#include "base/fuzz.h"
#include "base/names.h"
#include "base/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto status = api::parse_node_status(fuzz::text_of(data, size));
  if (!status) {
    return 0;
  }
  fuzz::require(base::is_dns_label(status->node), "a node has a name");
  fuzz::require(status->percent >= 0 && status->percent <= 100, "percents are in their range");
  fuzz::require(status->components.size() <= api::kMaxComponents, "components are few");
  const auto is_shown = [](const std::string& text, std::size_t max_bytes) {
    return text.size() <= max_bytes && base::printable(text, max_bytes) == text;
  };
  fuzz::require(is_shown(status->step, api::kMaxStepBytes) &&
                    is_shown(status->message, api::kMaxMessageBytes) &&
                    is_shown(status->kubelet_version, 63),
                "texts may be shown");
  for (const api::ComponentStatus& component : status->components) {
    fuzz::require(component.last_lines.size() <= api::kMaxLastLines, "lines are few");
    for (const std::string& line : component.last_lines) {
      fuzz::require(is_shown(line, api::kMaxLineBytes), "lines may be shown");
    }
  }
  const std::string written = base::to_string(api::to_json(*status));
  fuzz::require(written.size() <= api::kMaxStatusBytes, "a status is within its limit");
  const auto again = api::parse_node_status(written);
  fuzz::require(again && *again == *status, "a status survives the round trip");
  return 0;
}
