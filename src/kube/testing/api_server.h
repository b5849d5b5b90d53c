// A real kube-apiserver and etcd on loopback, for integration tests of any
// module. Everything it starts ends with it (or with the thread that started it:
// use the main thread); its files are in a TempDir. After a restart of the API
// server, watches from before it get 410 Gone.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/client.h"
#include "pki/pki.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::kube::testing {

class ApiServer {
 public:
  // Why it cannot run here: VK8S_UPSTREAM_KUBERNETES and VK8S_UPSTREAM_ETCD name
  // the folders of the programs ("upstream/build.sh --print-dir kubernetes").
  static std::optional<std::string> missing_prerequisite();

  struct Options {
    // Added to kube-apiserver's flags.
    std::vector<std::string> api_server_flags;
  };

  // Returns when /readyz says so; kTimeout after a minute, with the last lines.
  static Result<std::unique_ptr<ApiServer>> start(Options options);
  static Result<std::unique_ptr<ApiServer>> start() { return start(Options{}); }
  ~ApiServer();

  // A member of system:masters.
  ClientConfig admin() const { return admin_; }
  // Another user, with no rights but those a test gives them.
  Result<ClientConfig> user(const std::string& name, const std::vector<std::string>& groups) const;
  // admin() as a kubeconfig.
  std::string kubeconfig() const;
  // Certificate authority of server and clients.
  const pki::KeyPair& ca() const { return ca_; }
  int port() const { return api_port_; }

  // SIGKILL of kube-apiserver (etcd stays), and its start on the same port.
  void kill_api_server();
  Status start_api_server();
  // SIGSTOP, SIGCONT: the kernel goes on answering for it.
  Status freeze_api_server();
  Status thaw_api_server();

 private:
  ApiServer(sys::TempDir folder, Options options);
  Status create_files();
  Status start_etcd();
  Status wait_until_ready();
  std::string last_lines(const std::string& file) const;
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  sys::TempDir folder_;
  const Options options_;
  pki::KeyPair ca_;
  ClientConfig admin_;
  int etcd_port_ = 0;
  int etcd_peer_port_ = 0;
  int api_port_ = 0;
  std::optional<sys::ChildProcess> etcd_;
  std::optional<sys::ChildProcess> api_server_;
};

}  // namespace vk8s::kube::testing
