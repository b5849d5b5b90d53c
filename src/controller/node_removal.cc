#include "controller/node_removal.h"

#include <fmt/format.h>

#include "controller/object_writer.h"

namespace vk8s::controller {
namespace {

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

bool is_of_daemon_set(const Json& pod) {
  const JsonArray* owners = base::get_array(pod, "metadata.ownerReferences");
  for (const Json& owner : owners == nullptr ? JsonArray() : *owners) {
    if (base::get_string(owner, "kind") == "DaemonSet") {
      return true;
    }
  }
  return false;
}

bool is_static(const Json& pod) {
  const JsonObject* annotations = base::get_object(pod, "metadata.annotations");
  return annotations != nullptr && annotations->contains("kubernetes.io/config.mirror");
}

bool has_ended(const Json& pod) {
  const std::string phase = text(pod, "status.phase");
  return phase == "Succeeded" || phase == "Failed";
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
      .path = fmt::format("/api/v1/namespaces/{}/pods/{}/eviction", pod.namespace_name, pod.name),
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

Json cordon_patch() {
  JsonObject spec;
  spec["unschedulable"] = true;
  return JsonObject{{"spec", std::move(spec)}};
}

}  // namespace

std::vector<PodToEvict> pods_to_evict(const Json& pod_list) {
  std::vector<PodToEvict> out;
  const JsonArray* pods = base::get_array(pod_list, "items");
  for (const Json& pod : pods == nullptr ? JsonArray() : *pods) {
    if (is_of_daemon_set(pod) || is_static(pod) || has_ended(pod)) {
      continue;
    }
    out.push_back({{text(pod, "metadata.namespace"), text(pod, "metadata.name")},
                   base::find(pod, "metadata.deletionTimestamp") != nullptr});
  }
  return out;
}

OrProblem<std::chrono::seconds> NodeRemoval::time_draining(const Cluster& cluster,
                                                           const Json& stateful_set) {
  const JsonObject* annotations = base::get_object(stateful_set, "metadata.annotations");
  const Json* since = annotations == nullptr ? nullptr : annotations->if_contains(kDrainingAnnotation);
  if (since != nullptr && since->is_string()) {
    if (const auto begin = base::parse_time(std::string(since->get_string()))) {
      return std::chrono::duration_cast<std::chrono::seconds>(now_() - *begin);
    }
  }
  JsonObject values;
  values[kDrainingAnnotation] = base::format_time(now_());
  JsonObject metadata;
  metadata["annotations"] = std::move(values);
  const auto noted = host_.run_one(merge_patch_request(
      kube::resources::kStatefulSet,
      {cluster.namespace_name(), text(stateful_set, "metadata.name")},
      JsonObject{{"metadata", std::move(metadata)}}));
  if (!noted) {
    return tl::unexpected<Problem>(write_problem(noted.error()));
  }
  return std::chrono::seconds(0);
}

OrProblem<NodeRemoval::Progress> NodeRemoval::advance(const Cluster& cluster,
                                                      const Json& stateful_set) {
  if (cluster.paused) {
    return Progress();  // nothing runs, and nobody answers
  }
  const auto elapsed = time_draining(cluster, stateful_set);
  if (!elapsed) {
    return tl::unexpected<Problem>(elapsed.error());
  }
  Progress out;
  const std::string node = text(stateful_set, "metadata.name");
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  out.waits_for = drain(cluster, node);
  if (!out.waits_for.empty() && *elapsed >= kDrainLimit) {
    out.timed_out = true;
    inner_.run(key, {remove_request(kube::resources::kNode, {"", node}, {})});
  }
  return out;
}

// "" once the Node object is gone.
std::string NodeRemoval::drain(const Cluster& cluster, const std::string& node) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  const auto seen = inner_.run(
      key, {merge_patch_request(kube::resources::kNode, {"", node}, cordon_patch()),
            list_pods_of(node)});
  if (!seen[0] && seen[0].error().code() == Errc::kNotFound) {
    return {};
  }
  for (const Result<Json>& answer : seen) {
    if (!answer) {
      return answer.error().message();
    }
  }
  const std::vector<PodToEvict> pods = pods_to_evict(*seen[1]);
  std::vector<BatchClient::Request> evictions;
  for (const PodToEvict& pod : pods) {
    if (!pod.is_leaving) {
      evictions.push_back(evict(pod.key, cluster.release.traits));
    }
  }
  inner_.run(key, std::move(evictions));
  if (!pods.empty()) {
    return fmt::format("{} pod{} to leave it, such as {}/{}", pods.size(),
                       pods.size() == 1 ? "" : "s", pods.front().key.namespace_name,
                       pods.front().key.name);
  }
  const auto removed =
      inner_.run(key, {remove_request(kube::resources::kNode, {"", node}, {})});
  const bool gone = removed[0] || removed[0].error().code() == Errc::kNotFound;
  return gone ? std::string() : removed[0].error().message();
}

}  // namespace vk8s::controller
