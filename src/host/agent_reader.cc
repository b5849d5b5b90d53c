#include "host/agent_reader.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "base/event_loop.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "http/client.h"
#include "kube/client.h"

namespace vk8s::host {
namespace {

using namespace std::chrono_literals;
constexpr int kAgentPort = 10300;
constexpr auto kPollInterval = 100ms;

std::shared_ptr<const http::TlsIdentity> reader_identity(const api::FileSet& agent_ca) {
  const auto file = [&](const char* name) {
    const auto found = agent_ca.find(name);
    return found == agent_ca.end() ? std::string() : found->second;
  };
  return std::make_shared<http::TlsIdentity>(
      http::TlsIdentity{.ca_pem = file("agent-ca.crt"),
                        .client_certificate_pem = file("agent-client.crt"),
                        .client_key_pem = file("agent-client.key")});
}

Result<api::NodeStatus> parse_answer(const Result<http::Response>& response) {
  if (!response) {
    return tl::unexpected(response.error());
  }
  if (response->status != 200) {
    return fail(Errc::kUnavailable, "its agent answers with HTTP status {}", response->status);
  }
  return api::parse_node_status(response->body);
}

// Asks one agent again and again.
class AgentPoll {
 public:
  using OnAnswer = std::function<void(Result<api::NodeStatus>)>;

  AgentPoll(EventLoop& loop, http::Client& client,
            std::shared_ptr<const http::TlsIdentity> identity, std::string address,
            OnAnswer on_answer)
      : loop_(loop),
        client_(client),
        identity_(std::move(identity)),
        address_(std::move(address)),
        on_answer_(std::move(on_answer)) {}

  void ask() {
    call_ = client_.send({.url = fmt::format("https://{}:{}/v1/status", address_, kAgentPort),
                          .identity = identity_,
                          .timeout = 2s,
                          .max_body_bytes = api::kMaxStatusBytes},
                         [this](const Result<http::Response>& response) {
                           retry_ = loop_.after(kPollInterval, [this] { ask(); });
                           on_answer_(parse_answer(response));
                         });
  }
  void stop() {
    call_.cancel();
    retry_.cancel();
  }

 private:
  EventLoop& loop_;
  http::Client& client_;
  std::shared_ptr<const http::TlsIdentity> identity_;
  std::string address_;
  OnAnswer on_answer_;
  http::Call call_;
  Registration retry_;
};

bool is_node_ready(const Json& node) {
  const JsonArray* conditions = base::get_array(node, "status.conditions");
  for (std::size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (base::get_string((*conditions)[i], "type") == "Ready") {
      return base::get_string((*conditions)[i], "status") == "True";
    }
  }
  return false;
}

// The wait of `host up`: agents first, then the Node objects.
class ReadinessWait {
 public:
  ReadinessWait(const std::vector<ReadableNode>& nodes, const ReadinessOptions& options)
      : options_(options) {
    for (const ReadableNode& node : nodes) {
      nodes_.push_back(std::make_unique<Node>(Node{.what = node}));
    }
  }

  Status run() {
    client_ = VK8S_TRY(http::Client::create(loop_, {}, Log::silent()));
    auto config = VK8S_TRY(kube::ClientConfig::from_kubeconfig_file(options_.kubeconfig_file));
    kube_ = VK8S_TRY(kube::Client::create(loop_, std::move(config), Log::silent()));
    const auto identity = reader_identity(options_.agent_ca);
    for (const auto& node : nodes_) {
      follow(*node, identity);
    }
    const Registration deadline = loop_.after(options_.timeout, [this] { give_up(); });
    loop_.run();
    return std::move(result_);
  }

 private:
  struct Node {
    ReadableNode what;
    std::unique_ptr<AgentPoll> poll = nullptr;
    UniqueFd process = {};
    Registration process_watch = {};
    std::string step = {};
    std::string trouble = "its agent has not answered yet";
    bool agent_ready = false;
  };

