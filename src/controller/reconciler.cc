#include "controller/reconciler.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "controller/manifests.h"
#include "controller/plain_password.h"
#include "controller/preconditions.h"

namespace vk8s::controller {
namespace {

using std::chrono::seconds;

void take_api_service(Cluster& cluster, const Json& service) {
  cluster.host.api_address = base::get_string(service, "spec.clusterIP").value_or("");
  cluster.host.api_node_port =
      static_cast<int>(base::get_int(service, "spec.ports.0.nodePort").value_or(0));
}

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
constexpr seconds kWrongSecretInterval{15};

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
      first_users_(parts_.client, secrets_, parts_.now),
      inner_ports_(parts_.inner, parts_.now),
      node_metadata_(parts_.inner, parts_.now),
      node_drain_(parts_.client, parts_.inner, parts_.now),
      admission_(parts_.client, parts_.now) {}

void Reconciler::forget(const kube::ObjectKey& key) {
  parts_.agents.forget(key);
  parts_.inner.forget(key);
  parts_.addresses.forget(key);
  parts_.addons.forget(key);
  inner_ports_.forget(key);
  node_metadata_.forget(key);
  admission_.forget(key);
  writer_.forget(key);
  secrets_.forget(key);
  registry_credentials_.forget(key);
  first_users_.forget(key);
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
    parts_.addons.forget(key);
    first_users_.forget(key);
    VK8S_TRY(report(*object, *vk8s, Observation()));
    return Outcome();
  }
  const Observation seen = drive(with_reached_version(*vk8s), *object);
  VK8S_TRY(report(*object, *vk8s, seen));
  Outcome out{seen.again};
  const auto no_later_than = [&out](seconds time) {
    out.again = std::min(out.again.value_or(time), time);
  };
  for (const Problem* problem : seen.problems()) {
    if (problem->retry_after.count() > 0) {
      no_later_than(problem->retry_after);
    }
  }
  if (names_inner_services(*vk8s)) {
    no_later_than(kPortsInterval);
  }
  if (!parts_.settings.registry_mirror.empty() && !vk8s->spec.image_pull_secrets.empty()) {
    no_later_than(kCredentialsInterval);
  }
  return out;
}

// What its master has started since the last status is reached as well: no older version
// may come after it.
api::Vk8s Reconciler::with_reached_version(api::Vk8s vk8s) const {
  vk8s.status.version =
      reached_version(vk8s.status.version, version_of(vk8s, look_at(vk8s, vk8s.master())));
  return vk8s;
}

// What is wrong with one thing keeps no other from being done, but where that would
// leave a cluster half made: one that does not exist yet waits until all is well.
Observation Reconciler::drive(const api::Vk8s& vk8s, const Json& object) {
  Observation seen;
  seen.missing = missing_resources(vk8s, parts_.world);
  // First: it must not lie open because of some other mistake.
  seen.note(move_password(vk8s, object));
  Cluster cluster = prepare(vk8s, seen);
  Addresses::Outcome addressed;
  if (cluster.exists || !seen.problem) {
    addressed = parts_.addresses.ensure(cluster, known_sets(cluster));
    seen.address_limits = std::move(addressed.limits);
  }
  if (!cluster.exists) {
    seen.note(addressed.problem);
  }
  const bool is_new = vk8s.status.observed_generation == 0 && !cluster.exists;
  const bool built = (cluster.exists || !seen.problem) && build(cluster, is_new, seen);
  if (cluster.exists && !built) {
    keep_in_touch(cluster, seen);
  }
  observe(cluster, vk8s, seen);
  // Of one that was whole, only a pod that does not come may be a failure.
  const bool runs_on = cluster.exists && was_installed(vk8s.status);
  const auto note = [&](std::optional<Problem> found) {
    if (found && runs_on) {
      found->phase = {};
    }
    seen.note(std::move(found));
  };
  if (runs_on) {
    seen.run_on();
  }
  explain_missing(cluster, seen);
  if (vk8s.has_addons()) {
    ensure_addons(cluster, vk8s, seen);
  }
  auto unlabelled = label_nodes(cluster, seen);
  const std::vector<World::Object> left = left_sets(vk8s);
  // No node that might not come back.
  const bool may_replace = built && !cluster.frozen;
  note(take_back_nodes(cluster, seen, may_replace));
  if (may_replace) {
    note(replace_outdated(cluster, seen, left));
  }
  note(open_ports(cluster, seen));
  note(remove_left_nodes(cluster, left, seen, object));
  note(refuse_pause(vk8s));
  note(std::move(unlabelled));
  note(std::move(addressed.problem));
  if (!cluster.frozen) {
    note(parts_.addresses.release_left(cluster));
  }
  return seen;
}

void Reconciler::ensure_addons(const Cluster& cluster, const api::Vk8s& vk8s, Observation& seen) {
  const kube::ObjectKey key = key_of(cluster);
  std::optional<AddonLogin> login;
  if (parts_.addons.wants_login(vk8s)) {
    login = first_users_.find(cluster);
    const bool is_known = login && login->trouble.empty();
    const seconds look_again = is_known ? kCredentialsInterval : kWrongSecretInterval;
    seen.again = std::min(seen.again.value_or(look_again), look_again);
  }
  const bool can_work =
      !cluster.paused && seen.is_master_ready() && parts_.addons.has_identity(key);
  seen.addons = parts_.addons.ensure(vk8s, can_work, login);
}

Cluster Reconciler::prepare(const api::Vk8s& vk8s, Observation& seen) {
  auto prepared = prepare_cluster(vk8s, parts_.settings, parts_.world);
  if (!prepared) {
    seen.note(prepared.error());
  }
  Cluster out =
      prepared ? *std::move(prepared) : freeze_cluster(vk8s, parts_.settings, parts_.world);
  out.exists = own_set(out, vk8s.master().name) != nullptr;
  if (!out.exists) {
    seen.note(reason_to_wait(vk8s));
  }
  seen.is_paused = out.paused;
  out.inner_ports =
      open_inner_ports(vk8s.spec, writer_.known(make_ports_service()->ref(out)).get());
  out.labelled_nodes = labelled_nodes(out, writer_);
  return out;
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

// The StatefulSet of a node, if it is this cluster's.
World::Object Reconciler::own_set(const Cluster& cluster, const std::string& node) const {
  World::Object set = writer_.known(make_node_stateful_set(node)->ref(cluster));
  return set && is_owned_by(*set, cluster.vk8s.metadata.uid) ? set : nullptr;
}

NodeSets Reconciler::known_sets(const Cluster& cluster) const {
  NodeSets out;
  if (!cluster.vk8s.wants_addresses()) {
    return out;
  }
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    if (World::Object set = own_set(cluster, node.name)) {
      out.emplace(node.name, std::move(set));
    }
  }
  return out;
}

// What cannot be written keeps nobody from stopping and hearing what is there.
void Reconciler::keep_in_touch(Cluster& cluster, Observation& seen) {
  seen.note(set_replicas(cluster));
  const kube::ObjectKey key = key_of(cluster);
  if (parts_.agents.has_identity(key) && may_act_inside(cluster.vk8s)) {
    return;
  }
  if (const auto service = writer_.known(make_api_server_service()->ref(cluster))) {
    take_api_service(cluster, *service);
    seen.note(ensure_authorities(cluster, false));
  }
}

// In the order in which a pod needs them: what it mounts is there before the kubelet
// looks for it. Whether all of it is as it should be, but for new nodes that are held back.
bool Reconciler::build(Cluster& cluster, bool is_new, Observation& seen) {
  if (!dry_run(cluster, seen) && !cluster.exists) {
    return false;
  }
  if (auto problem = write_services(cluster)) {
    seen.note(std::move(problem));
    return false;
  }
  if (auto problem = write_ports_service(cluster)) {
    seen.note(std::move(problem));
    if (!cluster.exists) {
      return false;
    }
  }
  if (auto problem = write_nodes(cluster, is_new)) {
    seen.note(std::move(problem));
    return false;
  }
  return true;
}

// Of what does not exist yet. A node that the host refuses is held back alone; a
// cluster is not begun without it.
bool Reconciler::dry_run(Cluster& cluster, Observation& seen) {
  if (cluster.frozen) {
    return true;
  }
  std::vector<World::Object> sets;
  for (const api::NodeSpec& node : cluster.vk8s.spec.nodes) {
    const auto set = make_node_stateful_set(node.name);
    if (!cluster.held_back.contains(node.name) && !writer_.known(set->ref(cluster))) {
      sets.push_back(std::make_shared<const Json>(set->desired(cluster)));
    }
  }
  auto refused = admission_.try_nodes(cluster, sets);
  for (auto& [node, problem] : refused) {
    cluster.held_back.insert(node);
    seen.note(std::move(problem));
  }
  // A Service that is there would be refused for the very node ports that it has.
  const World::Object ports = writer_.known(make_ports_service()->ref(cluster));
  const bool has_ports = ports && is_owned_by(*ports, cluster.vk8s.metadata.uid);
  auto no_ports = cluster.exists || has_ports ? std::nullopt : admission_.try_ports(cluster);
  const bool accepted = refused.empty() && !no_ports;
  seen.note(std::move(no_ports));
  return accepted;
}

std::optional<Problem> Reconciler::write_services(Cluster& cluster) {
  std::vector<std::unique_ptr<Resource>> resources;
  resources.push_back(make_api_server_service());
  resources.push_back(make_peers_service());
  resources.push_back(make_network_policy());
  resources.push_back(make_access_service());
  auto objects = writer_.ensure(cluster, pointers(resources));
  if (!objects) {
    return std::move(objects).error();
  }
  take_api_service(cluster, objects->front());
  if (cluster.host.api_address.empty()) {
    return write_problem(
        Error(Errc::kUnavailable, fmt::format("Service {}/{} has no cluster IP",
                                              cluster.namespace_name(), cluster.api_service())));
  }
  return std::nullopt;
}

// Apart from the others: a node port that is taken is no reason to leave nodes alone.
std::optional<Problem> Reconciler::write_ports_service(const Cluster& cluster) {
  const auto service = make_ports_service();
  auto written = writer_.ensure(cluster, {service.get()});
  return written ? std::nullopt : std::optional(ports_problem(std::move(written).error()));
}

std::optional<Problem> Reconciler::write_nodes(Cluster& cluster, bool is_new) {
  auto registry_auth = registry_credentials_.find(cluster);
  if (!registry_auth) {
    return std::move(registry_auth).error();
  }
  cluster.registry_auth = *std::move(registry_auth);
  const auto pki = make_pki_secret();
  const auto agent_ca = make_agent_ca_secret();
  std::vector<std::unique_ptr<SecretResource>> leaves;
  std::vector<std::unique_ptr<Resource>> nodes;
  for (const std::string& name : node_names(cluster)) {
    leaves.push_back(make_node_config_secret(name));
    if (!cluster.held_back.contains(name) && !cluster.frozen) {
      nodes.push_back(make_node_stateful_set(name));
    }
  }
  leaves.push_back(make_kubeconfig_secret());
  nodes.push_back(make_access_deployment());

  // A new pod of one that comes out of a pause mounts them.
  const bool fresh = cluster.exists && !resumes(cluster) &&
                     secrets_.are_fresh(cluster, {pki.get(), agent_ca.get()}) &&
                     secrets_.are_fresh(cluster, pointers(leaves)) &&
                     parts_.agents.has_identity(key_of(cluster)) && may_act_inside(cluster.vk8s);
  if (!fresh) {
    if (auto problem = ensure_authorities(cluster, is_new)) {
      return problem;
    }
    if (auto written = secrets_.ensure(cluster, pointers(leaves), is_new); !written) {
      return std::move(written).error();
    }
  }
  if (auto written = writer_.ensure(cluster, pointers(nodes)); !written) {
    return std::move(written).error();
  }
  return cluster.frozen ? set_replicas(cluster) : std::nullopt;
}

bool Reconciler::resumes(const Cluster& cluster) const {
  const auto& nodes = cluster.vk8s.spec.nodes;
  return !cluster.paused && std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
    const World::Object set = own_set(cluster, node.name);
    return set && base::get_int(*set, "spec.replicas") == 0;
  });
}

