#include "agent/pod_processes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <optional>

#include "base/text.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(50);
constexpr std::string_view kPause = "pause";

bool is_in_pod(const std::string& proc_cgroup) {
  const auto groups = sys::parse_proc_cgroup(proc_cgroup);
  return groups && std::any_of(groups->begin(), groups->end(), [](const auto& group) {
           return group.second.find("/kubepods") != std::string::npos;
         });
}

// "<pid> (<comm>) <state> <ppid> ...": the name may hold anything, ')' as well.
std::optional<PodProcess> parse_stat(const std::string& stat) {
  const std::size_t open = stat.find('(');
  const std::size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close < open) {
    return std::nullopt;
  }
  PodProcess process{.name = stat.substr(open + 1, close - open - 1)};
  std::from_chars(stat.data(), stat.data() + open, process.pid);
  const auto fields = base::split(base::trim(std::string_view(stat).substr(close + 1)), ' ');
  if (fields.size() < 2 || fields[0] == "Z") {
    return std::nullopt;
  }
  std::from_chars(fields[1].data(), fields[1].data() + fields[1].size(), process.parent);
  return process;
}

}  // namespace

std::vector<PodProcess> list_pod_processes(const std::string& proc) {
  std::vector<PodProcess> processes;
  const auto names = sys::list_directory(proc);
  if (!names) {
    return processes;
  }
  for (const std::string& name : *names) {
    if (name.front() < '1' || name.front() > '9') {
      continue;
    }
    const auto cgroup = sys::read_file(fmt::format("{}/{}/cgroup", proc, name));
    const auto stat = sys::read_file(fmt::format("{}/{}/stat", proc, name));
    if (cgroup && stat && is_in_pod(*cgroup)) {
      if (auto process = parse_stat(*stat)) {
        processes.push_back(std::move(*process));
      }
    }
  }
  return processes;
}

std::vector<int> choose_to_terminate(const std::vector<PodProcess>& processes) {
  const auto is_pod_process = [&](int pid) {
    return std::any_of(processes.begin(), processes.end(),
                       [&](const PodProcess& process) { return process.pid == pid; });
  };
  std::vector<int> containers;
  std::vector<int> sandboxes;
  for (const PodProcess& process : processes) {
    if (!is_pod_process(process.parent)) {
      (process.name == kPause ? sandboxes : containers).push_back(process.pid);
    }
  }
  return containers.empty() ? sandboxes : containers;
}

void PodStopper::stop(std::chrono::milliseconds deadline, std::function<void()> stopped) {
  deadline_ = timers_.now() + deadline;
  stopped_ = std::move(stopped);
  step();
}

void PodStopper::step() {
  const auto processes = list_pod_processes();
  const bool late = timers_.now() >= deadline_;
  if (late && !processes.empty()) {
    log_.warning("pods did not end in time: killed", {{"processes", processes.size()}});
    for (const PodProcess& process : processes) {
      ::kill(process.pid, SIGKILL);
    }
  }
  if (late || processes.empty()) {
    const auto stopped = std::move(stopped_);
    stopped();
    return;
  }
  for (const int pid : choose_to_terminate(processes)) {
    if (std::find(asked_.begin(), asked_.end(), pid) == asked_.end()) {
      ::kill(pid, SIGTERM);
      asked_.push_back(pid);
    }
  }
  next_ = timers_.after(kInterval, [this] { step(); });
}

}  // namespace vk8s::agent
