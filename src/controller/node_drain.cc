#include "controller/node_drain.h"

#include <fmt/format.h>

#include "base/names.h"
#include "controller/object_writer.h"
#include "kube/request_path.h"

namespace vk8s::controller {
namespace {

// So many at once: a list may be as long as whoever is root inside likes.
constexpr std::size_t kMaxEvictionsAtOnce = 128;

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// The kind of who makes the pod anew when it goes, "" = nobody.
std::string keeper_of(const Json& pod) {
  const JsonArray* owners = base::get_array(pod, "metadata.ownerReferences");
  for (const Json& owner : owners == nullptr ? JsonArray() : *owners) {
    if (base::get_bool(owner, "controller").value_or(false)) {
      return text(owner, "kind");
    }
  }
  return {};
}

bool is_static(const Json& pod) {
  const JsonObject* annotations = base::get_object(pod, "metadata.annotations");
  return annotations != nullptr && annotations->contains("kubernetes.io/config.mirror");
}

// One that is being deleted is no such pod: its kubelet still has to take it away.
bool has_ended(const Json& pod) {
  const std::string phase = text(pod, "status.phase");
  return (phase == "Succeeded" || phase == "Failed") &&
         base::find(pod, "metadata.deletionTimestamp") == nullptr;
}

BatchClient::Request list_pods_of(const std::string& node) {
  return [node](kube::Client& client, kube::Client::Callback done) {
    kube::ListOptions options;
    options.field_selector = "spec.nodeName=" + node;
    options.omit_managed_fields = true;
    return client.list(kube::resources::kPod, "", options, std::move(done));
  };
}

// A budget that is used up answers 429: the next look tries again.
BatchClient::Request evict(const kube::ObjectKey& pod, const api::ReleaseTraits& traits) {
  JsonObject metadata;
  metadata["namespace"] = pod.namespace_name;
  metadata["name"] = pod.name;
  JsonObject eviction;
  eviction["apiVersion"] = traits.evictions_v1 ? "policy/v1" : "policy/v1beta1";
  eviction["kind"] = "Eviction";
  eviction["metadata"] = std::move(metadata);
  kube::RawRequest request{
      .method = "POST",
      .path = kube::object_path(kube::resources::kPod, pod, "eviction").value_or(""),
      .content_type = "application/json",
      .body = base::to_string(Json(std::move(eviction)))};
  return [request = std::move(request)](kube::Client& client, kube::Client::Callback done) {
    return client.raw(request, [done = std::move(done)](const Result<kube::RawResponse>& answer) {
      if (!answer) {
        done(tl::unexpected<Error>(answer.error()));
      } else if (answer->status >= 300) {
        done(fail(Errc::kUnavailable, "eviction refused ({})", answer->status));
      } else {
        done(Json());
      }
    });
  };
}

bool is_cordoned_by_us(const Json& node) {
  const JsonObject* annotations = base::get_object(node, "metadata.annotations");
  return annotations != nullptr && annotations->contains(kCordonedAnnotation);
}

// The field and the note of whose it is, in one: of this version of the Node, for
// somebody else may cordon it at the same time. null: they go, as with kubectl uncordon.
BatchClient::Request set_cordoned(const Json& node, bool cordoned) {
  JsonObject metadata;
  metadata["resourceVersion"] = text(node, "metadata.resourceVersion");
  metadata["annotations"] = JsonObject{{kCordonedAnnotation, cordoned ? Json("true") : Json()}};
  JsonObject patch;
  patch["metadata"] = std::move(metadata);
  patch["spec"] = JsonObject{{"unschedulable", cordoned ? Json(true) : Json()}};
  return merge_patch_request(kube::resources::kNode, {"", text(node, "metadata.name")},
                             std::move(patch));
}

const Json* draining_since(const Json& stateful_set) {
  const JsonObject* annotations = base::get_object(stateful_set, "metadata.annotations");
  const Json* since =
      annotations == nullptr ? nullptr : annotations->if_contains(kDrainingAnnotation);
  return since != nullptr && since->is_string() ? since : nullptr;
}

BatchClient::Request annotate_draining(const Cluster& cluster, const Json& stateful_set,
                                       const Json& since) {
  return merge_patch_request(
      kube::resources::kStatefulSet,
      {cluster.namespace_name(), text(stateful_set, "metadata.name")},
      JsonObject{
          {"metadata", JsonObject{{"annotations", JsonObject{{kDrainingAnnotation, since}}}}}});
}

}  // namespace

std::vector<PodToEvict> pods_to_evict(const Json& pod_list, Drain why) {
  std::vector<PodToEvict> out;
  const JsonArray* pods = base::get_array(pod_list, "items");
  for (const Json& pod : pods == nullptr ? JsonArray() : *pods) {
    const std::string keeper = keeper_of(pod);
    if (keeper == "DaemonSet" || is_static(pod) || has_ended(pod) ||
        (why == Drain::kToReplace && keeper.empty())) {
      continue;
    }
    kube::ObjectKey key{text(pod, "metadata.namespace"), text(pod, "metadata.name")};
    if (base::is_dns_label(key.namespace_name) && base::is_dns_subdomain(key.name)) {
      out.push_back({std::move(key), base::find(pod, "metadata.deletionTimestamp") != nullptr});
    }
  }
  return out;
}

OrProblem<std::chrono::seconds> NodeDrain::time_draining(const Cluster& cluster,
                                                         const Json& stateful_set) {
  if (const Json* since = draining_since(stateful_set)) {
    if (const auto begin = base::parse_time(std::string(since->get_string()))) {
      return std::chrono::duration_cast<std::chrono::seconds>(now_() - *begin);
    }
  }
  const auto noted =
      host_.run_one(annotate_draining(cluster, stateful_set, Json(base::format_time(now_()))));
  if (!noted) {
    return tl::unexpected<Problem>(write_problem(noted.error()));
  }
  return std::chrono::seconds(0);
}

OrProblem<NodeDrain::Progress> NodeDrain::remove(const Cluster& cluster, const Json& stateful_set,
                                                 bool has_pod, bool answers) {
  const std::string node = text(stateful_set, "metadata.name");
  Progress out;
  out.stopped = base::get_int(stateful_set, "spec.replicas") == 0;
  if (!out.stopped && !cluster.paused && has_pod) {
    const auto elapsed = time_draining(cluster, stateful_set);
    if (!elapsed) {
      return tl::unexpected<Problem>(elapsed.error());
    }
    out.waits_for = answers ? evict_pods(cluster, node, Drain::kToRemove)
                            : std::string("the API server inside");
    if (!out.waits_for.empty() && *elapsed < kDrainLimit) {
      return out;
    }
    out.timed_out = !out.waits_for.empty();
    out.timed_out_on = std::exchange(out.waits_for, {});
  }
  if (!out.stopped) {
    const auto scaled = host_.run_one(scale_request({cluster.namespace_name(), node}, 0));
    if (!scaled && scaled.error().code() != Errc::kNotFound) {
      return tl::unexpected<Problem>(write_problem(scaled.error()));
    }
    out.stopped = true;
  }
  if (has_pod) {
    out.waits_for = "its pod to end";
  } else if (cluster.paused) {
    out.waits_for = "the cluster to run again: its Node inside is still there";
  } else if (!answers) {
    out.waits_for = "the API server inside, which still has its Node";
  } else {
    out.waits_for = remove_node(cluster, node);
  }
  return out;
}

OrProblem<NodeDrain::Progress> NodeDrain::empty(const Cluster& cluster, const Json& stateful_set) {
  const auto elapsed = time_draining(cluster, stateful_set);
  if (!elapsed) {
    return tl::unexpected<Problem>(elapsed.error());
  }
  Progress out;
  out.waits_for = evict_pods(cluster, text(stateful_set, "metadata.name"), Drain::kToReplace);
  out.timed_out = !out.waits_for.empty() && *elapsed >= kDrainLimit;
  return out;
}

std::optional<Problem> NodeDrain::take_back(const Cluster& cluster, const Json& stateful_set) {
  if (draining_since(stateful_set) == nullptr) {
    return std::nullopt;
  }
  const std::string name = text(stateful_set, "metadata.name");
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  auto node = ask(key, get_request(kube::resources::kNode, {"", name}));
  if (node && is_cordoned_by_us(*node)) {
    node = ask(key, set_cordoned(*node, false));
  }
  if (!node && node.error().code() != Errc::kNotFound) {
    return Problem{{},
                   std::string(reason::kDrainingNode),
                   fmt::format("node {} takes no pods yet: {}", name, node.error().message()),
                   std::chrono::seconds(1)};
  }
  const auto forgotten = host_.run_one(annotate_draining(cluster, stateful_set, Json()));
  return forgotten ? std::nullopt : std::optional(write_problem(forgotten.error()));
}

Result<Json> NodeDrain::ask(const kube::ObjectKey& cluster, BatchClient::Request request) {
  std::vector<BatchClient::Request> requests;
  requests.push_back(std::move(request));
  return std::move(inner_.run(cluster, std::move(requests)).front());
}

// "" once there is none left on it, and none can come.
std::string NodeDrain::evict_pods(const Cluster& cluster, const std::string& name, Drain why) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  auto node = ask(key, get_request(kube::resources::kNode, {"", name}));
  if (node && !base::get_bool(*node, "spec.unschedulable").value_or(false)) {
    node = ask(key, set_cordoned(*node, true));
  }
  if (!node) {
    return node.error().code() == Errc::kNotFound ? std::string() : node.error().message();
  }
  const auto list = ask(key, list_pods_of(name));
  if (!list) {
    return list.error().message();
  }
  const std::vector<PodToEvict> pods = pods_to_evict(*list, why);
  std::vector<BatchClient::Request> evictions;
  for (const PodToEvict& pod : pods) {
    if (!pod.is_leaving && evictions.size() < kMaxEvictionsAtOnce) {
      evictions.push_back(evict(pod.key, cluster.release.traits));
    }
  }
  if (!evictions.empty()) {
    inner_.run(key, std::move(evictions));
  }
  return pods.empty() ? std::string()
                      : fmt::format("{} pod{} to leave it, such as {}/{}", pods.size(),
                                    pods.size() == 1 ? "" : "s", pods.front().key.namespace_name,
                                    pods.front().key.name);
}

// "" once the Node object is gone.
std::string NodeDrain::remove_node(const Cluster& cluster, const std::string& node) {
  const auto removed = ask({cluster.namespace_name(), cluster.name()},
                           remove_request(kube::resources::kNode, {"", node}, {}));
  const bool gone = removed || removed.error().code() == Errc::kNotFound;
  return gone ? std::string()
              : fmt::format("its Node inside to be deleted: {}", removed.error().message());
}

}  // namespace vk8s::controller
