// Secrets <cr>-pki and <cr>-agent-ca: the cluster's certificate authorities. Made once,
// never made anew for a cluster that is there or has run: a new CA is a new cluster.
#include <initializer_list>

#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// Files that are there are kept as they are; a part of them is an error, for to
// fill it up would cut off whoever holds certificates of the old ones.
Result<SecretResource::Content> keep_or_create(const ObjectRef& ref,
                                               const SecretResource::Content& existing,
                                               std::initializer_list<std::string_view> names,
                                               Result<api::FileSet> (*create)(std::string_view),
                                               const Cluster& cluster) {
  // Its volumes outlive its StatefulSets.
  const bool was_made = cluster.exists || !cluster.vk8s.status.version.empty();
  if (existing.files.empty() && was_made) {
    return fail(Errc::kNotFound,
                "{} is gone, and nothing else can stand for it: restore it from a backup. Until "
                "then {}; where there is no backup, move to another cluster",
                ref.to_string(),
                cluster.exists ? "the cluster goes on with the certificates that it has, and its "
                                 "nodes are not changed"
                               : "the cluster is not begun again");
  }
  if (existing.files.empty()) {
    return SecretResource::Content{VK8S_TRY(create(cluster.name())), "generated"};
  }
  for (const std::string_view name : names) {
    if (!existing.files.contains(std::string(name))) {
      return fail(Errc::kInvalidArgument,
                  "{} lacks {}: put it back from a backup, or delete the Vk8s and create it anew",
                  ref.to_string(), name);
    }
  }
  return existing;
}

class PkiSecret final : public SecretResource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kSecret, cluster.pki_secret());
  }

  std::string inputs(const Cluster&) const override { return "once"; }

  Result<Content> content(const Cluster& cluster, const Content& existing,
                          pki::WallTime) const override {
    return keep_or_create(ref(cluster), existing,
                          {"ca.crt", "ca.key", "etcd-ca.crt", "etcd-ca.key", "front-proxy-ca.crt",
                           "front-proxy-ca.key", "sa.pub", "sa.key"},
                          api::create_cluster_pki, cluster);
  }
};

// Never mounted: a vnode must not be able to pose as another cluster's agent, nor
// as the controller.
class AgentCaSecret final : public SecretResource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kSecret, cluster.agent_ca_secret());
  }

  std::string inputs(const Cluster&) const override { return "once"; }

  Result<Content> content(const Cluster& cluster, const Content& existing,
                          pki::WallTime now) const override {
    Content out = VK8S_TRY(
        keep_or_create(ref(cluster), existing,
                       {"agent-ca.crt", "agent-ca.key", "agent-client.crt", "agent-client.key"},
                       api::create_agent_ca, cluster));
    // The reader's certificate lives a year, its CA as long as the cluster.
    if (VK8S_TRY(api::first_renewal(out.files)) <= now) {
      const api::FileSet renewed = VK8S_TRY(api::renew_agent_client(out.files));
      for (const auto& [name, content] : renewed) {
        out.files[name] = content;
      }
    }
    return out;
  }
};

}  // namespace

std::unique_ptr<SecretResource> make_pki_secret() { return std::make_unique<PkiSecret>(); }

std::unique_ptr<SecretResource> make_agent_ca_secret() { return std::make_unique<AgentCaSecret>(); }

}  // namespace vk8s::controller
