// Keys, certificates and configuration of the host on disk: made once, kept,
// renewed when due.
#pragma once

#include <string>
#include <string_view>

#include "api/cluster_pki.h"
#include "base/error.h"
#include "host/host_plan.h"

namespace vk8s::host {

// What the whole host keeps, in <state>/pki and <state>/agent-ca, for root only.
struct HostPki {
  api::FileSet cluster;  // api::create_cluster_pki
  api::FileSet agent;    // api::create_agent_ca
};
Result<HostPki> ensure_host_pki(const HostSettings& settings, const std::string& state_folder);

// Tells texts apart; it is no protection against forgery.
std::string fingerprint(std::string_view text);

// The content of a folder of files; kNotFound if there is none.
Result<api::FileSet> read_files(const std::string& folder);
// Written whole or not at all: a new folder appears under its name complete.
Status create_files(const std::string& folder, const api::FileSet& files);

// node.json, the node's certificates and, for a master, the cluster's CA keys in
// `folder`. Returns a text that changes when the node must start anew to see it.
Result<std::string> ensure_node_files(const HostSettings& settings, const HostPlan& plan,
                                      const NodePlan& node, const HostPki& pki,
                                      const std::string& folder);

// <state>/kubeconfig, of a cluster administrator; made anew when it is due.
std::string kubeconfig_path(const std::string& state_folder);
Status ensure_kubeconfig(const HostSettings& settings, const HostPlan& plan, const HostPki& pki);

}  // namespace vk8s::host
