#include "controller/reconciler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/wall_time.h"
#include "controller/manifests.h"
#include "controller/plain_password.h"
#include "controller/preconditions.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

template <class T>
std::vector<const T*> pointers(const std::vector<std::unique_ptr<T>>& owned) {
  std::vector<const T*> out;
  for (const auto& each : owned) {
    out.push_back(each.get());
  }
  return out;
}

// Masters first: workers wait for them.
std::vector<std::string> node_names(const Cluster& cluster) {
  std::vector<std::string> out = {cluster.vk8s.master().name};
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    if (node.role == api::NodeRole::kWorker) {
      out.push_back(node.name);
    }
  }
  return out;
}

// Those whose StatefulSet has kLabelledAnnotation.
std::set<std::string> labelled_nodes(const Cluster& cluster, const ObjectWriter& writer) {
  std::set<std::string> out;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    const auto set = writer.known(make_node_stateful_set(node.name)->ref(cluster));
    const JsonObject* annotations =
        set == nullptr ? nullptr : base::get_object(*set, "metadata.annotations");
    if (annotations != nullptr && annotations->contains(kLabelledAnnotation)) {
      out.insert(node.name);
    }
  }
  return out;
}

// Nobody tells when a Service inside changes.
constexpr seconds kPortsInterval{60};
// Nobody watches a Secret: who renews a pull Secret waits so long.
constexpr seconds kCredentialsInterval{600};

bool names_inner_services(const api::Vk8s& vk8s) {
  const auto& ports = vk8s.spec.ports;
  return std::any_of(ports.begin(), ports.end(),
                     [](const api::PortSpec& port) { return !port.service.empty(); });
}

std::shared_ptr<const http::TlsIdentity> identity_of(const api::FileSet& agent_ca) {
  auto out = std::make_shared<http::TlsIdentity>();
  out->ca_pem = agent_ca.at("agent-ca.crt");
  out->client_certificate_pem = agent_ca.at("agent-client.crt");
  out->client_key_pem = agent_ca.at("agent-client.key");
  return out;
}

}  // namespace

Reconciler::Reconciler(Parts parts)
    : parts_(std::move(parts)),
      writer_(parts_.client, parts_.world),
      secrets_(parts_.client, parts_.now),
      registry_credentials_(parts_.client, parts_.log, parts_.now),
      inner_ports_(parts_.inner, parts_.now),
      node_metadata_(parts_.inner, parts_.now),
      node_drain_(parts_.client, parts_.inner, parts_.now) {}

void Reconciler::forget(const kube::ObjectKey& key) {
  parts_.agents.forget(key);
  parts_.inner.forget(key);
  parts_.addresses.forget(key);
  inner_ports_.forget(key);
  node_metadata_.forget(key);
  writer_.forget(key);
  secrets_.forget(key);
  registry_credentials_.forget(key);
  const std::lock_guard lock(mutex_);
  written_.erase(key);
}

Result<Reconciler::Outcome> Reconciler::reconcile(const kube::ObjectKey& key) {
  const World::Object object = parts_.world.get(kube::resources::kVk8s, key);
  if (!object) {
    forget(key);
    return Outcome();
  }
  auto vk8s = api::parse_vk8s(*object);
  if (!vk8s) {
    parts_.log.warning(
        "a Vk8s the schema should have refused",
        {{"vk8s", key.namespace_name + "/" + key.name}, {"error", vk8s.error().message()}});
    return tl::unexpected<Error>(vk8s.error());
  }
  if (vk8s->metadata.being_deleted) {
    // What it owns goes by garbage collection.
    parts_.agents.forget(key);
    VK8S_TRY(report(*object, *vk8s, Observation()));
    return Outcome();
  }
  const Observation seen = drive(*vk8s, *object);
  VK8S_TRY(report(*object, *vk8s, seen));
  Outcome out;
  if (seen.problem && seen.problem->retry_after.count() > 0) {
    out.again = seen.problem->retry_after;
  } else if (names_inner_services(*vk8s)) {
    out.again = kPortsInterval;
  } else if (!parts_.settings.registry_mirror.empty() && !vk8s->spec.image_pull_secrets.empty()) {
    out.again = kCredentialsInterval;
  }
  return out;
}

