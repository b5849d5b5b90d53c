#include "agent/bootstrap_objects.h"
#include "agent/node_tracker.h"
#include "base/fuzz.h"

namespace {
using namespace vk8s;

const api::NodeConfig kConfig = {.node_name = "a-master-1", .offers_volumes = true};

void check_label(const Json& node) {
  const auto patch = agent::volumes_label_patch(kConfig, node);
  const JsonObject* labels = base::get_object(node, "metadata.labels");
  const Json* label = labels == nullptr ? nullptr : labels->if_contains(api::kVolumesLabel);
  fuzz::require(patch.has_value() != (label != nullptr && *label == Json("true")),
                "a label is written where it is not right");
}

}  // namespace

// The input is a Node, whose administrator may write into it whatever a Node takes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto node = base::parse_json(fuzz::text_of(data, size));
  if (!node) {
    return 0;
  }
  check_label(*node);
  const agent::NodeObservation observed = agent::observe_node(*node);
  fuzz::require(observed.exists, "a Node that is seen is there");
  const auto status = agent::summarize(kConfig, {}, observed, false);
  fuzz::require((status.phase == api::NodePhase::kReady) == observed.ready,
                "Ready is what the condition says");
  fuzz::require(status.node == kConfig.node_name, "a node keeps its name");
  fuzz::require(status.percent >= 0 && status.percent <= 100, "percent are percent");
  return 0;
}
