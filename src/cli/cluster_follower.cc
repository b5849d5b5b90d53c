#include "cli/cluster_follower.h"

#include <csignal>

#include "cli/signals.h"
#include "kube/informer.h"

namespace vk8s::cli {
namespace {

class Follower {
 public:
  Follower(HostApi& api, std::string name, const FollowOptions& options,
           const OnClusterState& on_state)
      : api_(api),
        name_(std::move(name)),
        options_(options),
        on_state_(on_state),
        informer_(api.loop(), api.client(),
                  {.resource = kube::resources::kVk8s,
                   .namespace_name = api.namespace_name(),
                   .field_selector = "metadata.name=" + name_},
                  Log::silent()) {}

  Status run() {
    const SignalWatch signals(api_.loop(), {SIGINT, SIGTERM},
                              [this](int) { end(fail(Errc::kCancelled, "interrupted")); });
    informer_.add_handlers(
        {.on_added = [this](const kube::ObjectPtr& object) { tell(object.get()); },
         .on_updated = [this](const kube::ObjectPtr&,
                              const kube::ObjectPtr& object) { tell(object.get()); },
         .on_deleted = [this](const kube::ObjectPtr&) { tell(nullptr); }});
    informer_.when_synced([this] {
      if (informer_.store().size() == 0) {
        tell(nullptr);
      }
    });
    if (options_.timeout.count() > 0) {
      const auto delay = std::chrono::duration_cast<std::chrono::nanoseconds>(options_.timeout);
      deadline_ = api_.loop().after(delay, [this] {
        end(fail(Errc::kTimeout, "not within {} s", options_.timeout.count()));
      });
    }
    arm_tick();
    informer_.start();
    while (!result_) {
      api_.loop().run();
    }
    informer_.stop();
    return std::move(*result_);
  }

 private:
  void tell(const Json* object) {
    if (result_) {
      return;
    }
    std::optional<Status> outcome;
    if (object == nullptr) {
      outcome = on_state_(nullptr);
    } else {
      const ClusterView view = view_of(*object);
      outcome = on_state_(&view);
    }
    if (outcome) {
      end(*std::move(outcome));
    }
  }

  void end(Status result) {
    if (!result_) {
      result_ = std::move(result);
    }
    api_.loop().stop();
  }

  void arm_tick() {
    if (options_.tick.count() > 0) {
      tick_ = api_.loop().after(options_.tick, [this] {
        arm_tick();
        options_.on_tick();
      });
    }
  }

  HostApi& api_;
  const std::string name_;
  const FollowOptions& options_;
  const OnClusterState& on_state_;
  kube::Informer informer_;
  Registration deadline_;
  Registration tick_;
  std::optional<Status> result_;
};

}  // namespace

Status follow_cluster(HostApi& api, const std::string& name, const FollowOptions& options,
                      const OnClusterState& on_state) {
  VK8S_TRY(check_cluster_name(name));
  // The informer retries what fails for ever: so the first question is asked here.
  const Result<Json> first = api.list(kube::resources::kVk8s, api.namespace_name(),
                                      {.field_selector = "metadata.name=" + name});
  if (!first) {
    return tl::unexpected<Error>(explain_missing_kind(first.error()));
  }
  const JsonArray* items = base::get_array(*first, "items");
  if (items == nullptr || items->empty()) {
    return fail(Errc::kNotFound,
                "there is no cluster \"{}\" in namespace \"{}\": see 'kubectl vk8s list -A'", name,
                api.namespace_name());
  }
  return Follower(api, name, options, on_state).run();
}

std::optional<Status> outcome_of(const std::string& name, const ClusterView* cluster) {
  if (cluster == nullptr) {
    return fail(Errc::kNotFound, "cluster \"{}\" has been deleted", name);
  }
  if (cluster->has_failed()) {
    return fail(Errc::kUnavailable,
                "cluster \"{}\" has failed: {}\n'kubectl vk8s doctor {} -n {}' says more", name,
                cluster->message, name, cluster->namespace_name);
  }
  return cluster->is_running() ? std::optional<Status>(Status()) : std::nullopt;
}

Status wait_until_running(HostApi& api, const std::string& name,
                          std::chrono::duration<double> timeout,
                          const std::function<void(const ClusterView&)>& on_change) {
  std::string last;
  Status done = follow_cluster(
      api, name, {.timeout = timeout, .on_tick = {}}, [&](const ClusterView* cluster) {
        if (cluster != nullptr) {
          last = cluster->phase + (cluster->message.empty() ? "" : ": " + cluster->message);
          if (on_change) {
            on_change(*cluster);
          }
        }
        return outcome_of(name, cluster);
      });
  if (!done && done.error().code() == Errc::kTimeout) {
    return fail(Errc::kTimeout,
                "cluster \"{}\" is not Running after {} s ({}): it goes on by itself, see "
                "'kubectl vk8s watch {} -n {}'",
                name, timeout.count(), last, name, api.namespace_name());
  }
  return done;
}

}  // namespace vk8s::cli
