#include "controller/agent_listener.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "api/node_status.h"

namespace vk8s::controller {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstRetry(50);
constexpr milliseconds kLastRetry(5000);
// A node that has been Ready for so long is polled instead of streamed.
constexpr std::chrono::seconds kSettled(10);
constexpr std::chrono::minutes kPollInterval(15);

AgentReport report_of(const api::NodeStatus& status) {
  AgentReport out;
  out.ready = status.phase == api::NodePhase::kReady;
  out.stopping = status.phase == api::NodePhase::kStopping;
  out.text = status.message.empty() && !out.ready ? status.step : status.message;
  out.percent = std::clamp(status.percent, 0, 100);
  out.kubelet_version = status.kubelet_version;
  return out;
}

bool is_same_agent(AgentTarget a, const AgentTarget& b) {
  a.pod_ready = b.pod_ready;
  return a == b;
}

}  // namespace

struct AgentListener::Agent {
  kube::ObjectKey cluster;
  AgentTarget target;
  std::shared_ptr<const http::TlsIdentity> identity;
  http::Call call;
  Registration timer;         // retry, or the next poll
  Registration settle_timer;  // from Ready to polls
  std::string line;           // what has come of it so far
  milliseconds backoff = kFirstRetry;
  bool is_ready = false;    // by its own word
  bool is_settled = false;  // polled, not streamed
};

AgentListener::AgentListener(EventLoop& loop, Timers& timers, http::Client& client,
                             OnChange on_change, Log log)
    : loop_(loop),
      timers_(timers),
      client_(client),
      on_change_(std::move(on_change)),
      log_(std::move(log)) {}

AgentListener::~AgentListener() = default;

void AgentListener::follow(const kube::ObjectKey& cluster, const std::vector<AgentTarget>& targets,
                           std::shared_ptr<const http::TlsIdentity> identity) {
  {
    const std::lock_guard lock(mutex_);
    Known& known = known_[cluster];
    const bool same_identity =
        !identity || (known.identity && known.identity->client_key_pem == identity->client_key_pem);
    if (same_identity && known.targets == targets) {
      return;
    }
    if (!same_identity) {
      known.identity = std::move(identity);
    }
    known.targets = targets;
    std::erase_if(known.heard, [&](const auto& heard) {
      return std::none_of(targets.begin(), targets.end(), [&](const AgentTarget& target) {
        return target.node_name == heard.first && target.pod_uid == heard.second.pod_uid;
      });
    });
  }
  loop_.post([this, cluster, alive = std::weak_ptr<int>(alive_)] {
    if (alive.lock()) {
      update(cluster);
    }
  });
}

bool AgentListener::has_identity(const kube::ObjectKey& cluster) const {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(cluster);
  return known != known_.end() && known->second.identity != nullptr;
}

void AgentListener::forget(const kube::ObjectKey& cluster) {
  {
    const std::lock_guard lock(mutex_);
    if (known_.erase(cluster) == 0) {
      return;
    }
  }
  loop_.post([this, cluster, alive = std::weak_ptr<int>(alive_)] {
    if (alive.lock()) {
      update(cluster);
    }
  });
}

std::optional<AgentReport> AgentListener::report(const kube::ObjectKey& cluster,
                                                 std::string_view node_name,
                                                 std::string_view pod_uid) const {
  const std::lock_guard lock(mutex_);
  const auto known = known_.find(cluster);
  if (known == known_.end()) {
    return std::nullopt;
  }
  const auto heard = known->second.heard.find(node_name);
  if (heard == known->second.heard.end() || heard->second.pod_uid != pod_uid) {
    return std::nullopt;
  }
  return heard->second.report;
}

// Makes agents_ what known_ asks for.
void AgentListener::update(const kube::ObjectKey& cluster) {
  Known known;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = known_.find(cluster); at != known_.end()) {
      known.identity = at->second.identity;
      known.targets = at->second.targets;
    }
  }
  std::set<std::string> wanted;
  for (const AgentTarget& target : known.targets) {
    wanted.insert(target.node_name);
  }
  for (auto at = agents_.lower_bound({cluster, ""});
       at != agents_.end() && at->first.first == cluster;) {
    at = wanted.contains(at->first.second) ? std::next(at) : agents_.erase(at);
  }
  for (const AgentTarget& target : known.targets) {
    std::unique_ptr<Agent>& agent = agents_[{cluster, target.node_name}];
    if (agent && is_same_agent(agent->target, target) && agent->identity == known.identity) {
      take_readiness(*agent, target.pod_ready);
      continue;
    }
    agent = std::make_unique<Agent>();
    agent->cluster = cluster;
    agent->target = target;
    agent->identity = known.identity;
    stream(*agent);
  }
}

