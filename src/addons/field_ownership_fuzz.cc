#include "addons/apply_decision.h"
#include "addons/field_ownership.h"
#include "addons/kind_resolver.h"
#include "addons/readiness.h"
#include "base/fuzz.h"

using namespace vk8s;

// An object as an API server gives it: what is read of it by whoever applies and waits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto live = base::parse_json(fuzz::text_of(data, size));
  if (!live) {
    return 0;
  }
  const Json wanted{
      {"apiVersion", "apps/v1"},
      {"kind", "Deployment"},
      {"metadata", {{"name", "a"}, {"namespace", "b"}}},
      {"spec", {{"replicas", 1}, {"containers", JsonArray{Json{{"name", "c"}, {"image", "i"}}}}}}};
  const addons::OwnershipSplit split = addons::split_by_ownership(wanted, *live, "vk8s-addons");
  fuzz::require(addons::is_within(split.object, wanted), "nothing is added to what is wanted");
  addons::owns_all(wanted, *live, "vk8s-addons");
  const auto decision = addons::decide(wanted, *live, "demo");
  fuzz::require(decision.action != addons::ApplyAction::kApply || decision.object.is_object(),
                "what is applied is an object");
  for (const char* kind : {"Deployment", "StatefulSet", "DaemonSet", "Job"}) {
    const std::string group = std::string_view(kind) == "Job" ? "batch" : "apps";
    const auto readiness = addons::readiness_of({group, kind, "b", "a"}, *live, 1);
    fuzz::require(readiness.is_ready || !readiness.message.empty(), "who waits says for what");
  }
  for (const auto& [kind, resource] : addons::parse_resource_list({"example.org", "v1"}, *live)) {
    fuzz::require(resource.plural.find('/') == std::string::npos, "a plural is a part of a path");
  }
  return 0;
}
