// What is to be done about one object, from what is there and what is wanted. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "addons/field_ownership.h"
#include "addons/manifest_set.h"
#include "base/json.h"

namespace vk8s::addons {

inline constexpr const char* kFieldManager = "vk8s-addons";
// On every object that is the engine's, with the name of the set. Whoever wants the
// engine to take over an object sets it.
inline constexpr const char* kSetLabel = "vk8s.sktelecom.com/addon";
// What the object was made of (digest_of() of the manifest).
inline constexpr const char* kDigestAnnotation = "vk8s.sktelecom.com/addon-digest";

// The manifest's object with both.
Json marked(const Manifest& manifest, std::string_view set_name);
bool is_of_set(const Json& live, std::string_view set_name);

// "it is being deleted and waits for a.example/b", its finalizers; safe to show.
std::string describe_deletion(const Json& live);

enum class ApplyAction {
  kApply,
  kKeep,        // it is there already
  kUseForeign,  // it is somebody else's, and does
  kRefuse,      // it is somebody else's, and does not
  kWait,        // it is on its way out
};
struct ApplyDecision {
  ApplyAction action = ApplyAction::kApply;
  std::string reason;           // of kRefuse, kWait and kUseForeign; safe to show
  Json object;                  // of kApply: wanted, less what others own
  std::vector<KeptField> kept;  // what that is, of kApply and kKeep
};

// wanted: what marked() returns. live: with managedFields.
ApplyDecision decide(Json wanted, const Json& live, std::string_view set_name);

// Whether all that `part` says stands in `whole` as well.
bool is_within(const Json& part, const Json& whole);

// Whether the API server means that a field of what is there cannot be changed, and the
// kind loses nothing when it is made anew.
bool may_be_replaced(const ObjectId& id, const Error& refusal);

// Whether the same request may succeed by itself before long.
bool is_transient(const Error& error);

}  // namespace vk8s::addons
