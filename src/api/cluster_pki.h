// The certificates of one cluster: which exist, who signs them, what they say.
// Used by the controller (virtual clusters), the embedded host (the host
// cluster) and the agent (the leaves a master issues itself).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "pki/pki.h"

namespace vk8s::api {

// File name -> content, as in a Secret's data before base64.
using FileSet = std::map<std::string, std::string>;

// What a cluster keeps for its life: ca.{crt,key}, etcd-ca.{crt,key},
// front-proxy-ca.{crt,key}, sa.{pub,key}.
Result<FileSet> create_cluster_pki(std::string_view cluster_name);

// The CA of the agents' status servers and of those who may read them:
// agent-ca.{crt,key} and the reader's agent-client.{crt,key} (CN vk8s-controller).
// Never inside a vnode.
Result<FileSet> create_agent_ca(std::string_view cluster_name);

// What one node gets: ca.crt, kubelet.{crt,key}, proxy.{crt,key},
// agent-kube.{crt,key}, agent.{crt,key} (SANs: agent_server_names),
// agent-client-ca.crt.
Result<FileSet> create_node_pki(const FileSet& cluster_pki, const FileSet& agent_ca,
                                std::string_view node_name,
                                const std::vector<std::string>& agent_server_names);

// A kubeconfig for `user` in `groups`, its client certificate signed by the
// cluster's CA. The administrator's is O=vk8s:cluster-admins, which the agent binds to
// cluster-admin: not system:masters, so it can be taken back.
struct KubeconfigRequest {
  std::string cluster_name;
  std::string server;              // "https://..."
  std::string user = "kubernetes-admin";
  std::vector<std::string> groups = {"vk8s:cluster-admins"};
};
Result<std::string> create_kubeconfig(const FileSet& cluster_pki, const KubeconfigRequest&);

}  // namespace vk8s::api
