// Where things lie on a node: ARCHITECTURE.md, "A node on disk".
#pragma once

#include <string>

namespace vk8s::agent {

struct NodePaths {
  std::string config = "/etc/vk8s/config";  // what the node is told; read-only
  std::string state = "/var/lib/vk8s";      // the node's volume
  std::string run = "/run/vk8s";            // made anew at each start
  std::string programs = "/opt/vk8s/bin";
  std::string cni_programs = "/opt/cni/bin";
  std::string pause_image = "/opt/vk8s/images/pause.tar";

  std::string program(std::string_view name) const { return programs + "/" + std::string(name); }
  // A leaf certificate that this agent issued, and its key beside it.
  std::string certificate(std::string_view name) const {
    return state + "/pki/" + std::string(name) + ".crt";
  }
  std::string key(std::string_view name) const {
    return state + "/pki/" + std::string(name) + ".key";
  }
  std::string given(std::string_view name) const { return config + "/" + std::string(name); }
  std::string kubeconfig(std::string_view name) const {
    return run + "/" + std::string(name) + ".kubeconfig";
  }
  std::string log_folder() const { return state + "/log/vk8s"; }
  std::string etcd_data() const { return state + "/etcd"; }
  // Of a host node: where its CNI plugin asks, and what the plugin records. In a tmpfs
  // that ends with the containers whose addresses they are.
  std::string ipam_socket() const { return run + "/ipam.sock"; }
  std::string static_ips() const { return run + "/static-ips"; }
  std::string containerd_socket() const { return "/run/containerd/containerd.sock"; }
};

}  // namespace vk8s::agent
