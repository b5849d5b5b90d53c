// What must hold before the first object of a cluster is created. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "controller/cluster.h"
#include "controller/problem.h"
#include "controller/world.h"

namespace vk8s::controller {

// The cluster of an admitted Vk8s: version resolved, policy checked, node names
// its own, pod networks assigned, facts of the host filled in.
OrProblem<Cluster> prepare_cluster(const api::Vk8s& vk8s, const Settings& settings,
                                   const World& world);

// What there is of a cluster of which that does not hold: Cluster::frozen, of the
// version that it runs, with those nodes of the spec that have a StatefulSet.
Cluster freeze_cluster(const api::Vk8s& vk8s, const Settings& settings, const World& world);

// Set if its owner has asked to wait with the first object.
std::optional<Problem> reason_to_wait(const api::Vk8s& vk8s);

// Set if a pause is wanted that would lose the cluster's state.
std::optional<Problem> refuse_pause(const api::Vk8s& vk8s);

}  // namespace vk8s::controller
