#include "api/from_spec.h"
#include "base/fuzz.h"
#include "controller/node_metadata.h"

namespace {
using namespace vk8s;

// RFC 7396, as the API server does it.
Json merged(Json target, const Json& patch) {
  if (!patch.is_object()) {
    return patch;
  }
  if (!target.is_object()) {
    target = JsonObject();
  }
  for (const auto& [key, value] : patch.get_object()) {
    if (value.is_null()) {
      target.get_object().erase(key);
    } else {
      Json& member = target.get_object()[key];
      member = merged(std::move(member), value);
    }
  }
  return target;
}

void check(const api::NodeSpec& wanted, const Json& node) {
  const auto patch = controller::node_metadata_patch(wanted, node);
  if (!patch) {
    return;
  }
  for (const auto& [key, value] : patch->get_object()) {
    fuzz::require(key == "metadata" || key == "spec", "nothing else is patched");
  }
  for (const auto& [key, value] : patch->at("metadata").get_object()) {
    fuzz::require(key == "labels" || key == "annotations" || key == "resourceVersion",
                  "of the metadata, labels and the note");
  }
  if (const JsonObject* spec = base::get_object(*patch, "spec")) {
    fuzz::require(spec->size() == 1 && spec->contains("taints"), "of the spec, taints");
  }
  if (const JsonObject* annotations = base::get_object(*patch, "metadata.annotations")) {
    fuzz::require(annotations->size() == 1 && annotations->contains(api::kFromSpecAnnotation),
                  "of the annotations, the note");
  }
  if (const JsonObject* labels = base::get_object(*patch, "metadata.labels")) {
    for (const auto& [key, value] : *labels) {
      fuzz::require(!value.is_null() || !std::string_view(key).starts_with("kubernetes.io/"),
                    "what Kubernetes keeps stays");
    }
  }
  const Json after = merged(node, *patch);
  fuzz::require(!controller::node_metadata_patch(wanted, after), "one patch is enough");
}

}  // namespace

// The input is a Node of a virtual cluster.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto node = base::parse_json(fuzz::text_of(data, size));
  if (!node || !node->is_object()) {
    return 0;
  }
  api::NodeSpec wanted;
  check(wanted, *node);
  wanted.labels = {{"zone", "a"}, {"disk", ""}};
  wanted.taints = {{"gpu", "", "NoSchedule"}, {"edge", "x", "NoExecute"}};
  check(wanted, *node);
  return 0;
}
