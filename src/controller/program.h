// The program vk8s-controller: what its flags say, and its run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/log.h"
#include "controller/cluster.h"

namespace vk8s::controller {

struct ProgramOptions {
  std::string kubeconfig;  // "" = the ServiceAccount of the pod it runs in
  std::string metrics_address = "127.0.0.1:10301";
  bool leader_elect = false;
  Settings settings;
};

// Until SIGTERM or SIGINT, or until another replica leads. The process's exit status.
int run(const ProgramOptions& options, const Log& log);

}  // namespace vk8s::controller
