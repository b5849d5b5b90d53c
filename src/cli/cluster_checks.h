// Whether one virtual cluster is well.
#pragma once

#include <string>

#include "cli/cluster_view.h"
#include "cli/finding.h"
#include "cli/host_api.h"
#include "cli/surroundings.h"

namespace vk8s::cli {

// The resource's own words, then its API server as reached from here.
Findings check_cluster(HostApi& api, Surroundings& surroundings, const std::string& name);

// Parts, pure.
Finding check_phase(const ClusterView& cluster);
Findings check_conditions(const ClusterView& cluster);
Findings check_cluster_nodes(const ClusterView& cluster);
// Of the client certificate in PEM that a kubeconfig holds.
Finding check_expiry(std::string_view certificate_pem, base::WallTime now,
                     const std::string& secret);

}  // namespace vk8s::cli
