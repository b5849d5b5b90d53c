// The program vk8s-ip-manager: what its flags say, and its run.
#pragma once

#include <string>

#include "base/log.h"
#include "ipmanager/service.h"

namespace vk8s::ipmanager {

struct ProgramOptions {
  std::string kubeconfig;  // "" = the ServiceAccount of the pod it runs in
  ServiceOptions service;
};

// Until SIGTERM or SIGINT. The process's exit status.
int run(const ProgramOptions& options, const Log& log);

}  // namespace vk8s::ipmanager
