// Random operations of two replicas at once, on a real API server, against a model.
//
// A replica is an Allocator with its Sweeper, and has its own connections, caches and
// watches, as a process would: the two share nothing but the API server. Both are on one
// loop of one process, so that the model sees what each of them answers in one order, and
// either can be ended in the middle of anything (a crash) and begun anew.
//
//   VK8S_PROPERTY_OPERATIONS  how many, however long it takes
//   VK8S_PROPERTY_SEED        of the choices, as an earlier run has printed it
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <iostream>
#include <random>

#include "ipmanager/allocation_model.h"
#include "ipmanager/test_host.h"

namespace vk8s::ipmanager::testing {

inline constexpr int kPauses = 10;  // in which all that is known is checked
inline constexpr std::size_t kOwners = 260;
inline constexpr int kInFlight = 48;
// The server drops what a dead client has asked for within milliseconds, if it gets any
// time of the processor.
inline constexpr auto kGhostLife = std::chrono::seconds(6);
inline constexpr SweeperOptions kSweeper{.period = std::chrono::milliseconds(200),
                                         .patience = std::chrono::milliseconds(1000)};

struct PoolSpec {
  std::string name;
  std::vector<std::string> ranges;
  JsonArray exclusions;
};

// What the pools become by turns: wider, narrower, with holes.
inline std::vector<PoolSpec> pool_specs() {
  return {
      {"a", {"10.1.0.0/24"}, {}},
      {"a", {"10.1.0.0/25"}, {}},
      {"a", {"10.1.0.16-10.1.0.200"}, {"10.1.0.64/27", "10.1.0.99"}},
      {"a", {"10.1.0.0/24"}, {"10.1.0.128/26"}},
      {"b", {"fd00::/122"}, {}},
      {"b", {"fd00::/121"}, {"fd00::10-fd00::2f"}},
      {"b", {"fd00::8-fd00::18", "fd00::40/123"}, {}},
  };
}

inline Json pool_of(const PoolSpec& spec) {
  Json out = pool_object(spec.name, spec.ranges, {{"exclusions", spec.exclusions}});
  return out;
}

inline IpRangeSet addresses_of(const PoolSpec& spec) {
  return api::parse_ip_pool(pool_of(spec))->addresses;
}

inline std::uint64_t number_from(const char* variable, std::uint64_t fallback) {
  const char* text = std::getenv(variable);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

// On the loop's thread, but for what begins with a capital letter in its comment.
class PropertyRun {
 public:
  // Begins nothing more from `end` on.
  PropertyRun(TestHost& host, std::uint64_t seed, ModelTime end)
      : host_(host), random_(seed), end_(end) {
    for (std::size_t i = 0; i < kOwners; ++i) {
      owners_.emplace_back(owner(fmt::format("p{}", i)));
    }
  }

  // The test's thread.
  void Start() {
    for (const PoolSpec& spec : {pool_specs()[0], pool_specs()[4]}) {
      pools_.begin(spec.name, addresses_of(spec), now());
      ASSERT_TRUE(host_.put_pool(spec.name, spec.ranges, {{"exclusions", spec.exclusions}}));
    }
    host_.thread().run([this] {
      writer_ = connect();
      for (auto& replica : replicas_) {
        replica = new_replica();
      }
    });
  }
  // The test's thread. Runs so many more, and waits until nothing runs.
  [[nodiscard]] bool Run(std::uint64_t operations) {
    host_.thread().run([&] {
      left_ = operations;
      schedule();
    });
    return host_.thread().wait_until([this] { return is_quiet(); }, std::chrono::seconds(3600));
  }
  // The test's thread. All allocators and the model agree with the server.
  void Check();
  // The test's thread. Gives everything back.
  void ReleaseEverything();
  // The test's thread.
  void Stop() {
    host_.thread().run([this] {
      ghosts_.cancel();
      pump_.cancel();
      polls_.clear();
      calls_.clear();
      for (auto& replica : replicas_) {
        replica.reset();
      }
      writer_.reset();
    });
  }
  std::string summary() const {
    std::string out;
    for (const auto& [what, count] : counts_) {
      out += fmt::format("{}{}: {}", out.empty() ? "" : ", ", what, count);
    }
    return out;
  }
  std::uint64_t count(const std::string& what) const {
    const auto found = counts_.find(what);
    return found == counts_.end() ? 0 : found->second;
  }

 private:
  static ModelTime now() { return std::chrono::steady_clock::now(); }
  std::uint64_t choose(std::uint64_t count) { return random_() % count; }

  std::unique_ptr<kube::Client> connect() {
    return std::move(
               kube::Client::create(host_.thread().loop(), host_.server().admin(), Log::silent()))
        .value();
  }
  std::unique_ptr<TestReplica> new_replica() {
    return std::make_unique<TestReplica>(host_.thread().loop(), connect(), kSweeper);
  }

  bool is_quiet() {
    return left_ == 0 && running_ == 0 && calls_.empty() && polls_.empty() &&
           std::all_of(owners_.begin(), owners_.end(),
                       [](const ModelOwner& owner) { return owner.is_idle(); });
  }

  // Never from inside a callback of a replica: it may be the one that crashes.
  void schedule() {
    if (!pump_) {
      pump_ = host_.thread().loop().after(std::chrono::nanoseconds(0), [this] {
        pump_.cancel();
        left_ = now() < end_ ? left_ : 0;
        while (left_ > 0 && running_ < kInFlight) {
          --left_;
          ++counts_["operations"];
          begin_operation();
        }
      });
    }
  }

  void begin_operation() {
    const std::uint64_t dice = choose(10'000);
    ModelOwner& owner = owners_[choose(owners_.size())];
    if (dice < 8) {
      crash(choose(replicas_.size()));
    } else if (dice < 40) {
      edit_pool();
    } else if (dice < 240) {
      touch_pod(owner);
    } else if (dice < 400) {
      release_as_stranger(owner);
    } else if (dice < 4000) {
      release(owner);
    } else {
      allocate(owner, dice);
    }
  }

  void allocate(ModelOwner& owner, std::uint64_t dice) {
    AllocationRequest request = request_of(owner.owner());
    if (dice < 4300 && owner.knowledge() == ModelOwner::Knowledge::kHas) {
      request.address = owner.address();
    } else if (dice < 5500) {
      request.address = random_address();
    } else if (dice < 6000) {
      request.pool = choose(2) == 0 ? "a" : "b";
    }
    owner.begin(false, now());
    ++running_;
    Allocator& allocator = replicas_[choose(replicas_.size())]->allocator();
    allocator.allocate(request, [this, &owner, request](Result<api::IpAllocation> answer) {
      take_answer(owner, request, answer);
    });
  }

  void take_answer(ModelOwner& owner, const AllocationRequest& request,
                   const Result<api::IpAllocation>& answer) {
    --running_;
    schedule();
    ++counts_[answer ? "allocated" : std::string(base::to_string(answer.error().code()))];
    if (!answer && answer.error().code() == Errc::kCancelled) {
      owner.take_broken_off(now(), kGhostLife);
      return;
    }
    for (const ModelOwner& other : owners_) {
      EXPECT_FALSE(answer && &other != &owner && other.surely_has(answer->address))
          << answer->address.to_string() << " was given to " << owner.owner().to_string()
          << " and is " << other.owner().to_string() << "'s";
    }
    owner.take_answer(answer, request, pools_, now());
  }

  void release(ModelOwner& owner) {
    Allocator& allocator = replicas_[choose(replicas_.size())]->allocator();
    std::optional<IpAddress> address;
    if (owner.knowledge() == ModelOwner::Knowledge::kHas) {
      address = owner.address();
    } else if (const auto held = allocator.find_by_owner(owner.owner()); !held.empty()) {
      address = held.front().address;
    }
    if (!address || owner.is_touching_pod()) {
      allocate(owner, 9999);
      return;
    }
    Expect expect = Expect::owner(owner.owner());
    if (choose(4) == 0) {
      // As this replica knows it, which may be an older one.
      const auto known = allocator.find(*address);
      expect.resource_version = known ? known->resource_version : "";
    }
    owner.begin(true, now());
    ++running_;
    allocator.release(*address, std::move(expect), [this, &owner](const Status& status) {
      --running_;
      schedule();
      ++counts_[status ? "released" : "release: " + std::string(to_string(status.error().code()))];
      if (!status && status.error().code() == Errc::kCancelled) {
        owner.take_broken_off(now(), kGhostLife);
      } else {
        owner.take_released(status);
      }
    });
  }

  // Takes nothing from anybody, which Check() sees.
  void release_as_stranger(ModelOwner& owner) {
    if (owner.knowledge() != ModelOwner::Knowledge::kHas) {
      allocate(owner, 9999);
      return;
    }
    ++running_;
    Allocator& allocator = replicas_[choose(replicas_.size())]->allocator();
    allocator.release(owner.address(), Expect::owner(testing::owner("stranger")),
                      [this](const Status& status) {
                        --running_;
                        schedule();
                        ++counts_["refused to strangers"];
                        // Or there is nothing at this moment.
                        EXPECT_TRUE(status || status.error().code() == Errc::kAlreadyExists ||
                                    status.error().code() == Errc::kUnavailable ||
                                    status.error().code() == Errc::kCancelled)
                            << status.error().message();
                      });
  }

  IpAddress random_address() {
    const std::string pool = choose(4) == 0 ? "b" : "a";
    const auto first = IpAddress::parse(pool == "a" ? "10.1.0.0" : "fd00::");
    return *first->plus(choose(pool == "a" ? 256 : 128));
  }

  void crash(std::size_t which) {
    ++counts_["crashes"];
    replicas_[which].reset();
    replicas_[which] = new_replica();
    bury_ghosts();
  }

  void bury_ghosts() {
    ghosts_ = host_.thread().loop().after(std::chrono::milliseconds(100), [this] {
      bool are_left = false;
      for (ModelOwner& owner : owners_) {
        owner.bury_ghosts(now());
        are_left = are_left || owner.has_ghosts();
      }
      ghosts_.cancel();
      if (are_left) {
        bury_ghosts();
      }
    });
  }

  void edit_pool() {
    const std::vector<PoolSpec> specs = pool_specs();
    const PoolSpec spec = specs[choose(specs.size())];
    if (calls_.contains("pool " + spec.name) || polls_.contains(spec.name)) {
      return;
    }
    ++counts_["pool edits"];
    pools_.begin(spec.name, addresses_of(spec), now());
    Json pool = pool_of(spec);
    pool.at("metadata") = JsonObject{{"name", spec.name}};
    write(
        "pool " + spec.name,
        [&](auto callback) {
          return writer_->apply(kube::resources::kVNodeIPPool, pool, {.field_manager = "test"},
                                callback);
        },
        [this, name = spec.name] { await_edition(name); });
  }

  // Until every process knows it, what the pool said before may still be acted upon.
  void await_edition(const std::string& name) {
    const bool is_known = std::all_of(replicas_.begin(), replicas_.end(), [&](const auto& replica) {
      const auto pools = replica->allocator().pools();
      return std::any_of(pools.begin(), pools.end(), [&](const api::IpPool& pool) {
        return pool.name == name && pool.addresses == pools_.latest(name);
      });
    });
    if (is_known) {
      pools_.end_earlier(name, now());
      polls_.erase(name);
      return;
    }
    polls_[name] = host_.thread().loop().after(std::chrono::milliseconds(10),
                                               [this, name] { await_edition(name); });
  }

  void touch_pod(ModelOwner& owner) {
    const std::string name = owner.owner().pod;
    if (owner.is_touching_pod()) {
      return;
    }
    if (owner.pod_address()) {
      owner.begin_pod();
      owner.lose_pod();
      write(
          "pod " + name,
          [&](auto callback) {
            return writer_->remove(kube::resources::kPod, {"team-a", owner.owner().pod},
                                   {.grace_period = std::chrono::seconds(0)}, callback);
          },
          [&owner] { owner.end_pod(std::nullopt); });
    } else if (owner.is_idle() && owner.knowledge() == ModelOwner::Knowledge::kHas) {
      ++counts_["pods"];
      owner.begin_pod();
      write(
          "pod " + name,
          [&](auto callback) {
            return writer_->create(kube::resources::kPod, "team-a",
                                   pod_of(owner.owner(), owner.address()), callback, false);
          },
          [&owner, address = owner.address()] { owner.end_pod(address); });
    }
  }

  static Json pod_of(const api::IpOwner& owner, const IpAddress& address) {
    JsonObject annotations;
    annotations[api::kIpAnnotation] = address.to_string();
    return JsonObject{
        {"apiVersion", "v1"},
        {"kind", "Pod"},
        {"metadata", JsonObject{{"name", owner.pod}, {"annotations", annotations}}},
        {"spec", JsonObject{{"containers", JsonArray{JsonObject{{"name", "c"}, {"image", "i"}}}}}}};
  }

  template <class Begin>
  void write(const std::string& what, Begin begin, std::function<void()> done) {
    calls_[what] = begin([this, what, done = std::move(done)](const Result<Json>& answer) {
      EXPECT_TRUE(answer) << what << ": " << answer.error().message();
      const auto keep = calls_.extract(what);
      done();
    });
  }

  TestHost& host_;
  std::mt19937_64 random_;
  const ModelTime end_;
  std::deque<ModelOwner> owners_;
  PoolHistory pools_;
  std::unique_ptr<kube::Client> writer_;
  std::array<std::unique_ptr<TestReplica>, 2> replicas_;
  std::uint64_t left_ = 0;
  int running_ = 0;
  Registration pump_;
  Registration ghosts_;
  std::map<std::string, Registration> polls_;
  std::map<std::string, kube::Call> calls_;
  std::map<std::string, std::uint64_t> counts_;
};

inline void PropertyRun::Check() {
  const auto standing_by_owner = [this] {
    std::map<std::string, std::vector<IpAddress>> out;
    for (const api::IpAllocation& allocation : host_.list_allocations()) {
      EXPECT_TRUE(allocation.owner);
      if (!allocation.releasing) {
        out[allocation.owner->to_string()].push_back(allocation.address);
      }
    }
    return out;
  };
  const auto is_swept = [](const auto& standing) {
    return std::all_of(standing.begin(), standing.end(),
                       [](const auto& each) { return each.second.size() == 1; });
  };
  auto standing = standing_by_owner();
  for (int i = 0; i < 300 && !is_swept(standing); ++i) {
    host_.thread().tick(std::chrono::milliseconds(100));
    standing = standing_by_owner();
  }
  host_.thread().run([&] {
    for (ModelOwner& owner : owners_) {
      owner.check_and_learn(standing[owner.owner().to_string()]);
    }
  });
  for (const auto& replica : replicas_) {
    EXPECT_TRUE(host_.thread().wait_until(
        [&] {
          std::size_t count = 0;
          for (const api::IpAllocation& allocation : replica->allocator().list()) {
            count += allocation.releasing ? 0U : 1U;
          }
          return count ==
                 standing.size() - static_cast<std::size_t>(std::count_if(
                                       standing.begin(), standing.end(),
                                       [](const auto& each) { return each.second.empty(); }));
        },
        std::chrono::seconds(20)))
        << "a cache does not come to what the server has";
  }
}

inline void PropertyRun::ReleaseEverything() {
  ASSERT_TRUE(
      host_.thread().wait_until([this] { return calls_.empty(); }, std::chrono::seconds(30)));
  for (const ModelOwner& owner : owners_) {
    if (owner.pod_address()) {
      EXPECT_TRUE(host_.api().remove(kube::resources::kPod, {"team-a", owner.owner().pod},
                                     {.grace_period = std::chrono::seconds(0)}));
    }
  }
  BlockingAllocator blocking(host_.thread().loop(), replicas_.front()->allocator());
  for (const api::IpAllocation& allocation : host_.list_allocations()) {
    const Status released = blocking.release(allocation.address, Expect::holder_of(allocation));
    EXPECT_TRUE(released) << released.error().message();
  }
  std::size_t left = 1;
  for (int i = 0; i < 300 && left > 0; ++i) {
    host_.thread().tick(std::chrono::milliseconds(100));
    left = host_.list_allocations().size();
  }
  EXPECT_EQ(left, 0U) << "IPAllocations are left";
}

// So many operations; with a limit as many of them as there is time for.
inline void run_properties(std::uint64_t operations, std::optional<std::chrono::seconds> limit) {
  if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
    GTEST_SKIP() << *missing;
  }
  if (std::getenv("VK8S_PROPERTY_OPERATIONS") != nullptr) {
    operations = number_from("VK8S_PROPERTY_OPERATIONS", operations);
    limit.reset();
  }
  const std::uint64_t seed = number_from("VK8S_PROPERTY_SEED", std::random_device()());
  std::cout << "VK8S_PROPERTY_OPERATIONS=" << operations << " VK8S_PROPERTY_SEED=" << seed
            << std::endl;
  auto host = TestHost::start();
  ASSERT_TRUE(host) << host.error().message();
  const auto begin = std::chrono::steady_clock::now();
  PropertyRun run(**host, seed, limit ? begin + *limit : ModelTime::max());
  run.Start();
  bool is_done = true;
  for (int i = 0; i < kPauses && is_done && !::testing::Test::HasFailure(); ++i) {
    is_done = run.Run(operations / kPauses);
    if (is_done) {
      run.Check();
    }
  }
  EXPECT_TRUE(is_done) << "operations are not answered in time: " << run.summary();
  if (is_done) {
    run.ReleaseEverything();
  }
  run.Stop();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  std::cout << fmt::format("in {:.0f} s: {}", elapsed.count(), run.summary()) << std::endl;
  // Where nobody is away, hardly anybody has to ask again: on a slow machine some.
  EXPECT_LE(run.count("unavailable"), run.count("operations") / 20);
  EXPECT_GT(run.count("allocated"), run.count("operations") / 10);
}

}  // namespace vk8s::ipmanager::testing
