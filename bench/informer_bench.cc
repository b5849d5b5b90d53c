#include "informer_bench.h"

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "http/server.h"
#include "kube/informer.h"
#include "kube/testing/loop_thread.h"
#include "pki/pki.h"
#include "results.h"
#include "sample_pods.h"

namespace vk8s::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kPods = 2000;
constexpr int kEvents = 10'000;
constexpr int kSamples = 5;
constexpr std::size_t kPieceBytes = 64U << 10U;
constexpr auto kLimit = std::chrono::seconds(120);

// Each pod comes first, then changes again and again.
std::string all_events() {
  std::string out;
  for (int i = 0; i < kEvents; ++i) {
    out += R"({"type":")";
    out += i < kPods ? "ADDED" : "MODIFIED";
    out += R"(","object":)" + sample_pod(i % kPods, 2 + i) + "}\n";
  }
  return out;
}

// A server of one list, which is empty, and of one watch at a time, which brings
// the events as fast as they are taken. On the loop's thread.
class EventServer {
 public:
  explicit EventServer(std::string events) : events_(std::move(events)) {}

  Status start(EventLoop& loop, const pki::KeyPair& certificate) {
    http::ServerOptions options;
    options.address = "127.0.0.1";
    options.certificate_pem = certificate.certificate_pem;
    options.key_pem = certificate.key_pem;
    server_ = VK8S_TRY(http::Server::start(
        loop, options,
        [this](const http::ServerRequest& request, http::Responder responder) {
          answer(request, std::move(responder));
        },
        Log::silent()));
    return {};
  }
  std::uint16_t port() const { return server_->port(); }

 private:
  void answer(const http::ServerRequest& request, http::Responder responder) {
    if (request.query_parameter("watch") != "1") {
      std::move(responder).send(
          {.content_type = "application/json",
           .body = R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1"},)"
                   R"("items":[]})"});
      return;
    }
    position_ = 0;
    stream_ = std::move(responder).start_stream(
        {.content_type = "application/json", .body = std::string(next_piece())});
    stream_.on_drained([this] {
      if (position_ < events_.size()) {
        stream_.write(next_piece());
      }
    });
  }

  std::string_view next_piece() {
    const std::string_view piece = std::string_view(events_).substr(position_, kPieceBytes);
    position_ += piece.size();
    return piece;
  }

  const std::string events_;
  std::unique_ptr<http::Server> server_;
  http::Stream stream_;
  std::size_t position_ = 0;
};

// What the controller keeps of a pod.
kube::InformerOptions pods() {
  kube::InformerOptions out;
  out.resource = kube::resources::kPod;
  out.projection =
      kube::keep_fields({"status.podIP", "status.phase", "status.reason", "status.message",
                         "status.conditions", "status.containerStatuses"});
  return out;
}

// From the end of the list until the last event is in the store.
Result<double> events_per_second(kube::testing::LoopThread& thread, kube::Client& client) {
  std::optional<kube::Informer> informer;
  std::promise<std::chrono::duration<double>> done;
  auto elapsed = done.get_future();
  Clock::time_point begin;
  int count = 0;
  const auto see = [&] {
    if (++count == kEvents) {
      done.set_value(Clock::now() - begin);
    }
  };
  thread.run([&] {
    informer.emplace(thread.loop(), client, pods(), Log::silent());
    kube::InformerHandlers handlers;
    handlers.on_added = [&see](const kube::ObjectPtr&) { see(); };
    handlers.on_updated = [&see](const kube::ObjectPtr&, const kube::ObjectPtr&) { see(); };
    informer->add_handlers(std::move(handlers));
    informer->when_synced([&begin] { begin = Clock::now(); });
    informer->start();
  });
  const bool in_time = elapsed.wait_for(kLimit) == std::future_status::ready;
  const std::size_t stored = informer->store().size();
  thread.run([&informer] { informer.reset(); });
  if (!in_time || stored != kPods) {
    return fail(Errc::kTimeout, "informer: {} of {} events and {} of {} pods after {} s", count,
                kEvents, stored, kPods, kLimit.count());
  }
  return kEvents / elapsed.get().count();
}

Result<std::vector<double>> take_samples(kube::testing::LoopThread& thread,
                                         const kube::ClientConfig& config) {
  auto client = VK8S_TRY(
      thread.run([&] { return kube::Client::create(thread.loop(), config, Log::silent()); }));
  std::vector<double> out;
  Status status;
  for (int i = 0; i < kSamples && status; ++i) {
    auto sample = events_per_second(thread, *client);
    if (sample) {
      out.push_back(*sample);
    } else {
      status = tl::unexpected<Error>(std::move(sample).error());
    }
  }
  thread.run([&client] { client.reset(); });
  VK8S_TRY(std::move(status));
  return out;
}

}  // namespace

Status bench_informer(std::ostream& out) {
  const pki::KeyPair ca = VK8S_TRY(pki::create_ca({.common_name = "bench", .organizations = {}}));
  const pki::KeyPair certificate =
      VK8S_TRY(pki::issue(ca, {.subject = {.common_name = "bench", .organizations = {}},
                               .dns_names = {},
                               .ip_addresses = {"127.0.0.1"},
                               .server = true}));
  kube::testing::LoopThread server_thread;
  auto server = std::make_unique<EventServer>(all_events());
  const Status started =
      server_thread.run([&] { return server->start(server_thread.loop(), certificate); });
  Result<std::vector<double>> samples;
  if (started) {
    kube::ClientConfig config;
    config.server = fmt::format("https://127.0.0.1:{}", server->port());
    config.ca_pem = ca.certificate_pem;
    config.token = "bench";
    kube::testing::LoopThread client_thread;
    samples = take_samples(client_thread, config);
  }
  server_thread.run([&server] { server.reset(); });
  VK8S_TRY(started);
  write_result(out, "informer_events", "events/s", VK8S_TRY(std::move(samples)));
  return {};
}

}  // namespace vk8s::bench
