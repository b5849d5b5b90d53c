#include "allocator_bench.h"

#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/manifests.h"
#include "ipmanager/allocator.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "results.h"
#include "sys/file.h"

namespace vk8s::bench {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;
namespace resources = kube::resources;

constexpr int kAddresses = 65'536;
constexpr int kOneByOne = 1000;
constexpr int kAtOnce = 32;
constexpr int kPerSample = 4096;
constexpr seconds kLimit(900);

Result<double> resident_mebibytes() {
  // Pages that are free are no one's.
  ::malloc_trim(0);
  const std::string text = VK8S_TRY(sys::read_file("/proc/self/statm"));
  const std::size_t space = text.find(' ');
  std::int64_t pages = 0;
  std::from_chars(text.data() + space + 1, text.data() + text.size(), pages);
  return static_cast<double>(pages * ::sysconf(_SC_PAGESIZE)) / (1 << 20U);
}

ipmanager::AllocationRequest request(int number) {
  ipmanager::AllocationRequest out;
  out.owner = api::IpOwner{.namespace_name = fmt::format("team-{}", number % 100),
                           .pod = fmt::format("cluster-{}-worker-{}-0", number / 8, number % 8),
                           .cluster = fmt::format("cluster-{}", number / 8),
                           .cluster_uid = fmt::format("00000000-0000-4000-8000-{:012}", number / 8),
                           .node = fmt::format("worker-{}", number % 8)};
  return out;
}

// What gives addresses, as in each program that does.
struct Giver {
  Giver(EventLoop& loop, std::unique_ptr<kube::Client> c)
      : client(std::move(c)), allocator(loop, *client, Log::silent()) {
    allocator.start();
  }
  std::unique_ptr<kube::Client> client;
  ipmanager::Allocator allocator;
};

class Scene {
 public:
  ~Scene() {
    thread_.run([this] {
      giver_.reset();
      admin_.reset();
    });
  }
  Status start();
  Status fill(std::ostream& out);
  Status time_the_last(std::ostream& out);
  Status weigh(std::ostream& out);

 private:
  Result<std::unique_ptr<kube::Client>> connect() {
    return thread_.run(
        [this] { return kube::Client::create(thread_.loop(), server_->admin(), Log::silent()); });
  }
  Result<std::unique_ptr<Giver>> start_giver();
  // On the loop's thread: the next one, as soon as one is given.
  void begin_next(int end);
  Status allocate_until(int end);

  kube::testing::LoopThread thread_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  std::unique_ptr<kube::Client> admin_;
  std::unique_ptr<Giver> giver_;
  int begun_ = 0;
  int given_ = 0;
  std::optional<Error> error_;
};

Status Scene::start() {
  server_ = VK8S_TRY(kube::testing::ApiServer::start());
  admin_ = VK8S_TRY(connect());
  kube::BlockingClient api(thread_.loop(), *admin_);
  for (const Json& manifest :
       {controller::ip_pool_crd_manifest(), controller::ip_allocation_crd_manifest()}) {
    VK8S_TRY(api.create(resources::kCustomResourceDefinition, "", manifest));
  }
  const Json pool =
      JsonObject{{"apiVersion", resources::kVNodeIPPool.api_version()},
                 {"kind", resources::kVNodeIPPool.kind},
                 {"metadata", JsonObject{{"name", "bench"}}},
                 {"spec", JsonObject{{"ranges", JsonArray{"100.96.0.0-100.96.255.255"}}}}};
  const auto deadline = Clock::now() + seconds(30);
  Result<Json> created = api.create(resources::kVNodeIPPool, "", pool);
  while (!created && Clock::now() < deadline) {
    thread_.tick(std::chrono::milliseconds(50));
    created = api.create(resources::kVNodeIPPool, "", pool);
  }
  VK8S_TRY(std::move(created));
  giver_ = VK8S_TRY(start_giver());
  return {};
}

Result<std::unique_ptr<Giver>> Scene::start_giver() {
  auto client = VK8S_TRY(connect());
  auto out =
      thread_.run([&] { return std::make_unique<Giver>(thread_.loop(), std::move(client)); });
  if (!thread_.wait_until([&] { return out->allocator.has_synced(); }, kLimit)) {
    thread_.run([&out] { out.reset(); });
    return fail(Errc::kTimeout, "the allocator has not synced within {} s", kLimit.count());
  }
  return out;
}

void Scene::begin_next(int end) {
  if (begun_ == end) {
    return;
  }
  giver_->allocator.allocate(request(begun_++), [this, end](const auto& answer) {
    ++given_;
    if (!answer) {
      error_ = answer.error();
    }
    begin_next(end);
  });
}

Status Scene::allocate_until(int end) {
  thread_.run([&] {
    for (int i = 0; i < kAtOnce; ++i) {
      begin_next(end);
    }
  });
  const bool in_time =
      thread_.wait_until([&] { return given_ == end || error_.has_value(); }, kLimit);
  if (error_) {
    return tl::unexpected<Error>(*error_);
  }
  return in_time ? Status()
                 : fail(Errc::kTimeout, "{} of {} addresses are given after {} s", given_, end,
                        kLimit.count());
}

Status Scene::fill(std::ostream& out) {
  std::vector<double> samples;
  while (given_ < kAddresses - kOneByOne) {
    const int end = std::min(given_ + kPerSample, kAddresses - kOneByOne);
    const int count = end - given_;
    const auto begin = Clock::now();
    VK8S_TRY(allocate_until(end));
    samples.push_back(count / std::chrono::duration<double>(Clock::now() - begin).count());
  }
  write_result(out, "allocations", "1/s", std::move(samples));
  return {};
}

Status Scene::time_the_last(std::ostream& out) {
  ipmanager::BlockingAllocator blocking(thread_.loop(), giver_->allocator);
  std::vector<double> samples;
  for (; given_ < kAddresses; ++given_) {
    const auto begin = Clock::now();
    VK8S_TRY(blocking.allocate(request(begun_++)));
    samples.push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
  }
  const auto one_more = blocking.allocate(request(begun_++));
  if (one_more || one_more.error().code() != Errc::kExhausted) {
    return fail(Errc::kInternal, "the pool is not full after {} addresses", given_);
  }
  std::vector<double> sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  write_result(out, "allocation", "ms", std::move(samples));
  write_result(out, "allocation_p99", "ms", {sorted[sorted.size() * 99 / 100]});
  return {};
}

Status Scene::weigh(std::ostream& out) {
  const double before = VK8S_TRY(resident_mebibytes());
  auto other = VK8S_TRY(start_giver());
  const double after = VK8S_TRY(resident_mebibytes());
  const std::size_t count = thread_.run([&] { return other->allocator.list().size(); });
  thread_.run([&other] { other.reset(); });
  if (count != kAddresses) {
    return fail(Errc::kInternal, "the second allocator has {} addresses, not {}", count,
                kAddresses);
  }
  write_result(out, "allocator_memory", "MiB", {after - before});
  return {};
}

}  // namespace

Status bench_allocator(std::ostream& out) {
  std::cerr << "static addresses: " << kAddresses << " of one pool" << std::endl;
  Scene scene;
  VK8S_TRY_CONTEXT(scene.start(), "start an API server with the kinds of static addresses");
  VK8S_TRY_CONTEXT(scene.fill(out), "fill the pool");
  VK8S_TRY_CONTEXT(scene.time_the_last(out), "time one allocation");
  return scene.weigh(out);
}

}  // namespace vk8s::bench
