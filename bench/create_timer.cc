#include "create_timer.h"

#include "kube/yaml.h"
#include "pki/pki.h"
#include "step_times.h"

namespace vk8s::bench {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
namespace resources = kube::resources;

constexpr auto kLimit = seconds(180);
constexpr auto kPoll = milliseconds(20);

double seconds_of(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

int ready_nodes(const Json& list) {
  int ready = 0;
  const JsonArray* items = base::get_array(list, "items");
  for (const Json& node : items == nullptr ? JsonArray() : *items) {
    const JsonArray* conditions = base::get_array(node, "status.conditions");
    for (const Json& condition : conditions == nullptr ? JsonArray() : *conditions) {
      ready += base::get_string(condition, "type") == "Ready" &&
                       base::get_string(condition, "status") == "True"
                   ? 1
                   : 0;
    }
  }
  return ready;
}

}  // namespace

Result<std::unique_ptr<CreateTimer>> CreateTimer::create(const e2e::Host& host) {
  std::unique_ptr<CreateTimer> timer(new CreateTimer(host));
  auto config = VK8S_TRY(kube::ClientConfig::from_kubeconfig_file(host.kubectl().kubeconfig()));
  timer->client_ = VK8S_TRY(timer->loop_.run(
      [&] { return kube::Client::create(timer->loop_.loop(), config, Log::silent()); }));
  timer->api_ = std::make_unique<kube::BlockingClient>(timer->loop_.loop(), *timer->client_);
  return timer;
}

CreateTimer::~CreateTimer() {
  loop_.run([this] { client_.reset(); });
}

Result<CreateTimes> CreateTimer::time_create(const std::string& name, int workers) {
  const auto objects = VK8S_TRY(kube::parse_yaml(e2e::vk8s_manifest("default", name, workers)));
  CreateTimes times;
  const auto begin = Clock::now();
  const auto begin_of_day = std::chrono::system_clock::now();
  VK8S_TRY(api_->create(resources::kVk8s, "default", objects));
  times.nodes_ready = VK8S_TRY(wait_for_nodes(name, workers + 1, begin));
  times.running = VK8S_TRY(wait_for_phase(name, begin));
  const std::string log = VK8S_TRY(host_.kubectl()({"logs", name + "-master-1-0"}));
  times.master_steps = step_times(log, begin_of_day);
  return times;
}

Result<double> CreateTimer::wait_for_phase(const std::string& name, Clock::time_point begin) {
  while (Clock::now() - begin < kLimit) {
    const auto vk8s = api_->get(resources::kVk8s, {"default", name});
    if (vk8s && base::get_string(*vk8s, "status.phase") == "Running") {
      return seconds_of(Clock::now() - begin);
    }
    loop_.tick(kPoll);
  }
  return fail(Errc::kTimeout, "{} is not Running after {} s", name, kLimit.count());
}

Result<double> CreateTimer::wait_for_nodes(const std::string& name, int count,
                                           Clock::time_point begin) {
  std::unique_ptr<kube::Client> client;
  std::unique_ptr<kube::BlockingClient> inside;
  std::string trouble = "no kubeconfig yet";
  Result<double> result = fail(Errc::kTimeout, "");
  while (!result && Clock::now() - begin < kLimit) {
    if (!inside) {
      const auto secret = api_->get(resources::kSecret, {"default", name + "-kubeconfig"});
      const auto data = secret ? base::get_string(*secret, "data.kubeconfig") : std::nullopt;
      if (data) {
        const std::string text = VK8S_TRY(pki::base64_decode(*data));
        auto config = VK8S_TRY(kube::ClientConfig::from_foreign_kubeconfig(text));
        client = VK8S_TRY(
            loop_.run([&] { return kube::Client::create(loop_.loop(), config, Log::silent()); }));
        inside = std::make_unique<kube::BlockingClient>(loop_.loop(), *client, seconds(2));
      }
    }
    if (inside) {
      const auto nodes = inside->list(resources::kNode, "");
      if (nodes && ready_nodes(*nodes) == count) {
        result = seconds_of(Clock::now() - begin);
        break;
      }
      trouble = nodes ? "the nodes are not Ready" : nodes.error().message();
    }
    loop_.tick(kPoll);
  }
  loop_.run([&] { client.reset(); });
  return result
             ? result
             : fail(Errc::kTimeout, "{}: not Ready after {} s: {}", name, kLimit.count(), trouble);
}

Status CreateTimer::remove(const std::string& name) {
  const auto cluster = VK8S_TRY(e2e::VirtualCluster::attach(host_, "default", name));
  return cluster.remove();
}

}  // namespace vk8s::bench
