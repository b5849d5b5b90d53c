// What the pods of a virtual cluster have on the machine beside their objects: processes, cgroups,
// mounts, network interfaces and folders, in the nodes of the embedded host.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "e2e/host.h"

namespace vk8s::e2e {

class Traces {
 public:
  // Of the pods and claims that are there now, by names that nothing else on the machine has.
  // An error where a running pod's processes, network or interface are not found: then nothing that
  // is looked for later would be either.
  static Result<Traces> of(const Host& host, const std::string& namespace_name,
                           const std::string& cluster);
  // What is still there, a line each.
  std::vector<std::string> left() const;

 private:
  struct Interface {
    std::string network_namespace;
    std::string name;
    auto operator<=>(const Interface&) const = default;
  };

  Status add_pod(const Host& host, const Json& pod);
  // Whether there is any.
  bool add_networks(const std::set<std::string>& networks);
  Status add_interface(const Host& host, const std::string& pod_address);
  void add_claim(const Host& host, const Json& claim);
  bool has_mark(std::string_view text) const;
  std::vector<std::string> processes() const;
  std::vector<std::string> mounts() const;
  std::vector<std::string> cgroups() const;
  std::vector<std::string> interfaces() const;
  std::vector<std::string> folders() const;

  // uids of pods, ids of their containers and sandboxes, names of their networks' files.
  std::set<std::string> marks_;
  std::set<Interface> interfaces_;
  std::set<std::string> folders_;
};

}  // namespace vk8s::e2e
