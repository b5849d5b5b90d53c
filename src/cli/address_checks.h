// What `ip check` looks at: the records of addresses against the pools, the Vk8s
// objects, the pods of the host and what its nodes say. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/vk8s.h"
#include "cli/finding.h"
#include "cli/ip_verbs.h"

namespace vk8s::cli {

// A pod of the host as far as addresses go.
struct AddressedPod {
  std::string namespace_name;
  std::string name;
  std::string node;                 // where it runs; "" = nowhere yet
  std::string wanted;               // the address that it is to have; "" = any
  std::vector<std::string> actual;  // those it has
  bool has_ended = false;           // its network is gone

  std::string to_string() const { return namespace_name + "/" + name; }
};
AddressedPod parse_addressed_pod(const Json& pod);

// An address that a node says a pod on it holds.
struct HeldAddress {
  std::string node;
  std::string address;
  std::string pod;  // "team-a/demo-master-1-0"
};
// Of api::kHeldIpsAnnotation; `unreadable` where it is not as it should be.
std::vector<HeldAddress> parse_held_addresses(const Json& node,
                                              std::vector<std::string>& unreadable);

// An address that Calico's own IPAM says somebody has.
struct CalicoAddress {
  std::string address;
  std::string pod;     // "team-a/web-0"; "" = no pod's
  std::string holder;  // for people: "pod team-a/web-0 on node host-1"
};
// Of an IPAMBlock; nothing of one that is going, or cannot be read.
std::vector<CalicoAddress> parse_calico_block(const Json& block);

struct AddressRecords {
  Readable<ListedAllocation> allocations;
  Readable<api::IpPool> pools;
  std::vector<api::Vk8s> clusters;
  // Those that are there, whatever is in them: what they have is theirs.
  std::map<kube::ObjectKey, std::string> unreadable_clusters;  // and why
  std::vector<AddressedPod> pods;
  std::vector<HeldAddress> held;
  std::vector<std::string> unreadable_nodes;
  std::vector<CalicoAddress> calico;
  std::string calico_trouble;  // why there may be more; "" = these are all
};

// What can be done about a finding without harm: everything it touches is conditional
// on the record still being that very one.
enum class Repair {
  kNone,
  kRelease,      // mark it as given back
  kReleaseLeft,  // the same, once its Vk8s itself has said that it is not wanted
  kDelete,       // it is given back, and no pod has it
};

struct AddressFinding {
  Finding finding;
  Repair repair = Repair::kNone;
  api::IpAllocation allocation;  // that the repair is about
};
std::vector<AddressFinding> check_addresses(const AddressRecords& records);

}  // namespace vk8s::cli
