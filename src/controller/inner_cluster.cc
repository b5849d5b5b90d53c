#include "controller/inner_cluster.h"

#include <future>
#include <memory>
#include <utility>

#include "controller/manifests.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

constexpr auto kTimeout = std::chrono::seconds(5);

}  // namespace

Result<kube::ClientConfig> inner_client_config(const Cluster& cluster, const pki::Subject& user) {
  const pki::KeyPair ca = VK8S_TRY(api::key_pair(cluster.pki, "ca"));
  pki::LeafRequest request;
  request.subject = user;
  request.client = true;
  pki::KeyPair identity = VK8S_TRY(pki::issue(ca, request));
  kube::ClientConfig config;
  config.server = cluster.internal_endpoint();
  config.ca_pem = ca.certificate_pem;
  config.client_certificate_pem = std::move(identity.certificate_pem);
  config.client_key_pem = std::move(identity.key_pem);
  config.user_agent = kFieldManager;
  return config;
}

bool DialledInnerClusters::has_identity(const kube::ObjectKey& cluster) const {
  return config_of(cluster).has_value();
}

std::optional<kube::ClientConfig> DialledInnerClusters::config_of(
    const kube::ObjectKey& cluster) const {
  const std::lock_guard lock(mutex_);
  const auto found = configs_.find(cluster);
  return found == configs_.end() ? std::nullopt : std::optional(found->second);
}

Status DialledInnerClusters::adopt(const Cluster& cluster) {
  pki::Subject user;
  user.common_name = kInnerUser;
  kube::ClientConfig config = VK8S_TRY_CONTEXT(inner_client_config(cluster, user),
                                               "identity for the API server of {}", cluster.name());
  const std::lock_guard lock(mutex_);
  configs_.insert_or_assign(key_of(cluster), std::move(config));
  return {};
}

void DialledInnerClusters::forget(const kube::ObjectKey& cluster) {
  const std::lock_guard lock(mutex_);
  configs_.erase(cluster);
}

std::vector<Result<Json>> DialledInnerClusters::run(const kube::ObjectKey& cluster,
                                                    std::vector<BatchClient::Request> requests) {
  const auto fail_all = [count = requests.size()](const Error& error) {
    return std::vector<Result<Json>>(count, tl::unexpected<Error>(error));
  };
  const auto config = config_of(cluster);
  if (!config) {
    return fail_all(Error(Errc::kUnavailable, "the cluster's certificates are not known yet"));
  }
  // A client lives and ends on the loop's thread.
  const auto on_loop = [this](auto function) {
    std::promise<decltype(function())> done;
    auto result = done.get_future();
    loop_.post([&] { done.set_value(function()); });
    return result.get();
  };
  auto client = on_loop([&] { return kube::Client::create(loop_, *config, log_); });
  if (!client) {
    return fail_all(client.error());
  }
  auto results = BatchClient(loop_, **client, kTimeout).run(std::move(requests));
  on_loop([&] {
    client->reset();
    return true;
  });
  return results;
}

}  // namespace vk8s::controller
