// In which order the objects of a set are applied: a graph of what each one needs.
// Pure; the README says which needs there are and why.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addons/manifest_set.h"
#include "kube/client.h"

namespace vk8s::addons {

struct Need {
  enum class Kind {
    kApplied,    // the item is there as it is to be
    kReady,      // and is as ready as its kind can be (readiness.h)
    kEndpoints,  // the Service, of the set or not, has a ready endpoint
  };
  Kind kind = Kind::kApplied;
  std::size_t item = 0;     // of kApplied and kReady: index into the set's manifests
  kube::ObjectKey service;  // of kEndpoints
  bool operator==(const Need&) const = default;
};

// A wait for a webhook, an aggregated API or a conversion that was given up because
// that itself waits for the item.
struct DroppedNeed {
  std::size_t item = 0;
  Need need;
};

struct Plan {
  std::shared_ptr<const ManifestSet> set;
  std::string digest;                     // of the set
  std::vector<std::vector<Need>> needs;   // of each manifest
  std::vector<std::size_t> order;         // who goes first of those that can
  std::vector<kube::ObjectKey> services;  // all whose endpoints somebody needs
  std::vector<DroppedNeed> dropped;
  // What one cluster has in the place of the set's objects, under the same identities.
  std::map<std::size_t, Manifest> own;

  // The set's: for who asks no more than which objects there are.
  const std::vector<Manifest>& manifests() const { return set->manifests(); }
  const Manifest& manifest(std::size_t item) const {
    const auto at = own.find(item);
    return at == own.end() ? manifests()[item] : at->second;
  }
};

std::shared_ptr<const Plan> make_plan(std::shared_ptr<const ManifestSet> set);

}  // namespace vk8s::addons
