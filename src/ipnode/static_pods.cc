#include "ipnode/static_pods.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

#include "api/ip_allocation.h"

namespace vk8s::ipnode {
namespace {

std::string text_at(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// What of a pod decides where its address is.
Json keep_place(Json pod) {
  JsonObject annotations;
  if (const JsonObject* all = base::get_object(pod, "metadata.annotations")) {
    const std::string_view key = api::kIpAnnotation;
    if (const Json* wanted = all->if_contains({key.data(), key.size()})) {
      annotations[key] = *wanted;
    }
  }
  const kube::Projection keep =
      kube::keep_fields({"metadata.creationTimestamp", "spec.nodeName", "spec.hostNetwork",
                         "status.phase", "status.podIP", "status.podIPs"});
  Json out = keep(std::move(pod));
  if (!annotations.empty()) {
    out.get_object()["metadata"].get_object()["annotations"] = std::move(annotations);
  }
  return out;
}

bool has_address(const Json& pod, const std::string& address) {
  if (text_at(pod, "status.podIP") == address) {
    return true;
  }
  const JsonArray* all = base::get_array(pod, "status.podIPs");
  return all != nullptr && std::any_of(all->begin(), all->end(), [&](const Json& each) {
           return text_at(each, "ip") == address;
         });
}

std::optional<IpAddress> address_of(const Json& pod) {
  const JsonObject* annotations = base::get_object(pod, "metadata.annotations");
  const std::string_view key = api::kIpAnnotation;
  const Json* wanted =
      annotations == nullptr ? nullptr : annotations->if_contains({key.data(), key.size()});
  if (wanted == nullptr || !wanted->is_string()) {
    return std::nullopt;
  }
  const std::string phase = text_at(pod, "status.phase");
  const auto address = IpAddress::parse(std::string_view(wanted->get_string()));
  const bool counts = address && phase != "Succeeded" && phase != "Failed" &&
                      !base::get_bool(pod, "spec.hostNetwork").value_or(false) &&
                      !text_at(pod, "spec.nodeName").empty() &&
                      has_address(pod, address->to_string());
  return counts ? std::optional(*address) : std::nullopt;
}

// Greater comes first.
using Rank = std::tuple<bool, std::string, std::string>;
Rank rank_of(const Json& pod) {
  return {text_at(pod, "metadata.deletionTimestamp").empty(),
          text_at(pod, "metadata.creationTimestamp"), text_at(pod, "metadata.uid")};
}

}  // namespace

AddressesByNode static_addresses(const std::vector<kube::ObjectPtr>& pods) {
  std::map<IpAddress, const Json*> first;
  for (const kube::ObjectPtr& pod : pods) {
    const auto address = address_of(*pod);
    if (!address) {
      continue;
    }
    const Json*& known = first[*address];
    if (known == nullptr || rank_of(*known) < rank_of(*pod)) {
      known = pod.get();
    }
  }
  AddressesByNode out;
  for (const auto& [address, pod] : first) {
    out[text_at(*pod, "spec.nodeName")].push_back(address);
  }
  return out;
}

StaticPods::StaticPods(Timers& timers, kube::Client& client, Log log)
    : pods_(timers, client,
            {.resource = kube::resources::kPod,
             .label_selector = fmt::format("{}=true", api::kStaticIpLabel),
             .projection = keep_place},
            std::move(log)) {
  pods_.add_handlers(
      {.on_added = [this](const kube::ObjectPtr&) { tell(); },
       .on_updated = [this](const kube::ObjectPtr&, const kube::ObjectPtr&) { tell(); },
       .on_deleted = [this](const kube::ObjectPtr&) { tell(); }});
}

void StaticPods::tell() const {
  if (changed_) {
    changed_();
  }
}

}  // namespace vk8s::ipnode
