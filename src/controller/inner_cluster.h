// The API servers of virtual clusters, as the controller reaches them: to label and
// taint nodes, to drain one before it leaves, and to open what spec.ports names.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "controller/batch_client.h"
#include "controller/cluster.h"

namespace vk8s::controller {

// The user that the agents' bootstrap objects bind to the rights below.
inline constexpr std::string_view kInnerUser = "vk8s:controller";

// Any thread but the loop's.
class InnerClusters {
 public:
  virtual ~InnerClusters() = default;

  virtual bool has_identity(const kube::ObjectKey& cluster) const = 0;
  // Makes a certificate of the cluster's own CA: cluster.pki and the Service's
  // address are known.
  virtual Status adopt(const Cluster& cluster) = 0;
  virtual void forget(const kube::ObjectKey& cluster) = 0;

  // Results in the order of the requests; kUnavailable without an identity.
  virtual std::vector<Result<Json>> run(const kube::ObjectKey& cluster,
                                        std::vector<BatchClient::Request> requests) = 0;
};

// For the API server inside, as such a user: cluster.pki and the Service's address are known.
Result<kube::ClientConfig> inner_client_config(const Cluster& cluster, const pki::Subject& user);

// Dials for each batch and hangs up after it: such requests are rare, clusters many.
class DialledInnerClusters final : public InnerClusters {
 public:
  // loop outlives it.
  DialledInnerClusters(EventLoop& loop, Log log) : loop_(loop), log_(std::move(log)) {}

  bool has_identity(const kube::ObjectKey& cluster) const override;
  Status adopt(const Cluster& cluster) override;
  void forget(const kube::ObjectKey& cluster) override;
  std::vector<Result<Json>> run(const kube::ObjectKey& cluster,
                                std::vector<BatchClient::Request> requests) override;

 private:
  std::optional<kube::ClientConfig> config_of(const kube::ObjectKey& cluster) const;

  EventLoop& loop_;
  Log log_;
  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<kube::ObjectKey, kube::ClientConfig> configs_;
};

}  // namespace vk8s::controller
