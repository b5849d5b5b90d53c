#include <algorithm>

#include "base/fuzz.h"
#include "base/names.h"
#include "base/text.h"
#include "controller/node_drain.h"

// The input is a PodList of a virtual cluster's API server.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto list = base::parse_json(fuzz::text_of(data, size));
  if (!list) {
    return 0;
  }
  const JsonArray* items = base::get_array(*list, "items");
  const auto to_remove = controller::pods_to_evict(*list, controller::Drain::kToRemove);
  const auto to_replace = controller::pods_to_evict(*list, controller::Drain::kToReplace);
  fuzz::require(to_remove.size() <= (items == nullptr ? 0 : items->size()),
                "no pod but those of the list");
  for (const controller::PodToEvict& pod : to_remove) {
    fuzz::require(
        base::is_dns_label(pod.key.namespace_name) && base::is_dns_subdomain(pod.key.name),
        "pods have names of pods");
    fuzz::require(base::printable(pod.key.name) == pod.key.name, "names may be shown");
  }
  for (const controller::PodToEvict& pod : to_replace) {
    fuzz::require(std::any_of(to_remove.begin(), to_remove.end(),
                              [&](const auto& other) { return other.key == pod.key; }),
                  "what goes before a node is replaced goes before it is removed");
  }
  return 0;
}
