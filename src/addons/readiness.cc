#include "addons/readiness.h"

#include <algorithm>

#include "addons/kinds.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

// A line end in base64: what generators write where somebody else is to fill it in.
constexpr std::string_view kPlaceholderBundle = "Cg==";

std::int64_t number_at(const Json& object, std::string_view path, std::int64_t otherwise = 0) {
  return base::get_int(object, path).value_or(otherwise);
}

Readiness waits_for(std::string message) {
  return {.is_ready = false, .message = base::printable(message, 512)};
}

Readiness ready() { return {.is_ready = true, .message = ""}; }

const Json* find_condition(const Json& live, std::string_view type) {
  const JsonArray* conditions = base::get_array(live, "status.conditions");
  if (conditions == nullptr) {
    return nullptr;
  }
  const auto found = std::find_if(conditions->begin(), conditions->end(), [&](const Json& one) {
    return base::get_string(one, "type") == type;
  });
  return found == conditions->end() ? nullptr : &*found;
}

bool is_true(const Json* condition) {
  return condition != nullptr && base::get_string(*condition, "status") == "True";
}

// ": reason: message" of a condition that is not as it should be.
std::string words_of(const Json* condition) {
  if (condition == nullptr) {
    return "";
  }
  return fmt::format(" ({}: {})", text_at(*condition, "reason"), text_at(*condition, "message"));
}

Readiness of_condition(const Json& live, std::string_view type) {
  const Json* condition = find_condition(live, type);
  return is_true(condition) ? ready()
                            : waits_for(fmt::format("it is not {}{}", type, words_of(condition)));
}

Readiness of_definition(const Json& live) {
  const Json* names = find_condition(live, "NamesAccepted");
  if (names != nullptr && base::get_string(*names, "status") == "False") {
    return waits_for(fmt::format("its names are taken{}", words_of(names)));
  }
  return of_condition(live, "Established");
}

Readiness of_replicas(const Json& live, std::int64_t wanted, std::int64_t updated,
                      std::int64_t available) {
  if (updated >= wanted && available >= wanted && number_at(live, "status.replicas") <= wanted) {
    return ready();
  }
  const Json* progressing = find_condition(live, "Progressing");
  const bool is_stuck =
      progressing != nullptr && base::get_string(*progressing, "status") == "False";
  return waits_for(fmt::format("{} of {} pods are up to date and available{}",
                               std::min(updated, available), wanted,
                               is_stuck ? words_of(progressing) : ""));
}

Readiness of_workload(std::string_view kind, const Json& live) {
  const std::int64_t replicas = number_at(live, "spec.replicas", 1);
  if (kind == "Deployment") {
    return of_replicas(live, replicas, number_at(live, "status.updatedReplicas"),
                       number_at(live, "status.availableReplicas"));
  }
  if (kind == "StatefulSet") {
    const bool is_partial = number_at(live, "spec.updateStrategy.rollingUpdate.partition") > 0 ||
                            base::get_string(live, "spec.updateStrategy.type") == "OnDelete";
    return of_replicas(
        live, replicas, is_partial ? replicas : number_at(live, "status.updatedReplicas"),
        // Kubernetes before 1.22 does not count the available ones.
        number_at(live, "status.availableReplicas", number_at(live, "status.readyReplicas")));
  }
  if (kind == "DaemonSet") {
    const std::int64_t wanted = number_at(live, "status.desiredNumberScheduled");
    const bool is_manual = base::get_string(live, "spec.updateStrategy.type") == "OnDelete";
    return of_replicas(live, wanted,
                       is_manual ? wanted : number_at(live, "status.updatedNumberScheduled"),
                       number_at(live, "status.numberAvailable"));
  }
  if (kind == "ReplicaSet" || kind == "ReplicationController") {
    return of_replicas(live, replicas, replicas, number_at(live, "status.availableReplicas"));
  }
  if (kind == "Job") {
    const Json* failed = find_condition(live, "Failed");
    return is_true(failed) ? waits_for(fmt::format("it has failed{}", words_of(failed)))
                           : of_condition(live, "Complete");
  }
  if (kind == "Pod") {
    return base::get_string(live, "status.phase") == "Succeeded" ? ready()
                                                                 : of_condition(live, "Ready");
  }
  return ready();  // a CronJob
}

}  // namespace

bool has_readiness(const ObjectId& id) {
  return is_namespace(id.group, id.kind) || is_definition(id.group, id.kind) ||
         is_workload(id.group, id.kind) || is_webhook_configuration(id.group, id.kind) ||
         is_api_service(id.group, id.kind);
}

Readiness readiness_of(const ObjectId& id, const Json& live, std::int64_t generation) {
  if (base::find(live, "metadata.deletionTimestamp") != nullptr) {
    return waits_for("it is being deleted");
  }
  if (is_namespace(id.group, id.kind)) {
    return base::get_string(live, "status.phase").value_or("Active") == "Active"
               ? ready()
               : waits_for("it is not Active");
  }
  if (is_definition(id.group, id.kind)) {
    return of_definition(live);
  }
  if (is_api_service(id.group, id.kind)) {
    return of_condition(live, "Available");
  }
  if (is_webhook_configuration(id.group, id.kind)) {
    const std::string without = webhook_without_ca(live);
    return without.empty()
               ? ready()
               : waits_for(fmt::format("nobody has filled in the caBundle of {}", without));
  }
  if (!is_workload(id.group, id.kind)) {
    return ready();
  }
  const bool has_generations = id.kind != "Job" && id.kind != "CronJob" && id.kind != "Pod";
  if (has_generations &&
      (number_at(live, "metadata.generation") < generation ||
       number_at(live, "status.observedGeneration") < number_at(live, "metadata.generation"))) {
    return waits_for("its controller has not seen it yet");
  }
  return of_workload(id.kind, live);
}

bool has_ready_endpoint(const Json& endpoint_slice) {
  const JsonArray* endpoints = base::get_array(endpoint_slice, "endpoints");
  // `ready` absent means ready.
  return endpoints != nullptr &&
         std::any_of(endpoints->begin(), endpoints->end(), [](const Json& endpoint) {
           return base::get_bool(endpoint, "conditions.ready").value_or(true);
         });
}

std::string webhook_without_ca(const Json& configuration) {
  const JsonArray* webhooks = base::get_array(configuration, "webhooks");
  if (webhooks == nullptr) {
    return "";
  }
  const auto found = std::find_if(webhooks->begin(), webhooks->end(), [](const Json& webhook) {
    const auto bundle = base::get_string(webhook, "clientConfig.caBundle").value_or("");
    return base::find(webhook, "clientConfig.service") != nullptr &&
           (bundle.empty() || bundle == kPlaceholderBundle);
  });
  return found == webhooks->end() ? "" : base::printable(text_at(*found, "name"), 128);
}

}  // namespace vk8s::addons
