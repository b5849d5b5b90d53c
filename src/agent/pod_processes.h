// Ends the containers of a node's pods, as the runtime would: SIGTERM to each
// container's first process, SIGKILL to what is left at the deadline.
//
// The runtime's own way (CRI StopContainer) would need a gRPC client in PID 1;
// the kernel knows the same facts: a pod's processes are those in the kubepods
// cgroup, and a container's first one is that whose parent is not.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"

namespace vk8s::agent {

struct PodProcess {
  int pid = 0;
  int parent = 0;
  std::string name;  // /proc/<pid>/comm
};

// Processes in a cgroup named kubepods or below one. proc is "/proc" but in tests.
std::vector<PodProcess> list_pod_processes(const std::string& proc = "/proc");

// Whom to ask to end now: the containers' first processes; the sandboxes' own
// ("pause") only when nothing else is left, for it may hold the others' PID
// namespace. Pure.
std::vector<int> choose_to_terminate(const std::vector<PodProcess>& processes);

// One thread: the loop's.
class PodStopper {
 public:
  PodStopper(Timers& timers, Log log) : timers_(timers), log_(std::move(log)) {}

  // Calls back once, when no process of a pod is left or the deadline has passed
  // and all have been killed.
  void stop(std::chrono::milliseconds deadline, std::function<void()> stopped);

 private:
  void step();

  Timers& timers_;
  Log log_;
  Timers::TimePoint deadline_;
  std::vector<int> asked_;
  std::function<void()> stopped_;
  Registration next_;
};

}  // namespace vk8s::agent
