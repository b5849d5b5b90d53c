// What users are told of an installation. Pure.
#pragma once

#include <string>
#include <vector>

#include "addons/apply_run.h"
#include "addons/plan.h"
#include "base/json.h"

namespace vk8s::addons {

enum class InstallPhase {
  kPending,  // nothing is known yet
  kBlocked,  // something must change before anything is applied
  kInstalling,
  kFailed,  // some objects were refused, and nothing else moves
  kReady,
  kRemoving,
  kRemoved,
};
std::string_view to_string(InstallPhase phase);

struct ComponentStatus {
  std::string name;
  bool is_ready = false;
  std::string message;  // what is missing; of a ready one what others own of it
  bool operator==(const ComponentStatus&) const = default;
};

struct InstallStatus {
  InstallPhase phase = InstallPhase::kPending;
  std::string version;
  std::string message;
  int progress = 0;  // percent; 100 only when all is ready
  std::vector<ComponentStatus> components;
  // Nothing is left to do: all is ready, and what was to go is gone or kept.
  bool is_settled = false;
  bool operator==(const InstallStatus&) const = default;
};

// All texts are safe to show and bounded: at most 64 components, the rest in one.
inline constexpr std::size_t kMaxComponents = 64;

// Phase, progress and components of what a run has come to.
InstallStatus status_of(const Plan& plan, const ApplyRun& run);

// {"phase", "version", "message", "progress", "components": [{"name", "ready", "message"}]}
Json to_json(const InstallStatus& status);

}  // namespace vk8s::addons