  void follow(Node& node, const std::shared_ptr<const http::TlsIdentity>& identity) {
    node.process.reset(static_cast<int>(::syscall(SYS_pidfd_open, node.what.pid, 0)));
    if (!node.process) {
      end(fail(Errc::kUnavailable, "node {}: its agent has ended", node.what.name));
      return;
    }
    node.process_watch =
        loop_.watch(node.process.get(), EventLoop::Interest::kReadable, [this, &node] {
          node.process_watch.cancel();
          end(fail(Errc::kUnavailable, "node {}: its agent has ended", node.what.name));
        });
    node.poll = std::make_unique<AgentPoll>(
        loop_, *client_, identity, node.what.address,
        [this, &node](const Result<api::NodeStatus>& status) { on_status(node, status); });
    node.poll->ask();
  }

  void on_status(Node& node, const Result<api::NodeStatus>& status) {
    if (!status) {
      node.trouble = status.error().message();
      return;
    }
    node.trouble = fmt::format("{} ({})", status->message, status->step);
    if (status->step != node.step && options_.on_step) {
      node.step = status->step;
      options_.on_step(node.what.name, status->step, status->percent);
    }
    if (status->phase != api::NodePhase::kReady || node.agent_ready) {
      return;
    }
    node.agent_ready = true;
    node.poll->stop();
    for (const auto& other : nodes_) {
      if (!other->agent_ready) {
        return;
      }
    }
    ask_api_server();
  }

  void ask_api_server() {
    list_ = kube_->list(kube::resources::kNode, "", {}, [this](const Result<Json>& list) {
      if (list && all_ready(*list)) {
        end({});
        return;
      }
      if (!list) {
        api_trouble_ = list.error().message();
      }
      retry_ = loop_.after(kPollInterval, [this] { ask_api_server(); });
    });
  }

  bool all_ready(const Json& list) {
    std::size_t ready = 0;
    const JsonArray* items = base::get_array(list, "items");
    for (const auto& node : nodes_) {
      for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
        const bool is_it = base::get_string((*items)[i], "metadata.name") == node->what.name;
        ready += is_it && is_node_ready((*items)[i]) ? 1 : 0;
      }
    }
    return ready == nodes_.size();
  }

  void give_up() {
    std::string who = api_trouble_;
    for (const auto& node : nodes_) {
      if (!node->agent_ready) {
        who += fmt::format("{}node {}: {}", who.empty() ? "" : "; ", node->what.name,
                           base::printable(node->trouble, 300));
      }
    }
    end(fail(Errc::kTimeout, "not Ready after {} s: {}", options_.timeout.count(),
             who.empty() ? "the Node objects are not" : who));
  }

  void end(Status result) {
    if (!ended_) {
      ended_ = true;
      result_ = std::move(result);
    }
    // Posted, because run() may not have begun.
    loop_.post([this] { loop_.stop(); });
  }

  const ReadinessOptions& options_;
  EventLoop loop_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<kube::Client> kube_;
  std::vector<std::unique_ptr<Node>> nodes_;
  kube::Call list_;
  Registration retry_;
  std::string api_trouble_;
  bool ended_ = false;
  Status result_;
};

}  // namespace

Result<std::map<std::string, api::NodeStatus>> read_agents(const std::vector<ReadableNode>& nodes,
                                                           const api::FileSet& agent_ca,
                                                           std::chrono::milliseconds timeout) {
  std::map<std::string, api::NodeStatus> statuses;
  EventLoop loop;
  const auto client = VK8S_TRY(http::Client::create(loop, {}, Log::silent()));
  const auto identity = reader_identity(agent_ca);
  std::vector<std::unique_ptr<AgentPoll>> polls;
  for (const ReadableNode& node : nodes) {
    polls.push_back(
        std::make_unique<AgentPoll>(loop, *client, identity, node.address,
                                    [&, name = node.name](Result<api::NodeStatus> status) {
                                      if (status) {
                                        statuses.insert_or_assign(name, *std::move(status));
                                      }
                                      if (statuses.size() == nodes.size()) {
                                        loop.stop();
                                      }
                                    }));
    polls.back()->ask();
  }
  const Registration deadline = loop.after(timeout, [&loop] { loop.stop(); });
  if (!nodes.empty()) {
    loop.run();
  }
  return statuses;
}

Status wait_until_ready(const std::vector<ReadableNode>& nodes, const ReadinessOptions& options) {
  return ReadinessWait(nodes, options).run();
}

}  // namespace vk8s::host