bool Reconciler::may_act_inside(const api::Vk8s& vk8s) const {
  const kube::ObjectKey key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  return parts_.inner.has_identity(key) && (!vk8s.has_addons() || parts_.addons.has_identity(key));
}

// Each for itself: without one of them, all is still done that the other is for.
std::optional<Problem> Reconciler::ensure_authorities(Cluster& cluster, bool is_new) {
  const auto pki = make_pki_secret();
  const auto agent_ca = make_agent_ca_secret();
  std::optional<Problem> problem;
  if (auto both = secrets_.ensure(cluster, {pki.get(), agent_ca.get()}, is_new)) {
    cluster.pki = std::move((*both)[0].files);
    cluster.agent_ca = std::move((*both)[1].files);
  } else {
    for (const auto& [secret, files] :
         {std::pair(pki.get(), &cluster.pki), std::pair(agent_ca.get(), &cluster.agent_ca)}) {
      if (auto one = secrets_.ensure(cluster, {secret}, false)) {
        *files = std::move(one->front().files);
      } else if (!problem) {
        problem = std::move(one).error();
      }
    }
  }
  if (!cluster.pki.empty()) {
    Status adopted = parts_.inner.adopt(cluster);
    if (adopted && cluster.vk8s.has_addons()) {
      adopted = parts_.addons.adopt(cluster);
    }
    if (!adopted && !problem) {
      problem = write_problem(adopted.error());
    }
  }
  return problem;
}