Observation Reconciler::drive(const api::Vk8s& vk8s, const Json& object) {
  Observation seen;
  seen.missing = missing_resources(vk8s, parts_.world);
  // First: it must not lie open because of some other mistake.
  seen.problem = move_password(vk8s, object);
  if (seen.problem) {
    return seen;
  }
  auto cluster = prepare_cluster(vk8s, parts_.settings, parts_.world);
  if (!cluster) {
    seen.problem = std::move(cluster).error();
    return seen;
  }
  seen.version = cluster->release.version;
  seen.is_paused = cluster->paused;
  cluster->inner_ports =
      open_inner_ports(vk8s.spec, writer_.known(make_ports_service()->ref(*cluster)).get());
  cluster->labelled_nodes = labelled_nodes(*cluster, writer_);
  const bool is_new = vk8s.status.observed_generation == 0;
  const bool has_master =
      writer_.known(make_node_stateful_set(vk8s.master().name)->ref(*cluster)) != nullptr;
  if (!has_master) {
    seen.problem = reason_to_wait(vk8s);
  }
  Addresses::Outcome addressed;
  if (!seen.problem) {
    addressed = parts_.addresses.ensure(*cluster, known_sets(*cluster));
    seen.address_limits = std::move(addressed.limits);
  }
  if (!has_master && addressed.problem) {
    seen.problem = addressed.problem;  // nothing is half created
  }
  if (!seen.problem) {
    seen.problem = build(*cluster, is_new);
  }
  observe(*cluster, seen);
  // Beside what follows: neither waits for the other to go well.
  std::optional<Problem> unlabelled;
  if (!seen.problem) {
    unlabelled = label_nodes(*cluster, seen);
  }
  if (!seen.problem) {
    seen.problem = replace_outdated(*cluster, seen);
  }
  if (!seen.problem) {
    seen.problem = open_ports(*cluster, seen);
  }
  if (!seen.problem) {
    seen.problem = remove_left_nodes(*cluster, object);
  }
  if (!seen.problem) {
    seen.problem = refuse_pause(vk8s);
  }
  if (!seen.problem) {
    seen.problem = std::move(unlabelled);
  }
  auto unreleased = parts_.addresses.release_left(*cluster);
  for (std::optional<Problem>* other : {&addressed.problem, &unreleased}) {
    if (!seen.problem) {
      seen.problem = std::move(*other);
    }
  }
  return seen;
}

std::optional<Problem> Reconciler::move_password(const api::Vk8s& vk8s, const Json& object) {
  Cluster cluster;
  cluster.vk8s = vk8s;
  const auto move = move_plain_password(cluster);
  if (!move) {
    return std::nullopt;
  }
  const auto created = parts_.client.run_one(
      create_request(*move->secret.resource, move->secret.key.namespace_name, move->secret_object));
  if (!created && created.error().code() == Errc::kAlreadyExists) {
    const auto existing =
        parts_.client.run_one(get_request(*move->secret.resource, move->secret.key));
    if (!existing) {
      return write_problem(existing.error());
    }
    if (!is_owned_by(*existing, cluster.vk8s.metadata.uid)) {
      return conflict_problem(cluster, move->secret, *existing);
    }
  } else if (!created) {
    return write_problem(created.error());
  }
  const auto patched = parts_.client.run_one(
      merge_patch_request(kube::resources::kVk8s, key_of(cluster), move->vk8s_patch));
  if (!patched) {
    return write_problem(patched.error());
  }
  if (parts_.announce) {
    parts_.announce(object, true, "PlainPassword",
                    fmt::format("spec.kubeflow.password was moved to Secret {}: write "
                                "spec.kubeflow.passwordSecretRef instead",
                                move->secret.key.name));
  }
  return std::nullopt;
}

NodeSets Reconciler::known_sets(const Cluster& cluster) const {
  NodeSets out;
  if (!cluster.vk8s.wants_addresses()) {
    return out;
  }
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    auto set = writer_.known(make_node_stateful_set(node.name)->ref(cluster));
    if (set && is_owned_by(*set, cluster.vk8s.metadata.uid)) {
      out.emplace(node.name, std::move(set));
    }
  }
  return out;
}

// In the order in which a pod needs them: what it mounts is there before the
// kubelet looks for it.
std::optional<Problem> Reconciler::build(Cluster& cluster, bool is_new) {
  if (auto problem = dry_run(cluster)) {
    return problem;
  }
  if (auto problem = write_services(cluster)) {
    return problem;
  }
  return write_nodes(cluster, is_new);
}

