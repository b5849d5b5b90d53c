// Figures of whole clusters on an embedded host of two nodes: `./bench.sh cluster`.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>

#include "create_timer.h"
#include "results.h"
#include "sys/file.h"

namespace {

using vk8s::Errc;
using vk8s::Result;
using vk8s::Status;
using vk8s::bench::CreateTimer;
using vk8s::bench::CreateTimes;
using vk8s::bench::write_result;
namespace e2e = vk8s::e2e;

constexpr int kMaxRunsFromDisk = 3;

struct Options {
  int runs = 10;
  int settle_seconds = 60;
  int idle_seconds = 30;
};

Status time_creations(CreateTimer& timer, std::ostream& out, const std::string& name, int workers,
                      int runs) {
  std::vector<double> running;
  std::vector<double> ready;
  std::map<std::string, std::vector<double>> steps;
  for (int i = 0; i < runs; ++i) {
    const CreateTimes times = VK8S_TRY(timer.time_create("bench", workers));
    running.push_back(times.running);
    ready.push_back(times.nodes_ready);
    for (const auto& [step, seconds] : times.master_steps) {
      steps[step].push_back(seconds);
    }
    VK8S_TRY(timer.remove("bench"));
  }
  write_result(out, name, "s", ready);
  write_result(out, name + "_phase", "s", running);
  for (const auto& [step, seconds] : steps) {
    write_result(out, name + "_step_" + step, "s", seconds);
  }
  return {};
}

// A number out of a file of the node's own cgroup, in either version of cgroups.
Result<double> node_figure(const e2e::Host& host, const std::string& script) {
  const std::string text =
      VK8S_TRY(host.kubectl()({"exec", "idle-master-1-0", "--", "bash", "-c", script}));
  return std::stod(text);
}

constexpr const char* kMemory =
    "cd /sys/fs/cgroup; if [[ -e memory.current ]]; then u=$(<memory.current); s=memory.stat; "
    "k=inactive_file; else cd memory; u=$(<memory.usage_in_bytes); s=memory.stat; "
    "k=total_inactive_file; fi; while read -r n v; do "
    "if [[ $n == $k ]]; then echo $((u - v)); fi; done <$s";
constexpr const char* kCpu =
    "cd /sys/fs/cgroup; if [[ -e cpu.stat ]]; then while read -r n v; do "
    "if [[ $n == usage_usec ]]; then echo $((v * 1000)); fi; done <cpu.stat; "
    "else cat cpuacct/cpuacct.usage; fi";

// Working set and processor share of a cluster of one node that nobody uses.
Status measure_idle(CreateTimer& timer, const e2e::Host& host, const Options& options,
                    std::ostream& out) {
  VK8S_TRY(timer.time_create("idle", 0));
  timer.pause(std::chrono::seconds(options.settle_seconds));
  const double cpu_before = VK8S_TRY(node_figure(host, kCpu));
  const auto begin = std::chrono::steady_clock::now();
  timer.pause(std::chrono::seconds(options.idle_seconds));
  const double cpu = VK8S_TRY(node_figure(host, kCpu)) - cpu_before;
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - begin;
  write_result(out, "vnode_idle_cpu", "% of a core", {100 * cpu / elapsed.count()});
  write_result(out, "vnode_idle_memory", "MiB",
               {VK8S_TRY(node_figure(host, kMemory)) / (1024 * 1024)});
  return timer.remove("idle");
}

// One core is taken by a pod of another cluster.
Status time_beside_a_busy_cluster(CreateTimer& timer, const e2e::Host& host, const Options& options,
                                  std::ostream& out) {
  VK8S_TRY(timer.time_create("busy", 0));
  const auto busy = VK8S_TRY(e2e::VirtualCluster::attach(host, "default", "busy"));
  VK8S_TRY(busy.kubectl()({"run", "spin", "--image=busybox", "--image-pull-policy=IfNotPresent",
                           "--", "sh", "-c", "while :; do :; done"}));
  VK8S_TRY(busy.kubectl().wait({"pod/spin"}, "condition=Ready"));
  VK8S_TRY(time_creations(timer, out, "create_to_running_1_busy", 0, options.runs));
  return timer.remove("busy");
}

// The first after the host came up: the node image is pulled from its registry.
Status time_first(CreateTimer& timer, std::ostream& out) {
  const CreateTimes cold = VK8S_TRY(timer.time_create("cold", 0));
  write_result(out, "create_to_running_1_cold", "s", {cold.nodes_ready});
  return timer.remove("cold");
}

// Nothing of the image is in memory: as after the machine has done other work.
Status time_from_disk(CreateTimer& timer, const Options& options, std::ostream& out) {
  std::vector<double> ready;
  for (int i = 0; i < std::min(options.runs, kMaxRunsFromDisk); ++i) {
    ::sync();
    VK8S_TRY(vk8s::sys::write_kernel_file("/proc/sys/vm/drop_caches", "3"));
    const CreateTimes times = VK8S_TRY(timer.time_create("bench", 0));
    ready.push_back(times.nodes_ready);
    VK8S_TRY(timer.remove("bench"));
  }
  write_result(out, "create_to_running_1_page_cache_dropped", "s", ready);
  return {};
}

// Each figure by itself: what cannot be measured does not keep the rest from it.
bool measure(const e2e::Host& host, const Options& options, std::ostream& out) {
  const auto timer = CreateTimer::create(host);
  if (!timer) {
    std::cerr << timer.error().message() << "\n";
    return false;
  }
  CreateTimer& create = **timer;
  const std::vector<std::pair<const char*, std::function<Status()>>> parts = {
      {"cold", [&] { return time_first(create, out); }},
      {"one node",
       [&] { return time_creations(create, out, "create_to_running_1", 0, options.runs); }},
      {"two nodes",
       [&] { return time_creations(create, out, "create_to_running_2", 1, options.runs); }},
      {"idle", [&] { return measure_idle(create, host, options, out); }},
      {"busy", [&] { return time_beside_a_busy_cluster(create, host, options, out); }},
      {"page cache dropped", [&] { return time_from_disk(create, options, out); }},
  };
  bool all = true;
  for (const auto& [name, part] : parts) {
    std::cerr << "measuring: " << name << "\n";
    if (const Status status = part(); !status) {
      std::cerr << "not measured: " << name << ": " << status.error().message() << "\n";
      all = false;
    }
    out.flush();
  }
  return all;
}

Status run(const Options& options, std::ostream& out) {
  const auto host = VK8S_TRY(e2e::Host::start());
  const bool all = measure(*host, options, out);
  VK8S_TRY(host->purge());
  return all ? Status() : vk8s::fail(Errc::kUnavailable, "not all could be measured: see above");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::string file;
  CLI::App app{"Times whole virtual clusters on an embedded host."};
  app.add_option("--runs", options.runs, "creations of each kind")->capture_default_str();
  app.add_option("--output", file, "where the figures go, a line of JSON each")->required();
  CLI11_PARSE(app, argc, argv);
  if (const auto missing = e2e::missing_prerequisite()) {
    std::cerr << *missing << "\n";
    return 2;
  }
  std::ofstream out(file);
  const Status status = run(options, out);
  if (!status) {
    std::cerr << status.error().message() << "\n";
  }
  return status ? 0 : 1;
}
