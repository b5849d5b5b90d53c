// How long a Vk8s takes from its POST to a Ready node, as its user sees it.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "e2e/host.h"
#include "kube/client.h"
#include "kube/testing/loop_thread.h"

namespace vk8s::bench {

struct CreateTimes {
  double running = 0;  // seconds until .status.phase is Running
  // Seconds until a GET of every node, through the issued kubeconfig, says Ready.
  double nodes_ready = 0;
  std::map<std::string, double> master_steps;  // step_times()
};

class CreateTimer {
 public:
  static Result<std::unique_ptr<CreateTimer>> create(const e2e::Host& host);
  ~CreateTimer();

  // The Vk8s is called name, in namespace default, and removed by remove().
  Result<CreateTimes> time_create(const std::string& name, int workers);
  Status remove(const std::string& name);
  // Lets a cluster come to rest.
  void pause(std::chrono::seconds length) { loop_.tick(length); }

 private:
  using Clock = std::chrono::steady_clock;

  explicit CreateTimer(const e2e::Host& host) : host_(host) {}
  Result<double> wait_for_phase(const std::string& name, Clock::time_point begin);
  Result<double> wait_for_nodes(const std::string& name, int count, Clock::time_point begin);

  const e2e::Host& host_;
  kube::testing::LoopThread loop_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<kube::BlockingClient> api_;
};

}  // namespace vk8s::bench
