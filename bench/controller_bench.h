// The controller with many clusters and an agent for each of their nodes.
#pragma once

#include <ostream>
#include <string>

#include "base/error.h"

namespace vk8s::bench {

struct ControllerBenchOptions {
  std::string program;  // vk8s-controller
  int clusters = 1000;  // of two nodes
  // Some periods of the controller's polls (about 34 s), which come in waves when
  // nodes became Ready together: a window of one period may see half of them.
  int idle_seconds = 120;
};

// Figures "reconcile_rate" (clusters a second, from the start of the controller
// until all clusters that wait for it have their objects and a status), and with
// all nodes Ready and settled "controller_rss_<clusters>" and
// "controller_idle_cpu_<clusters>".
Status bench_controller(const ControllerBenchOptions& options, std::ostream& out);

}  // namespace vk8s::bench