// Pod Security, quota and LimitRange speak before anything exists.
std::optional<Problem> Reconciler::dry_run(const Cluster& cluster) {
  std::vector<BatchClient::Request> requests;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    if (!cluster.held_back.contains(node.name) &&
        !writer_.known(make_node_stateful_set(node.name)->ref(cluster))) {
      requests.push_back(create_request(kube::resources::kPod, cluster.namespace_name(),
                                        node_pod(cluster, node), true));
    }
  }
  for (const Result<Json>& result : parts_.client.run(std::move(requests))) {
    // A pod of that name that still leaves is no refusal.
    if (!result && result.error().code() != Errc::kAlreadyExists) {
      Problem problem = write_problem(result.error());
      problem.reason = reason::kPodRefused;
      return problem;
    }
  }
  return std::nullopt;
}

std::optional<Problem> Reconciler::write_services(Cluster& cluster) {
  std::vector<std::unique_ptr<Resource>> resources;
  resources.push_back(make_api_server_service());
  resources.push_back(make_peers_service());
  resources.push_back(make_network_policy());
  resources.push_back(make_ports_service());
  resources.push_back(make_access_service());
  auto objects = writer_.ensure(cluster, pointers(resources));
  if (!objects) {
    return std::move(objects).error();
  }
  const Json& service = objects->front();
  cluster.host.api_address = base::get_string(service, "spec.clusterIP").value_or("");
  cluster.host.api_node_port =
      static_cast<int>(base::get_int(service, "spec.ports.0.nodePort").value_or(0));
  if (cluster.host.api_address.empty()) {
    return write_problem(
        Error(Errc::kUnavailable, fmt::format("Service {}/{} has no cluster IP",
                                              cluster.namespace_name(), cluster.api_service())));
  }
  return std::nullopt;
}

std::optional<Problem> Reconciler::write_nodes(Cluster& cluster, bool is_new) {
  auto registry_auth = registry_credentials_.find(cluster);
  if (!registry_auth) {
    return std::move(registry_auth).error();
  }
  cluster.registry_auth = *std::move(registry_auth);
  std::vector<std::unique_ptr<SecretResource>> authorities;
  authorities.push_back(make_pki_secret());
  authorities.push_back(make_agent_ca_secret());
  std::vector<std::unique_ptr<SecretResource>> leaves;
  std::vector<std::unique_ptr<Resource>> nodes;
  for (const std::string& name : node_names(cluster)) {
    leaves.push_back(make_node_config_secret(name));
    if (!cluster.held_back.contains(name)) {
      nodes.push_back(make_node_stateful_set(name));
    }
  }
  leaves.push_back(make_kubeconfig_secret());
  nodes.push_back(make_access_deployment());

  const bool fresh = secrets_.are_fresh(cluster, pointers(authorities)) &&
                     secrets_.are_fresh(cluster, pointers(leaves)) &&
                     parts_.agents.has_identity(key_of(cluster)) &&
                     parts_.inner.has_identity(key_of(cluster));
  if (!fresh) {
    auto files = secrets_.ensure(cluster, pointers(authorities), is_new);
    if (!files) {
      return std::move(files).error();
    }
    cluster.pki = std::move((*files)[0].files);
    cluster.agent_ca = std::move((*files)[1].files);
    if (auto written = secrets_.ensure(cluster, pointers(leaves), is_new); !written) {
      return std::move(written).error();
    }
    if (const Status adopted = parts_.inner.adopt(cluster); !adopted) {
      return write_problem(adopted.error());
    }
  }
  if (auto written = writer_.ensure(cluster, pointers(nodes)); !written) {
    return std::move(written).error();
  }
  return std::nullopt;
}

void Reconciler::observe(const Cluster& cluster, Observation& seen) {
  seen.endpoint = cluster.external_endpoint();
  const kube::ObjectKey key = key_of(cluster);
  std::vector<AgentTarget> targets;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    const auto set =
        parts_.world.get(kube::resources::kStatefulSet, {cluster.namespace_name(), node.name});
    auto pod =
        parts_.world.get(kube::resources::kPod, {cluster.namespace_name(), pod_of(node.name)});
    if (pod && base::get_string(*pod, "metadata.labels.clusterName") != cluster.name()) {
      pod = nullptr;
    }
    NodeObservation observed = observe_node(node, set.get(), pod.get());
    if (const auto at = cluster.addresses.find(node.name); at != cluster.addresses.end()) {
      observed.reserved_ip = at->second.address.to_string();
    }
    if (!observed.pod_ip.empty()) {
      observed.agent = parts_.agents.report(key, node.name, observed.pod_uid);
      targets.push_back({node.name, observed.pod_uid, observed.pod_ip,
                         agent_server_name(cluster, node.name), observed.pod_ready});
    }
    seen.nodes.push_back(std::move(observed));
  }
  const bool has_identity = parts_.agents.has_identity(key);
  if (!cluster.agent_ca.empty() || has_identity) {
    parts_.agents.follow(key, targets,
                         cluster.agent_ca.empty() ? nullptr : identity_of(cluster.agent_ca));
  }
}