http::Request AgentListener::request(const Agent& agent, bool watch) const {
  const bool is_v6 = agent.target.address.find(':') != std::string::npos;
  http::Request out;
  out.url =
      fmt::format("https://{0}{1}{2}:{3}/v1/status{4}", is_v6 ? "[" : "", agent.target.address,
                  is_v6 ? "]" : "", agent.target.port, watch ? "?watch=1" : "");
  out.identity = agent.identity;
  out.server_name = agent.target.server_name;
  out.timeout = watch ? milliseconds(0) : milliseconds(10000);
  out.max_body_bytes = api::kMaxStatusBytes;
  return out;
}

void AgentListener::take_readiness(Agent& agent, bool pod_ready) {
  agent.target.pod_ready = pod_ready;
  if (agent.is_settled && !pod_ready) {
    stream(agent);
  } else {
    settle(agent);
  }
}

void AgentListener::stream(Agent& agent) {
  agent.line.clear();
  agent.timer.cancel();
  agent.settle_timer.cancel();
  agent.is_settled = false;
  http::StreamHandlers handlers;
  handlers.on_response = [this, &agent](const http::Response& response) {
    if (response.status != 200) {
      retry(agent, fmt::format("HTTP status {}", response.status));
    }
  };
  handlers.on_data = [this, &agent](std::string_view bytes) { take_bytes(agent, bytes); };
  handlers.on_done = [this, &agent](Status status) {
    retry(agent, status ? std::string("it ended the stream") : status.error().message());
  };
  agent.call = client_.stream(request(agent, true), std::move(handlers));
}

void AgentListener::poll(Agent& agent) {
  agent.call = client_.send(request(agent, false), [this, &agent](Result<http::Response> response) {
    if (response && response->status == 200) {
      take_status(agent, response->body);
    } else {
      agent.is_ready = false;
      lose(agent);
    }
    if (agent.is_ready) {
      poll_later(agent);
    } else {
      stream(agent);
    }
  });
}

void AgentListener::poll_later(Agent& agent) {
  agent.timer = timers_.after(jittered(kPollInterval), [this, &agent] { poll(agent); });
}

// From a stream to polls, once both the agent and the pod have been ready for a while.
void AgentListener::settle(Agent& agent) {
  if (agent.is_settled || !agent.is_ready || !agent.target.pod_ready) {
    agent.settle_timer.cancel();
  } else if (!agent.settle_timer) {
    agent.settle_timer = timers_.after(kSettled, [this, &agent] {
      agent.is_settled = true;
      poll_later(agent);
      agent.call.cancel();
    });
  }
}

void AgentListener::take_bytes(Agent& agent, std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    agent.line += bytes.substr(0, end);
    if (agent.line.size() > api::kMaxStatusBytes) {
      retry(agent, "a status of more than 64 KiB");
      return;
    }
    if (end == std::string_view::npos) {
      return;
    }
    bytes.remove_prefix(end + 1);
    const std::string line = std::exchange(agent.line, {});
    take_status(agent, line);
  }
}

void AgentListener::take_status(Agent& agent, std::string_view json) {
  const auto status = api::parse_node_status(json);
  if (!status || status->node != agent.target.node_name) {
    // Whatever else runs in there: it does not speak for this node.
    log_.warning("status refused", {{"node", agent.target.node_name},
                                    {"error", status ? std::string("it is of another node")
                                                     : status.error().message()}});
    return;
  }
  agent.backoff = kFirstRetry;
  AgentReport report = report_of(*status);
  agent.is_ready = report.ready;
  settle(agent);
  store(agent, std::move(report));
}

void AgentListener::store(const Agent& agent, AgentReport report) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(agent.cluster);
    if (known == known_.end()) {
      return;
    }
    Heard& heard = known->second.heard[agent.target.node_name];
    if (heard.pod_uid == agent.target.pod_uid && heard.report == report) {
      return;
    }
    heard = {agent.target.pod_uid, std::move(report)};
  }
  on_change_(agent.cluster);
}

void AgentListener::lose(const Agent& agent) {
  auto last = report(agent.cluster, agent.target.node_name, agent.target.pod_uid);
  if (last && last->ready) {
    last->ready = false;
    last->text = "its agent does not answer";
    store(agent, *std::move(last));
  }
}

// The agent comes up, restarts, or is unreachable. That it was ready counts no
// longer: whether the node is, its pod's readiness tells.
void AgentListener::retry(Agent& agent, const std::string& why) {
  log_.debug("agent is not heard", {{"node", agent.target.node_name}, {"error", why}});
  agent.settle_timer.cancel();
  agent.is_ready = false;
  lose(agent);
  const milliseconds delay = jittered(agent.backoff);
  agent.backoff = std::min(agent.backoff * 2, kLastRetry);
  agent.timer = timers_.after(delay, [this, &agent] { stream(agent); });
  agent.call.cancel();
}

milliseconds AgentListener::jittered(milliseconds delay) {
  std::uniform_int_distribution<milliseconds::rep> spread(0, delay.count() / 4);
  return delay + milliseconds(spread(random_));
}

}  // namespace vk8s::controller
