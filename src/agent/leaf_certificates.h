// The certificates that a node's programs use: those a master issues itself
// from the cluster's CAs, and the kubeconfigs of its components.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "agent/node_paths.h"
#include "api/cluster_pki.h"
#include "api/node_config.h"
#include "base/error.h"
#include "pki/pki.h"

namespace vk8s::agent {

// One leaf: which CA of the configuration directory signs what.
struct Leaf {
  std::string name;  // file stem in <state>/pki
  std::string ca;    // "ca", "etcd-ca", "front-proxy-ca"
  pki::LeafRequest request;
};

// The leaves of a master whose pod has this address. Pure.
// Source: kubernetes.io "PKI certificates and requirements".
std::vector<Leaf> master_leaves(const api::NodeConfig& config, const std::string& node_ip);

// Issues each leaf that is absent, not signed by today's CA, lacks a name it
// should have, or is past two thirds of its life. Returns the names issued.
Result<std::vector<std::string>> ensure_leaves(const NodePaths& paths,
                                               const std::vector<Leaf>& leaves, pki::WallTime now);

// <run>/<component>.kubeconfig for each component of the node: those of a
// master from its leaves, the others from the given certificates.
Status write_kubeconfigs(const NodePaths& paths, const api::NodeConfig& config);

// The address at which this node's programs reach the API server.
std::string api_server_url(const api::NodeConfig& config);

// A client certificate of system:masters, for the bootstrap objects; held in
// memory only. Masters only: it needs the CA's key.
Result<pki::KeyPair> issue_bootstrap_identity(const NodePaths& paths);

// First address of the service range: the API server's own Service.
Result<std::string> api_service_ip(const api::NodeConfig& config);
Result<std::string> dns_service_ip(const api::NodeConfig& config);

}  // namespace vk8s::agent
