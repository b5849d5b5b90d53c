#include "controller_bench.h"

#include <fmt/format.h>

#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "cluster_progress.h"
#include "controller_process.h"
#include "results.h"
#include "simulated_host.h"

namespace vk8s::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr int kNodesPerCluster = 2;

// Each step of a thousand clusters is done in much less.
constexpr seconds kStepLimit(900);

void say(std::string_view what) { std::cerr << what << std::endl; }

class Scene {
 public:
  Scene(const ControllerBenchOptions& options, SimulatedHost& host)
      : options_(options), host_(host) {
    agents_thread_.run([this] { agents_.emplace(agents_thread_.loop()); });
    host_.loop_thread().run(
        [this] { progress_.emplace(host_.loop_thread().loop(), host_.client()); });
  }
  ~Scene() {
    host_.loop_thread().run([this] { progress_.reset(); });
    agents_thread_.run([this] { agents_.reset(); });
  }

  Status time_reconciles(std::ostream& out);
  Status run_nodes();
  Status measure_idle(std::ostream& out);

 private:
  // Until condition() on the host's loop; an error as soon as it cannot come true.
  template <class Condition>
  Status wait_for(std::string_view what, Condition condition);
  bool is_settled() const;

  const ControllerBenchOptions& options_;
  SimulatedHost& host_;
  kube::testing::LoopThread agents_thread_;
  std::optional<SimulatedAgents> agents_;
  std::optional<ClusterProgress> progress_;
  std::optional<ControllerProcess> controller_;
};

template <class Condition>
Status Scene::wait_for(std::string_view what, Condition condition) {
  Status running;
  std::string failure;
  const bool in_time = host_.loop_thread().wait_until(
      [&] {
        if (controller_) {
          running = controller_->check_running();
        }
        failure = progress_->failure();
        return !running || !failure.empty() || condition();
      },
      kStepLimit);
  VK8S_TRY_CONTEXT(std::move(running), "waiting for {}", what);
  if (!failure.empty()) {
    return fail(Errc::kInternal, "waiting for {}: a cluster has failed: {}", what, failure);
  }
  if (!in_time) {
    return fail(Errc::kTimeout,
                "{}: not after {} s; {} clusters Installing, {} Running, agents "
                "heard {}, streams {}",
                what, kStepLimit.count(),
                host_.loop_thread().run([this] { return progress_->in_phase("Installing"); }),
                host_.loop_thread().run([this] { return progress_->in_phase("Running"); }),
                agents_->heard(), agents_->open_streams());
  }
  return {};
}

Status Scene::time_reconciles(std::ostream& out) {
  say(fmt::format("{} clusters are created", options_.clusters));
  VK8S_TRY(host_.create_clusters(options_.clusters));
  VK8S_TRY(wait_for("the clusters to be seen", [this] {
    return progress_->has_synced() && progress_->in_phase("") == options_.clusters;
  }));
  say("the controller starts");
  const auto begin = Clock::now();
  controller_.emplace(VK8S_TRY(ControllerProcess::start(options_.program, host_.kubeconfig())));
  VK8S_TRY(wait_for("all clusters to be installing", [this] {
    return progress_->in_phase("Installing") == options_.clusters &&
           progress_->stateful_sets() == kNodesPerCluster * options_.clusters;
  }));
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  write_result(out, "reconcile_rate", "clusters/s", {options_.clusters / elapsed.count()});
  return {};
}

// An agent listens before its pod's address is known.
Status Scene::run_nodes() {
  say("pods and agents are created");
  const std::vector<SimulatedNode> nodes = VK8S_TRY(host_.create_pods());
  for (const SimulatedNode& node : nodes) {
    VK8S_TRY(agents_thread_.run([&] { return agents_->add(node); }));
  }
  VK8S_TRY(host_.report_ready(nodes));
  return wait_for("all clusters to be Running, their agents settled",
                  [this] { return is_settled(); });
}

// An agent is streamed until its node has been Ready for a while.
bool Scene::is_settled() const {
  return progress_->in_phase("Running") == options_.clusters &&
         agents_->heard() == kNodesPerCluster * options_.clusters && agents_->open_streams() == 0;
}

Status Scene::measure_idle(std::ostream& out) {
  say(fmt::format("the idle controller is measured for {} s", options_.idle_seconds));
  const int answers_before = agents_->answers();
  const auto cpu_before = VK8S_TRY(controller_->cpu_time());
  const auto begin = Clock::now();
  std::vector<double> rss;
  for (int i = 0; i < options_.idle_seconds; ++i) {
    host_.loop_thread().tick(seconds(1));
    VK8S_TRY(controller_->check_running());
    rss.push_back(VK8S_TRY(controller_->rss_mebibytes()));
  }
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  const auto cpu = VK8S_TRY(controller_->cpu_time()) - cpu_before;
  // Once in a quarter of an hour each: a longer measurement has its share of them.
  say(fmt::format("{} looks at agents meanwhile", agents_->answers() - answers_before));
  if (!host_.loop_thread().run([this] { return is_settled(); })) {
    return fail(Errc::kInternal, "clusters or agents changed while the controller was measured");
  }
  write_result(out, fmt::format("controller_rss_{}", options_.clusters), "MiB", rss);
  write_result(out, fmt::format("controller_idle_cpu_{}", options_.clusters), "% of a core",
               {100 * cpu / elapsed});
  return {};
}

}  // namespace

Status bench_controller(const ControllerBenchOptions& options, std::ostream& out) {
  const auto host = VK8S_TRY(SimulatedHost::start());
  Scene scene(options, *host);
  VK8S_TRY(scene.time_reconciles(out));
  VK8S_TRY(scene.run_nodes());
  return scene.measure_idle(out);
}

}  // namespace vk8s::bench