NodeObservation Reconciler::look_at(const api::Vk8s& vk8s, const api::NodeSpec& node) const {
  const kube::ObjectKey key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  const auto set = parts_.world.get(kube::resources::kStatefulSet, {key.namespace_name, node.name});
  auto pod = parts_.world.get(kube::resources::kPod, {key.namespace_name, pod_of(node.name)});
  if (pod && base::get_string(*pod, "metadata.labels.clusterName") != key.name) {
    pod = nullptr;
  }
  NodeObservation out = observe_node(node, set.get(), pod.get());
  if (!out.pod_ip.empty()) {
    out.agent = parts_.agents.report(key, node.name, out.pod_uid);
  }
  return out;
}

std::string Reconciler::version_of(const api::Vk8s& vk8s, const NodeObservation& master) const {
  const auto set =
      parts_.world.get(kube::resources::kStatefulSet, {vk8s.metadata.namespace_name, master.name});
  return running_version(parts_.settings, master, set.get());
}

void Reconciler::observe(const Cluster& cluster, const api::Vk8s& vk8s, Observation& seen) {
  seen.endpoint = cluster.external_endpoint();
  const kube::ObjectKey key = key_of(cluster);
  std::vector<AgentTarget> targets;
  for (const api::NodeSpec& node : vk8s.spec.nodes) {
    NodeObservation observed = look_at(vk8s, node);
    if (const auto at = cluster.addresses.find(node.name); at != cluster.addresses.end()) {
      observed.reserved_ip = at->second.address.to_string();
    }
    if (!observed.pod_ip.empty()) {
      targets.push_back({node.name, observed.pod_uid, observed.pod_ip,
                         agent_server_name(cluster, node.name), observed.pod_ready});
    }
    if (observed.role == api::NodeRole::kMaster) {
      seen.version = version_of(vk8s, observed);
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
  const auto policy = make_network_policy();
  auto written = writer_.ensure(cluster, {policy.get()});
  return written ? write_ports_service(cluster) : std::optional(std::move(written).error());
}

}  // namespace vk8s::controller
