// The status of a cluster, from what is seen of it. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/vk8s.h"
#include "controller/addons.h"
#include "controller/observation.h"
#include "controller/problem.h"

namespace vk8s::controller {

struct Observation {
  // Whoever asks something inside asks the API server there.
  bool is_master_ready() const;

  // Notes what is wrong, if anything; of each reason, in the words of the first.
  void note(std::optional<Problem> found);
  std::vector<const Problem*> problems() const;
  // Of what is wrong so far, nothing stops the cluster: its phase is as its nodes say.
  void run_on();

  std::optional<Problem> problem;  // why it cannot go on
  std::vector<Problem> more;       // what is wrong beside that
  std::vector<NodeObservation> nodes;
  std::string missing;                 // what the host lacks; "" = nothing
  std::string address_limits;          // what nodes with fixed addresses cannot do; "" = nothing
  std::string version;                 // that its master runs; "" = not known
  std::string endpoint;                // "" = none yet
  std::optional<AddonsReport> addons;  // nothing = as they were
  bool is_paused = false;              // told to stop its nodes
  // When to look again though nothing has changed, beside what the problems say.
  std::optional<std::chrono::seconds> again;
};

// Whether the cluster of that status has been whole: then it is restarting, not
// installing.
bool was_installed(const api::Vk8sStatus& previous);

// previous: the status to go on from (phases and transition times). now: RFC 3339.
api::Vk8sStatus compute_status(const api::Vk8s& vk8s, const api::Vk8sStatus& previous,
                               const Observation& seen, std::string_view now);

}  // namespace vk8s::controller
