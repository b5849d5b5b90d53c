// Which objects an admission webhook is called for. Pure.
// Source: Kubernetes documentation, "Dynamic Admission Control", matching requests.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "addons/labels.h"
#include "base/json.h"

namespace vk8s::addons {

// An object that is to be written.
struct AdmissionSubject {
  std::string group;
  std::string plural;
  Labels labels;
  // Of its Namespace, of a Namespace its own; none for another cluster-scoped object.
  std::optional<Labels> namespace_labels;
};

// Whether webhook (an element of a configuration's `webhooks`) is called when the
// subject is created or updated. The version is not looked at (matchPolicy Equivalent),
// and matchConditions are taken to hold.
bool is_called_for(const Json& webhook, const AdmissionSubject& subject);

// Whether an object is better written once the webhook answers: it would change the
// object, or refuse it while its server is away.
bool is_worth_waiting_for(std::string_view configuration_kind, const Json& webhook);

}  // namespace vk8s::addons
