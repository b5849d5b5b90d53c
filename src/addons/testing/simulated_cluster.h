// What a bare kube-apiserver lacks to have an add-on installed on it: the controllers,
// nodes and add-on programs of a cluster, simulated. No pod runs. On the loop's thread.
//
// - A workload becomes available once every Secret, ConfigMap and claim that its pods
//   need is there.
// - Each ClusterIP of a Service with an available workload behind it answers admission
//   reviews over TLS, "allowed", and the Service gets an endpoint. Before that nothing
//   listens there: a webhook that is called too early fails. An aggregated API server is
//   there in the same way, with no resources.
// - cert-manager, once available: a Certificate gets its Secret, and webhook
//   configurations the caBundle; those that do not ask it for one get theirs at once, as
//   from their own servers. istiod, once available: the ConfigMap with its root
//   certificate.
// - Namespaces are emptied and finalized, claims lose their protection, EndpointSlices go
//   with their Service.
//
// The API server's flags are those of api_server_flags(): ClusterIPs on loopback, so that
// it can call what listens there.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http/server.h"
#include "kube/informer.h"
#include "pki/pki.h"

namespace vk8s::addons::testing {

class SimulatedCluster {
 public:
  static std::vector<std::string> api_server_flags();
  // Why it cannot run here: Services listen on ports below 1024.
  static std::optional<std::string> missing_prerequisite(EventLoop& loop);

  // client is the simulation's own, and outlives it, as loop does.
  SimulatedCluster(EventLoop& loop, kube::Client& client, pki::KeyPair ca, Log log);
  ~SimulatedCluster();
  SimulatedCluster(const SimulatedCluster&) = delete;
  SimulatedCluster& operator=(const SimulatedCluster&) = delete;

  void start();
  // Admission reviews answered so far.
  int reviews() const { return reviews_; }

 private:
  using Informers = std::map<std::string, std::unique_ptr<kube::Informer>>;  // by kind

  void follow(const kube::Resource& resource);
  std::vector<kube::ObjectPtr> all(const std::string& kind) const;
  bool is_there(const std::string& kind, const kube::ObjectKey& key) const;
  void wake();
  void look();
  void run_workloads();
  bool has_what_it_mounts(const Json& workload) const;
  void run_services();
  bool has_server(const Json& service) const;
  void open(const Json& service);
  void close(const kube::ObjectKey& service);
  void listen(const kube::ObjectKey& service, const std::string& address, std::uint16_t port);
  void answer(const http::ServerRequest& request, http::Responder responder);
  void run_cert_manager();
  void issue(const Json& certificate);
  void inject(const kube::Resource& resource, const Json& configuration);
  void run_istio();
  void end_deletions();
  // False when there is nothing to be taken out any more.
  bool empty(const std::string& namespace_name);
  void finalize(const Json& namespace_object);
  // Does something once at a time for one object; the next look says whether it helped.
  void act(const std::string& what, std::function<kube::Call(std::function<void()> done)> begin);

  EventLoop& loop_;
  kube::Client& client_;
  const pki::KeyPair ca_;
  Log log_;
  Informers informers_;
  std::map<kube::ObjectKey, std::vector<std::unique_ptr<http::Server>>> servers_;
  std::map<std::string, kube::Call> calls_;
  std::vector<kube::Call> ended_;
  int reviews_ = 0;
  Registration wake_;
};

}  // namespace vk8s::addons::testing
