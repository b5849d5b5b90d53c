// The certificates of one cluster: which exist, who signs them, what they say.
// Used by the controller (virtual clusters), the embedded host (the host
// cluster) and the agent (the leaves a master issues itself).
#pragma once

#include <map>
#include <string>
#include <string_view>
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

// A new agent-client.{crt,key} by the same CA: the reader's certificate lives a
// year, its CA ten.
Result<FileSet> renew_agent_client(const FileSet& agent_ca);

// What one node gets: ca.crt, kubelet.{crt,key}, proxy.{crt,key},
// agent-kube.{crt,key}, agent.{crt,key} (SANs: agent_server_names),
// agent-client-ca.crt. Calling it again renews them: they live a year.
Result<FileSet> create_node_pki(const FileSet& cluster_pki, const FileSet& agent_ca,
                                std::string_view node_name,
                                const std::vector<std::string>& agent_server_names);

// A kubeconfig for `user` in `groups`, its client certificate signed by the
// cluster's CA. The administrator's is O=vk8s:cluster-admins, which the agent binds to
// cluster-admin: not system:masters, so it can be taken back.
struct KubeconfigRequest {
  std::string cluster_name;
  std::string server;  // "https://..."
  std::string user = "kubernetes-admin";
  std::vector<std::string> groups = {"vk8s:cluster-admins"};
};
Result<std::string> create_kubeconfig(const FileSet& cluster_pki, const KubeconfigRequest&);

// A pair of files as a value: key_pair(files, "ca") is ca.crt and ca.key.
// kNotFound names the file that is absent.
Result<pki::KeyPair> key_pair(const FileSet& files, std::string_view name);

// When the first of the set's leaf certificates is due for renewal, after two
// thirds of its life; CAs are left out. kNotFound if there is no leaf.
Result<pki::WallTime> first_renewal(const FileSet& files);

}  // namespace vk8s::api
