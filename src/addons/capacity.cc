#include "addons/capacity.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <vector>

#include "addons/labels.h"
#include "api/quantity.h"

namespace vk8s::addons {
namespace {

constexpr std::int64_t kMaxReplicas = 10'000;
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 2;

// Quantities are of others: sums and products stop at kMost.
std::int64_t plus(std::int64_t a, std::int64_t b) { return std::clamp(a + b, -kMost, kMost); }

std::int64_t product(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  return __builtin_mul_overflow(a, b, &result) ? kMost : std::clamp(result, -kMost, kMost);
}

std::string quantity_text(const Json* value) {
  if (value == nullptr) {
    return "";
  }
  return value->is_string() ? std::string(value->get_string()) : base::to_string(*value);
}

std::int64_t cpu_of(const Json* quantity) {
  return api::parse_quantity_millis(quantity_text(quantity)).value_or(0);
}

std::int64_t memory_of(const Json* quantity) {
  return api::parse_quantity(quantity_text(quantity)).value_or(0);
}

Resources requests_of_container(const Json& container) {
  const auto find = [&](const char* name) {
    const Json* request = base::find(container, fmt::format("resources.requests.{}", name));
    return request != nullptr ? request
                              : base::find(container, fmt::format("resources.limits.{}", name));
  };
  return {.cpu_millis = cpu_of(find("cpu")), .memory_bytes = memory_of(find("memory"))};
}

Resources larger(const Resources& a, const Resources& b) {
  return {.cpu_millis = std::max(a.cpu_millis, b.cpu_millis),
          .memory_bytes = std::max(a.memory_bytes, b.memory_bytes),
          .pods = std::max(a.pods, b.pods)};
}

Resources times(const Resources& one, std::int64_t count) {
  count = std::clamp<std::int64_t>(count, 0, kMaxReplicas);
  return {.cpu_millis = product(one.cpu_millis, count),
          .memory_bytes = product(one.memory_bytes, count),
          .pods = product(one.pods, count)};
}

bool takes_pods(const Json& node) {
  if (base::get_bool(node, "spec.unschedulable").value_or(false)) {
    return false;
  }
  const JsonArray* taints = base::get_array(node, "spec.taints");
  return taints == nullptr || std::none_of(taints->begin(), taints->end(), [](const Json& taint) {
           const auto effect = base::get_string(taint, "effect").value_or("");
           return effect == "NoSchedule" || effect == "NoExecute";
         });
}

bool has_ended(const Json& pod) {
  const auto phase = base::get_string(pod, "status.phase").value_or("");
  return phase == "Succeeded" || phase == "Failed";
}

// The labels of the pods that a workload makes.
struct PodLabels {
  std::string namespace_name;
  Labels labels;
};

std::vector<PodLabels> own_pods(const ManifestSet& set) {
  std::vector<PodLabels> out;
  for (const Manifest& manifest : set.manifests()) {
    const Json* pods =
        manifest.stage == Stage::kWorkloads ? find_pod_template(manifest.object) : nullptr;
    if (pods != nullptr) {
      out.push_back({manifest.id.namespace_name, labels_of(*pods)});
    }
  }
  return out;
}

bool is_own(const std::vector<PodLabels>& own, const Json& pod) {
  const std::string in = text_at(pod, "metadata.namespace");
  const Labels labels = labels_of(pod);
  return std::any_of(own.begin(), own.end(), [&](const PodLabels& one) {
    return one.namespace_name == in && service_selects(one.labels, labels);
  });
}

using Counts = std::map<std::pair<std::string, std::string>, std::int64_t>;

// Deployments whose replicas an autoscaler keeps -> the least of them.
Counts least_replicas(const ManifestSet& set) {
  Counts out;
  for (const Manifest& manifest : set.manifests()) {
    if (manifest.id.kind == "HorizontalPodAutoscaler" &&
        text_at(manifest.object, "spec.scaleTargetRef.kind") == "Deployment") {
      out[{manifest.id.namespace_name, text_at(manifest.object, "spec.scaleTargetRef.name")}] =
          base::get_int(manifest.object, "spec.minReplicas").value_or(1);
    }
  }
  return out;
}

std::int64_t count_pods(const Manifest& workload, const Counts& least, std::int64_t nodes) {
  const std::string& kind = workload.id.kind;
  if (kind == "DaemonSet") {
    return nodes;
  }
  if (kind == "Job") {
    return base::get_int(workload.object, "spec.parallelism").value_or(1);
  }
  if (kind == "CronJob") {
    return 0;
  }
  if (const auto replicas = base::get_int(workload.object, "spec.replicas")) {
    return *replicas;
  }
  const auto found = least.find({workload.id.namespace_name, workload.id.name});
  return kind == "Deployment" && found != least.end() ? found->second : 1;
}

}  // namespace

Resources& Resources::operator+=(const Resources& other) {
  cpu_millis = plus(cpu_millis, other.cpu_millis);
  memory_bytes = plus(memory_bytes, other.memory_bytes);
  pods = plus(pods, other.pods);
  return *this;
}

Resources requests_of_pod(const Json& pod_spec) {
  Resources running;
  Resources starting;
  if (const JsonArray* containers = base::get_array(pod_spec, "containers")) {
    for (const Json& container : *containers) {
      running += requests_of_container(container);
    }
  }
  if (const JsonArray* containers = base::get_array(pod_spec, "initContainers")) {
    Resources sidecars;
    for (const Json& container : *containers) {
      Resources own = requests_of_container(container);
      if (base::get_string(container, "restartPolicy") == "Always") {
        sidecars += own;
        own = Resources();
      }
      own += sidecars;
      starting = larger(starting, own);
    }
    running += sidecars;
  }
  Resources total = larger(running, starting);
  total += {.cpu_millis = cpu_of(base::find(pod_spec, "overhead.cpu")),
            .memory_bytes = memory_of(base::find(pod_spec, "overhead.memory")),
            .pods = 1};
  return total;
}

Resources requests_of_set(const ManifestSet& set, std::int64_t nodes) {
  const Counts least = least_replicas(set);
  Resources total;
  for (const Manifest& manifest : set.manifests()) {
    const Json* pods =
        manifest.stage == Stage::kWorkloads ? find_pod_template(manifest.object) : nullptr;
    const Json* spec = pods == nullptr ? nullptr : base::find(*pods, "spec");
    if (spec != nullptr) {
      total += times(requests_of_pod(*spec), count_pods(manifest, least, nodes));
    }
  }
  return total;
}

Capacity free_capacity(const ManifestSet& set, const JsonArray& nodes, const JsonArray& pods) {
  Capacity capacity;
  for (const Json& node : nodes) {
    if (takes_pods(node)) {
      ++capacity.nodes;
      capacity.free += {.cpu_millis = cpu_of(base::find(node, "status.allocatable.cpu")),
                        .memory_bytes = memory_of(base::find(node, "status.allocatable.memory")),
                        .pods = memory_of(base::find(node, "status.allocatable.pods"))};
    }
  }
  const std::vector<PodLabels> own = own_pods(set);
  for (const Json& pod : pods) {
    const Json* spec = base::find(pod, "spec");
    if (spec != nullptr && !has_ended(pod) && !is_own(own, pod)) {
      const Resources taken = requests_of_pod(*spec);
      capacity.free += {.cpu_millis = -taken.cpu_millis,
                        .memory_bytes = -taken.memory_bytes,
                        .pods = -taken.pods};
    }
  }
  return capacity;
}

std::optional<std::string> describe_shortage(const Resources& wanted, const Resources& free) {
  constexpr double kMebibyte = 1024.0 * 1024.0;
  std::vector<std::string> parts;
  if (wanted.cpu_millis > free.cpu_millis) {
    parts.push_back(fmt::format("{:.1f} CPUs where {:.1f} are free",
                                static_cast<double>(wanted.cpu_millis) / 1000,
                                static_cast<double>(free.cpu_millis) / 1000));
  }
  if (wanted.memory_bytes > free.memory_bytes) {
    parts.push_back(fmt::format("{:.0f} MiB of memory where {:.0f} are free",
                                static_cast<double>(wanted.memory_bytes) / kMebibyte,
                                static_cast<double>(free.memory_bytes) / kMebibyte));
  }
  if (wanted.pods > free.pods) {
    parts.push_back(fmt::format("{} pods where there is room for {}", wanted.pods, free.pods));
  }
  if (parts.empty()) {
    return std::nullopt;
  }
  return fmt::format("its pods ask for {}", fmt::join(parts, ", "));
}

}  // namespace vk8s::addons
