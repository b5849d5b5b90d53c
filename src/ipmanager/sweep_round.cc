#include "ipmanager/sweep_round.h"

#include "ipmanager/allocator_core.h"
#include "kube/not_found.h"
#include "kube/request_path.h"

namespace vk8s::ipmanager {
namespace {

namespace resources = kube::resources;

constexpr int kPodPage = 500;

}  // namespace

void PodsWithAddresses::add(const Json& pod) {
  const kube::ObjectKey key = kube::key_of(pod);
  const std::string name = key.namespace_name + "/" + key.name;
  // Not by a dotted path: annotations hold dots.
  const JsonObject* annotations = base::get_object(pod, "metadata.annotations");
  const Json* wish =
      annotations == nullptr ? nullptr : annotations->if_contains(api::kIpAnnotation);
  if (wish != nullptr && wish->is_string()) {
    add(name, wish->get_string());
  }
  const auto phase = base::get_string(pod, "status.phase");
  if (phase == "Succeeded" || phase == "Failed" ||
      base::get_bool(pod, "spec.hostNetwork").value_or(false)) {
    return;
  }
  add(name, base::get_string(pod, "status.podIP").value_or(""));
  const JsonArray* addresses = base::get_array(pod, "status.podIPs");
  for (const Json& each : addresses == nullptr ? JsonArray() : *addresses) {
    add(name, base::get_string(each, "ip").value_or(""));
  }
}

void PodsWithAddresses::add(const std::string& pod, std::string_view address) {
  if (const auto parsed = IpAddress::parse(address)) {
    carried_.insert(*parsed);
    by_pod_.emplace(pod, *parsed);
  }
}

bool PodsWithAddresses::carries(const api::IpOwner& owner, const IpAddress& address) const {
  return by_pod_.contains({owner.to_string(), address});
}

bool PodsWithAddresses::is_carried(const IpAddress& address) const {
  return carried_.contains(address);
}

SweepRound::SweepRound(kube::Client& client, Log log, SweepPlan plan,
                       std::function<void(std::size_t)> done)
    : client_(client), log_(std::move(log)), plan_(std::move(plan)), done_(std::move(done)) {}

SweepRound::ClusterKey SweepRound::cluster_of(const api::IpAllocation& allocation) {
  const api::IpOwner owner = allocation.owner.value_or(api::IpOwner());
  return {owner.namespace_name, owner.cluster, owner.cluster_uid};
}

void SweepRound::start() { look_for_clusters(); }

void SweepRound::look_for_clusters() {
  for (const api::IpAllocation& allocation : plan_.of_clusters) {
    unknown_.insert(cluster_of(allocation));
  }
  waiting_ = unknown_.size();
  if (unknown_.empty()) {
    list_pods("");
    return;
  }
  for (const ClusterKey& key : unknown_) {
    calls_.push_back(
        client_.get(resources::kVk8s, {.namespace_name = key.namespace_name, .name = key.name},
                    [this, key](const Result<Json>& vk8s) { take_cluster(key, vk8s); }));
  }
}

void SweepRound::take_cluster(const ClusterKey& key, const Result<Json>& vk8s) {
  if (vk8s ? base::get_string(*vk8s, "metadata.uid") != key.uid
           : kube::says_it_is_gone(vk8s.error(), key.name)) {
    gone_.insert(key);
  }
  if (--waiting_ == 0) {
    list_pods("");
  }
}

void SweepRound::list_pods(const std::string& continue_token) {
  if (plan_.releasing.empty() && plan_.crowded.empty() && gone_.empty()) {
    end_if_idle();
    return;
  }
  // All of them: a label is what its author makes it, and no CNI plugin asks for one.
  list_call_ = client_.list(
      resources::kPod, "",
      {.limit = kPodPage, .continue_token = continue_token, .omit_managed_fields = true},
      [this](const Result<Json>& list) { take_pods(list); });
}

void SweepRound::take_pods(const Result<Json>& list) {
  if (!list) {
    log_.warning("nothing is swept: the pods cannot be listed",
                 {{"error", list.error().message()}});
    end_if_idle();
    return;
  }
  const JsonArray* items = base::get_array(*list, "items");
  for (const Json& pod : items == nullptr ? JsonArray() : *items) {
    pods_.add(pod);
  }
  const std::string next(base::get_string(*list, "metadata.continue").value_or(""));
  if (next.empty()) {
    act();
  } else {
    list_pods(next);
  }
}

void SweepRound::act() {
  list_call_.cancel();
  calls_.clear();
  for (const api::IpAllocation& allocation : plan_.releasing) {
    if (!pods_.is_carried(allocation.address)) {
      remove(allocation);
    }
  }
  for (const api::IpAllocation& allocation : plan_.of_clusters) {
    // By the address, not by the pod's name: a later Vk8s may have a pod of that name.
    if (gone_.contains(cluster_of(allocation)) && !pods_.is_carried(allocation.address)) {
      release(allocation, "its Vk8s is gone");
    }
  }
  for (const auto& claims : plan_.crowded) {
    const auto carried =
        std::find_if(claims.begin(), claims.end(), [this](const api::IpAllocation& claim) {
          return pods_.carries(*claim.owner, claim.address);
        });
    keep_one(claims, carried == claims.end() ? claims.front() : *carried);
  }
  end_if_idle();
}

// The others go only while that one is surely there: by now its owner may have released
// it, and have been given one of them.
void SweepRound::keep_one(const std::vector<api::IpAllocation>& claims,
                          const api::IpAllocation& stands) {
  ++waiting_;
  calls_.push_back(client_.get(
      resources::kIPAllocation, key_of(stands.address),
      [this, &claims, uid = stands.uid](const Result<Json>& object) {
        --waiting_;
        const auto live = object ? api::parse_ip_allocation(*object)
                                 : Result<api::IpAllocation>(tl::unexpected(object.error()));
        for (const api::IpAllocation& claim : claims) {
          if (live && live->uid == uid && !live->releasing && claim.uid != uid) {
            release(claim, "its pod has another address");
          }
        }
        end_if_idle();
      }));
}

void SweepRound::release(const api::IpAllocation& allocation, const char* why) {
  const JsonObject patch{{"metadata", JsonObject{{"resourceVersion", allocation.resource_version}}},
                         {"spec", JsonObject{{"releasing", true}}}};
  ++waiting_;
  calls_.push_back(client_.merge_patch(resources::kIPAllocation, key_of(allocation.address), patch,
                                       [this, allocation, why](const Result<Json>& answer) {
                                         take_written(allocation, why, answer);
                                       }));
}

void SweepRound::remove(const api::IpAllocation& allocation) {
  ++waiting_;
  calls_.push_back(
      client_.remove(resources::kIPAllocation, key_of(allocation.address),
                     {.uid = allocation.uid, .resource_version = allocation.resource_version},
                     [this, allocation](const Result<Json>& answer) {
                       take_written(allocation, "no pod has it", answer);
                     }));
}

void SweepRound::take_written(const api::IpAllocation& allocation, const char* why,
                              const Result<Json>& answer) {
  --waiting_;
  if (answer) {
    ++acts_;
    log_.info(allocation.releasing ? "freed" : "released",
              {{"address", allocation.address.to_string()},
               {"owner", allocation.owner ? allocation.owner->to_string() : "nobody"},
               {"why", why}});
  } else if (answer.error().code() != Errc::kConflict && answer.error().code() != Errc::kNotFound) {
    log_.warning("not swept", {{"address", allocation.address.to_string()},
                               {"error", answer.error().message()}});
  }
  end_if_idle();
}

void SweepRound::end_if_idle() {
  if (waiting_ == 0 && done_) {
    std::exchange(done_, nullptr)(acts_);
  }
}

}  // namespace vk8s::ipmanager
