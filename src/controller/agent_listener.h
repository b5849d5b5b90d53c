// AgentMonitor over HTTPS: a stream of each agent's status until its node has been
// Ready for a while and its pod is too; from then on the pod's readiness, which the
// host's kubelet keeps up, tells of trouble and opens the stream again. A look now
// and then brings what a Ready node has to say: each costs a TLS handshake, and there
// may be thousands of nodes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "controller/agent_monitor.h"

namespace vk8s::controller {

class AgentListener final : public AgentMonitor {
 public:
  using OnChange = std::function<void(const kube::ObjectKey& cluster)>;

  // on_change runs on the loop's thread each time a report has changed. timers
  // (which may be the loop itself) and client are used on the loop's thread.
  AgentListener(EventLoop& loop, Timers& timers, http::Client& client, OnChange on_change, Log log);
  // On the loop's thread, or after it has ended.
  ~AgentListener() override;

  void follow(const kube::ObjectKey& cluster, const std::vector<AgentTarget>& targets,
              std::shared_ptr<const http::TlsIdentity> identity) override;
  bool has_identity(const kube::ObjectKey& cluster) const override;
  void forget(const kube::ObjectKey& cluster) override;
  std::optional<AgentReport> report(const kube::ObjectKey& cluster, std::string_view node_name,
                                    std::string_view pod_uid) const override;

 private:
  struct Agent;
  struct Heard {
    std::string pod_uid;
    AgentReport report;
  };
  struct Known {
    std::shared_ptr<const http::TlsIdentity> identity;
    std::vector<AgentTarget> targets;
    std::map<std::string, Heard, std::less<>> heard;  // by node name
  };
  using Key = std::pair<kube::ObjectKey, std::string>;  // cluster, node name

  void update(const kube::ObjectKey& cluster);
  void take_readiness(Agent& agent, bool pod_ready);
  void stream(Agent& agent);
  void settle(Agent& agent);
  void poll(Agent& agent);
  void poll_later(Agent& agent);
  void take_bytes(Agent& agent, std::string_view bytes);
  void take_status(Agent& agent, std::string_view json);
  void store(const Agent& agent, AgentReport report);
  void lose(const Agent& agent);
  void retry(Agent& agent, const std::string& why);
  std::chrono::milliseconds jittered(std::chrono::milliseconds delay);
  http::Request request(const Agent& agent, bool watch) const;

  EventLoop& loop_;
  Timers& timers_;
  http::Client& client_;
  OnChange on_change_;
  Log log_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);  // posted work looks whether it is

  // On the loop's thread only.
  std::map<Key, std::unique_ptr<Agent>> agents_;
  std::minstd_rand random_{std::random_device{}()};

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, Known> known_;
};

}  // namespace vk8s::controller