// The Services that spec.ports names inside, made reachable.
std::optional<Problem> Reconciler::open_ports(Cluster& cluster, const Observation& seen) {
  if (cluster.paused || !seen.is_master_ready()) {
    return std::nullopt;  // as they are, until the cluster answers
  }
  InnerPorts::Outcome inner = inner_ports_.ensure(cluster);
  bool changed = false;
  for (const auto& [name, port] : inner.ports) {
    changed |= std::exchange(cluster.inner_ports[name], port) != port;
  }
  if (changed) {
    if (auto problem = write_ports(cluster)) {
      return problem;
    }
  }
  if (inner.trouble.empty()) {
    return std::nullopt;
  }
  return Problem{{}, std::string(reason::kPortsNotOpen), inner.trouble, seconds(5)};
}

std::optional<Problem> Reconciler::write_ports(const Cluster& cluster) {
  std::vector<std::unique_ptr<Resource>> resources;
  resources.push_back(make_network_policy());
  resources.push_back(make_ports_service());
  auto written = writer_.ensure(cluster, pointers(resources));
  return written ? std::nullopt : std::optional(std::move(written).error());
}

Status Reconciler::report(const Json& object, const api::Vk8s& vk8s, const Observation& seen) {
  const kube::ObjectKey key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  // The cache may not show yet what was written last.
  api::Vk8sStatus previous = vk8s.status;
  const std::string problem = seen.problem ? seen.problem->reason : std::string();
  bool has_new_problem = !problem.empty();
  {
    const std::lock_guard lock(mutex_);
    const auto last = written_.find(key);
    if (last != written_.end()) {
      has_new_problem = has_new_problem && last->second.problem != problem;
      if (last->second.resource_version == vk8s.metadata.resource_version) {
        previous = last->second.status;
      }
    }
  }
  api::Vk8sStatus status = compute_status(vk8s, previous, seen, base::format_time(parts_.now()));
  if (status == previous) {
    return {};
  }
  JsonObject metadata;
  metadata["name"] = key.name;
  metadata["namespace"] = key.namespace_name;
  metadata["uid"] = vk8s.metadata.uid;
  JsonObject patch;
  patch["apiVersion"] = api::kVk8sApiVersion;
  patch["kind"] = "Vk8s";
  patch["metadata"] = std::move(metadata);
  patch["status"] = api::to_json(status);
  const auto applied =
      parts_.client.run_one(apply_request(kube::resources::kVk8s, std::move(patch), "status"));
  if (!applied) {
    // Deleted meanwhile: there is nobody left to tell.
    const bool gone = applied.error().code() == Errc::kNotFound ||
                      (applied.error().code() == Errc::kConflict && vk8s.metadata.being_deleted);
    return gone ? Status() : tl::unexpected<Error>(applied.error());
  }
  tell(object, status, seen, status.phase != previous.phase, has_new_problem);
  parts_.log.info("status", {{"vk8s", key.namespace_name + "/" + key.name},
                             {"phase", status.phase},
                             {"ready", status.ready_nodes},
                             {"message", status.message}});
  const std::lock_guard lock(mutex_);
  written_[key] = {std::move(status), vk8s.metadata.resource_version, problem};
  return {};
}

// The story once per change. A running cluster can have a problem and go on running.
void Reconciler::tell(const Json& object, const api::Vk8sStatus& status, const Observation& seen,
                      bool has_new_phase, bool has_new_problem) const {
  if (!parts_.announce || (!has_new_phase && !has_new_problem)) {
    return;
  }
  const bool is_trouble = has_new_problem && status.phase == api::phase::kRunning &&
                          seen.problem->reason != reason::kDrainingNode;
  std::string reason = seen.problem ? seen.problem->reason : status.phase;
  std::erase(reason, ' ');
  parts_.announce(
      object, is_trouble || status.phase == api::phase::kFail, reason,
      status.message.empty() ? fmt::format("the cluster is {}", status.phase) : status.message);
}

}  // namespace vk8s::controller
