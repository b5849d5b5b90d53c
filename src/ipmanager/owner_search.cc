#include "ipmanager/owner_search.h"

#include <algorithm>
#include <utility>

namespace vk8s::ipmanager {
namespace {

constexpr int kPage = 1000;

}  // namespace

Registration OwnerSearch::find(api::IpOwner owner, Callback callback) {
  auto question = std::make_shared<Question>();
  question->owner = std::move(owner);
  question->callback = std::move(callback);
  next_.push_back(question);
  if (asked_.empty()) {
    begin();
  }
  return Registration(std::move(question));
}

void OwnerSearch::begin() {
  asked_ = std::exchange(next_, {});
  if (!asked_.empty()) {
    read_page("");
  }
}

void OwnerSearch::read_page(const std::string& continue_token) {
  call_ =
      client_.list(kube::resources::kIPAllocation, "",
                   {.limit = kPage, .continue_token = continue_token, .omit_managed_fields = true},
                   [this](const Result<Json>& list) { take_page(list); });
}

void OwnerSearch::take_page(const Result<Json>& list) {
  if (!list) {
    end(tl::unexpected<Error>(list.error()));
    return;
  }
  std::erase_if(asked_, [](const auto& question) { return question.expired(); });
  const JsonArray* items = base::get_array(*list, "items");
  for (const Json& item : items == nullptr ? JsonArray() : *items) {
    const auto allocation = api::parse_ip_allocation(item);
    if (!allocation || !allocation->owner) {
      continue;
    }
    for (const auto& weak : asked_) {
      const auto question = weak.lock();
      if (question && question->owner.is_same(*allocation->owner)) {
        question->found.push_back(*allocation);
      }
    }
  }
  const std::string next(base::get_string(*list, "metadata.continue").value_or(""));
  if (next.empty() || asked_.empty()) {
    end({});
  } else {
    read_page(next);
  }
}

void OwnerSearch::end(const Status& status) {
  // Who asks from inside is in the next one.
  const auto asked = asked_;
  for (const auto& weak : asked) {
    if (const auto question = weak.lock()) {
      question->callback(status ? Result<std::vector<api::IpAllocation>>(std::move(question->found))
                                : tl::unexpected<Error>(status.error()));
    }
  }
  asked_.clear();
  begin();
}

}  // namespace vk8s::ipmanager
