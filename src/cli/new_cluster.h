// A Vk8s object from the flags of `create`. Pure.
#pragma once

#include <string>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::cli {

struct NewCluster {
  std::string namespace_name;  // "" = left out
  std::string name;
  std::string version;  // "" = the newest there is
  int workers = 0;
  std::string cpu;  // limits of each node; "" = none
  std::string memory;
  std::string storage;  // of each node's volume; "" = the API's default
  std::string storage_class;
  bool ephemeral = false;   // no volumes
  bool static_ips = false;  // every node keeps its address
  std::string ip_pool;      // of which VNodeIPPool; "" = any
};

// Nodes are named <name>-master-1, <name>-worker-1, ... kInvalidArgument names the
// flag, what it was given, and what it takes; kUnsupported an unknown version.
Result<Json> make_vk8s(const NewCluster& wanted);

}  // namespace vk8s::cli
