#include "base/fuzz.h"
#include "base/text.h"
#include "cli/address_checks.h"

// A document as a Node, a pod, an allocation and a pool at once, and as what a Node's
// annotation may hold: whatever is found can be shown.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  cli::AddressRecords records;
  const Json node = JsonObject{
      {"metadata",
       JsonObject{{"name", "n"}, {"annotations", JsonObject{{api::kHeldIpsAnnotation, text}}}}}};
  records.held = cli::parse_held_addresses(node, records.unreadable_nodes);
  if (const auto document = base::parse_json(text)) {
    for (cli::HeldAddress& held : cli::parse_held_addresses(*document, records.unreadable_nodes)) {
      records.held.push_back(std::move(held));
    }
    records.calico = cli::parse_calico_block(*document);
    records.pods.push_back(cli::parse_addressed_pod(*document));
    records.allocations = cli::parse_allocations({*document});
    records.pools = cli::parse_pools({*document});
    if (auto cluster = api::parse_vk8s(*document)) {
      records.clusters.push_back(*std::move(cluster));
    }
  }
  for (const cli::AddressFinding& each : cli::check_addresses(records)) {
    for (const std::string& words : {each.finding.subject, each.finding.what, each.finding.fix}) {
      fuzz::require(base::printable(words, words.size()) == words, "a finding is safe to show");
    }
    fuzz::require(each.repair == cli::Repair::kNone ||
                      records.allocations.items.front().allocation == each.allocation,
                  "what is repaired is a record that was read");
  }
  return 0;
}
