#include "addons/capacity_check.h"

#include <fmt/format.h>

#include <utility>

namespace vk8s::addons {
namespace {

constexpr int kPageSize = 250;

const JsonArray& items_of(const Json& list) {
  static const JsonArray kNone;
  const JsonArray* items = base::get_array(list, "items");
  return items == nullptr ? kNone : *items;
}

}  // namespace

CapacityCheck::CapacityCheck(kube::Client& client, std::shared_ptr<const ManifestSet> set)
    : client_(client), set_(std::move(set)) {}

void CapacityCheck::ask(Done done) {
  done_ = std::move(done);
  kube::ListOptions options;
  options.omit_managed_fields = true;
  call_ = client_.list(kube::resources::kNode, "", options,
                       [this](Result<Json> nodes) { take_nodes(std::move(nodes)); });
}

void CapacityCheck::take_nodes(Result<Json> nodes) {
  if (!nodes) {
    std::exchange(done_, nullptr)({});
    return;
  }
  capacity_ = free_capacity(*set_, items_of(*nodes), {});
  list_pods("");
}

// In pages: a cluster may have more pods than there is memory for here.
void CapacityCheck::list_pods(const std::string& continue_token) {
  kube::ListOptions options;
  options.omit_managed_fields = true;
  options.field_selector = "status.phase!=Succeeded,status.phase!=Failed";
  options.limit = kPageSize;
  options.continue_token = continue_token;
  call_ = client_.list(kube::resources::kPod, "", options,
                       [this](Result<Json> pods) { take_pods(std::move(pods)); });
}

void CapacityCheck::take_pods(Result<Json> pods) {
  std::vector<std::string> problems;
  if (pods) {
    capacity_.free += free_capacity(*set_, {}, items_of(*pods)).free;
    const auto next = base::get_string(*pods, "metadata.continue").value_or("");
    if (!next.empty()) {
      list_pods(std::string(next));
      return;
    }
    if (const auto shortage =
            describe_shortage(requests_of_set(*set_, capacity_.nodes), capacity_.free)) {
      problems.push_back(
          fmt::format("the cluster is too small: {}; add nodes, or make them larger", *shortage));
    }
  }
  std::exchange(done_, nullptr)(std::move(problems));
}

}  // namespace vk8s::addons
