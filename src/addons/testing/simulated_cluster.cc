#include "addons/testing/simulated_cluster.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "addons/kinds.h"
#include "addons/labels.h"
#include "addons/object_id.h"
#include "addons/pod_references.h"
#include "addons/readiness.h"
#include "base/text.h"

namespace vk8s::addons::testing {
namespace {

namespace resources = kube::resources;

const kube::Resource kMutating{"admissionregistration.k8s.io", "v1",
                               "mutatingwebhookconfigurations", "MutatingWebhookConfiguration",
                               false};
const kube::Resource kValidating{"admissionregistration.k8s.io", "v1",
                                 "validatingwebhookconfigurations",
                                 "ValidatingWebhookConfiguration", false};
const kube::Resource kCertificate{"cert-manager.io", "v1", "certificates", "Certificate"};
const std::vector<kube::Resource> kWorkloads = {resources::kDeployment, resources::kStatefulSet,
                                                resources::kDaemonSet};
constexpr const char* kIstioNamespace = "istio-system";
constexpr std::size_t kMaxReviewBytes = 8U << 20U;

// Two runs on one machine are not to meet.
std::string service_range() { return fmt::format("127.{}", 64 + ::getpid() % 128); }

kube::ObjectKey key_of(const Json& object) {
  return {text_at(object, "metadata.namespace"), text_at(object, "metadata.name")};
}

std::string path_of(const kube::ObjectKey& key) { return key.namespace_name + "/" + key.name; }

bool is_going(const Json& object) {
  return base::find(object, "metadata.deletionTimestamp") != nullptr;
}

bool is_available(const Json& workload) {
  const ObjectId id{"apps", text_at(workload, "kind"), text_at(workload, "metadata.namespace"),
                    text_at(workload, "metadata.name")};
  return !is_going(workload) && readiness_of(id, workload, 0).is_ready;
}

// Otherwise it is filled in by its servers, which are there before it is applied.
bool asks_cert_manager(const Json& configuration) {
  const Labels annotations = string_members(base::find(configuration, "metadata.annotations"));
  return std::any_of(annotations.begin(), annotations.end(), [](const auto& annotation) {
    return annotation.first.starts_with("cert-manager.io/inject-");
  });
}

Json available_status(const Json& workload) {
  const std::int64_t generation = base::get_int(workload, "metadata.generation").value_or(1);
  if (text_at(workload, "kind") == "DaemonSet") {
    return JsonObject{{"observedGeneration", generation},
                      {"currentNumberScheduled", 1},
                      {"desiredNumberScheduled", 1},
                      {"updatedNumberScheduled", 1},
                      {"numberAvailable", 1},
                      {"numberReady", 1},
                      {"numberMisscheduled", 0}};
  }
  const std::int64_t replicas = base::get_int(workload, "spec.replicas").value_or(1);
  return JsonObject{{"observedGeneration", generation},
                    {"replicas", replicas},
                    {"updatedReplicas", replicas},
                    {"readyReplicas", replicas},
                    {"availableReplicas", replicas}};
}

Json endpoint_slice(const Json& service) {
  const kube::ObjectKey key = key_of(service);
  JsonArray ports;  // an aggregated API server is looked for by its port's name
  if (const JsonArray* all = base::get_array(service, "spec.ports")) {
    for (const Json& port : *all) {
      ports.push_back(JsonObject{{"name", text_at(port, "name")},
                                 {"port", base::get_int(port, "port").value_or(0)},
                                 {"protocol", text_at(port, "protocol")}});
    }
  }
  return JsonObject{
      {"apiVersion", "discovery.k8s.io/v1"},
      {"kind", "EndpointSlice"},
      {"metadata", JsonObject{{"namespace", key.namespace_name},
                              {"name", key.name},
                              {"labels", JsonObject{{"kubernetes.io/service-name", key.name}}}}},
      {"addressType", "IPv4"},
      {"ports", std::move(ports)},
      // Of the range that is for documents; nothing of a simulated pod listens.
      {"endpoints", JsonArray{JsonObject{{"addresses", JsonArray{"192.0.2.1"}},
                                         {"conditions", JsonObject{{"ready", true}}}}}}};
}

}  // namespace

std::vector<std::string> SimulatedCluster::api_server_flags() {
  return {fmt::format("--service-cluster-ip-range={}.0.0/16", service_range()),
          "--allow-privileged=true"};
}

std::optional<std::string> SimulatedCluster::missing_prerequisite(EventLoop& loop) {
  const auto ca = pki::create_ca({.common_name = "probe", .organizations = {}});
  const auto leaf = pki::issue(*ca, {.subject = {.common_name = "probe", .organizations = {}},
                                     .dns_names = {"probe"},
                                     .ip_addresses = {},
                                     .server = true});
  const auto server = http::Server::start(
      loop,
      {.address = service_range() + ".255.254",
       .port = 443,
       .certificate_pem = leaf->certificate_pem,
       .key_pem = leaf->key_pem},
      [](http::ServerRequest, http::Responder) {}, Log::silent());
  return server ? std::nullopt : std::optional(server.error().message());
}

SimulatedCluster::SimulatedCluster(EventLoop& loop, kube::Client& client, pki::KeyPair ca, Log log)
    : loop_(loop), client_(client), ca_(std::move(ca)), log_(std::move(log)) {}

SimulatedCluster::~SimulatedCluster() = default;

void SimulatedCluster::start() {
  for (const kube::Resource& resource : kWorkloads) {
    follow(resource);
  }
  for (const kube::Resource& resource :
       {resources::kService, resources::kEndpointSlice, resources::kSecret, resources::kConfigMap,
        resources::kPersistentVolumeClaim, resources::kNamespace,
        resources::kCustomResourceDefinition, kMutating, kValidating}) {
    follow(resource);
  }
}

void SimulatedCluster::follow(const kube::Resource& resource) {
  kube::InformerOptions options{.resource = resource, .page_size = 100};
  if (resource == resources::kCustomResourceDefinition) {
    options.projection = kube::keep_fields({"status.conditions"});
  }
  auto informer = std::make_unique<kube::Informer>(loop_, client_, std::move(options), log_);
  informer->add_handlers({.on_added = [this](const auto&) { wake(); },
                          .on_updated = [this](const auto&, const auto&) { wake(); },
                          .on_deleted = [this](const auto&) { wake(); }});
  informer->start();
  informers_[resource.kind] = std::move(informer);
}

std::vector<kube::ObjectPtr> SimulatedCluster::all(const std::string& kind) const {
  const auto found = informers_.find(kind);
  return found == informers_.end() ? std::vector<kube::ObjectPtr>() : found->second->store().list();
}

bool SimulatedCluster::is_there(const std::string& kind, const kube::ObjectKey& key) const {
  const auto found = informers_.find(kind);
  return found == informers_.end() || found->second->store().get(key) != nullptr;
}

void SimulatedCluster::wake() {
  if (!wake_) {
    wake_ = loop_.after(std::chrono::milliseconds(20), [this] { look(); });
  }
}

void SimulatedCluster::look() {
  wake_.cancel();
  ended_.clear();
  run_workloads();
  run_services();
  run_cert_manager();
  run_istio();
  end_deletions();
}

void SimulatedCluster::act(const std::string& what,
                           std::function<kube::Call(std::function<void()> done)> begin) {
  if (calls_.contains(what)) {
    return;
  }
  calls_[what] = kube::Call();
  calls_[what] = begin([this, what] {
    const auto found = calls_.find(what);
    ended_.push_back(std::move(found->second));
    calls_.erase(found);
    wake();
  });
}

bool SimulatedCluster::has_what_it_mounts(const Json& workload) const {
  const Json* spec = base::find(workload, "spec.template.spec");
  const std::string namespace_name = text_at(workload, "metadata.namespace");
  for (const PodReference& reference : pod_references(*spec)) {
    if (!is_there(reference.kind, {namespace_name, reference.name})) {
      return false;
    }
  }
  return true;
}

void SimulatedCluster::run_workloads() {
  for (const kube::Resource& resource : kWorkloads) {
    for (const kube::ObjectPtr& workload : all(resource.kind)) {
      const kube::ObjectKey key = key_of(*workload);
      if (is_going(*workload) || is_available(*workload) || !has_what_it_mounts(*workload)) {
        continue;
      }
      act("run " + resource.kind + path_of(key), [&](std::function<void()> done) {
        return client_.merge_patch(
            resource, key, JsonObject{{"status", available_status(*workload)}},
            [done = std::move(done)](const auto&) { done(); }, "status");
      });
    }
  }
}

bool SimulatedCluster::has_server(const Json& service) const {
  const Labels selector = string_members(base::find(service, "spec.selector"));
  for (const kube::Resource& resource : kWorkloads) {
    const auto workloads = all(resource.kind);
    if (std::any_of(workloads.begin(), workloads.end(), [&](const kube::ObjectPtr& workload) {
          const Json* pods = find_pod_template(*workload);
          return is_available(*workload) && pods != nullptr &&
                 text_at(*workload, "metadata.namespace") ==
                     text_at(service, "metadata.namespace") &&
                 service_selects(selector, labels_of(*pods));
        })) {
      return true;
    }
  }
  return false;
}

void SimulatedCluster::run_services() {
  for (const kube::ObjectPtr& service : all("Service")) {
    if (!is_going(*service) && has_server(*service)) {
      open(*service);
    }
  }
  for (const kube::ObjectPtr& slice : all("EndpointSlice")) {
    const kube::ObjectKey key = key_of(*slice);
    const auto& services = informers_.at("Service")->store();
    const kube::ObjectPtr service = services.get(key);
    if (!service || !has_server(*service)) {
      close(key);
    }
  }
}

void SimulatedCluster::open(const Json& service) {
  const kube::ObjectKey key = key_of(service);
  const std::string address = text_at(service, "spec.clusterIP");
  const JsonArray* ports = base::get_array(service, "spec.ports");
  if (!servers_.contains(key) && ports != nullptr) {
    servers_[key];
    for (const Json& port : *ports) {
      if (address.starts_with("127.") && base::get_string(port, "protocol") == "TCP") {
        listen(key, address, static_cast<std::uint16_t>(base::get_int(port, "port").value_or(0)));
      }
    }
  }
  if (!is_there("EndpointSlice", key)) {
    act("endpoints " + path_of(key), [&](std::function<void()> done) {
      return client_.create(resources::kEndpointSlice, key.namespace_name, endpoint_slice(service),
                            [done = std::move(done)](const auto&) { done(); });
    });
  }
}

void SimulatedCluster::listen(const kube::ObjectKey& service, const std::string& address,
                              std::uint16_t port) {
  const auto leaf =
      pki::issue(ca_, {.subject = {.common_name = service.name, .organizations = {}},
                       .dns_names = {service.name + "." + service.namespace_name + ".svc"},
                       .ip_addresses = {},
                       .server = true});
  auto server = http::Server::start(
      loop_,
      {.address = address,
       .port = port,
       .certificate_pem = leaf->certificate_pem,
       .key_pem = leaf->key_pem,
       .max_body_bytes = kMaxReviewBytes},
      [this](const http::ServerRequest& request, http::Responder responder) {
        answer(request, std::move(responder));
      },
      Log::silent());
  if (server) {
    servers_[service].push_back(std::move(*server));
  } else {
    log_.error("cannot listen",
               {{"service", path_of(service)}, {"error", server.error().message()}});
  }
}

void SimulatedCluster::answer(const http::ServerRequest& request, http::Responder responder) {
  if (request.method == "GET") {
    // "/apis/metrics.k8s.io/v1beta1": by it the API server sees that an aggregated one is there.
    const auto words = base::split(request.path, '/');
    const bool is_version = words.size() == 4 && words[1] == "apis";
    const std::string version =
        is_version ? fmt::format("{}/{}", words[2], words[3]) : std::string();
    const Json nothing = JsonObject{{"apiVersion", "v1"},
                                    {"kind", "APIResourceList"},
                                    {"groupVersion", version},
                                    {"resources", JsonArray()}};
    std::move(responder).send({.status = is_version ? 200 : 404,
                               .content_type = "application/json",
                               .body = base::to_string(nothing)});
    return;
  }
  const auto review = base::parse_json(request.body, kMaxReviewBytes);
  if (!review) {
    std::move(responder).send({.status = 400});
    return;
  }
  ++reviews_;
  const Json reply = JsonObject{
      {"apiVersion", text_at(*review, "apiVersion")},
      {"kind", "AdmissionReview"},
      {"response", JsonObject{{"uid", text_at(*review, "request.uid")}, {"allowed", true}}}};
  std::move(responder).send({.content_type = "application/json", .body = base::to_string(reply)});
}

void SimulatedCluster::close(const kube::ObjectKey& service) {
  servers_.erase(service);
  act("endpoints " + path_of(service), [&](std::function<void()> done) {
    return client_.remove(resources::kEndpointSlice, service, {},
                          [done = std::move(done)](const auto&) { done(); });
  });
}

void SimulatedCluster::run_cert_manager() {
  const auto& deployments = informers_.at("Deployment")->store();
  const kube::ObjectPtr manager = deployments.get({"cert-manager", "cert-manager"});
  const auto definition =
      informers_.at("CustomResourceDefinition")->store().get({"", "certificates.cert-manager.io"});
  const ObjectId kind{"apiextensions.k8s.io", "CustomResourceDefinition", "", ""};
  const bool is_served = definition && readiness_of(kind, *definition, 0).is_ready;
  if (is_served && !informers_.contains(kCertificate.kind)) {
    follow(kCertificate);
  } else if (!is_served) {
    informers_.erase(kCertificate.kind);
  }
  const bool is_up = manager && is_available(*manager);
  if (is_up) {
    for (const kube::ObjectPtr& certificate : all(kCertificate.kind)) {
      issue(*certificate);
    }
  }
  for (const kube::Resource& resource : {kMutating, kValidating}) {
    for (const kube::ObjectPtr& configuration : all(resource.kind)) {
      if (is_up || !asks_cert_manager(*configuration)) {
        inject(resource, *configuration);
      }
    }
  }
}

void SimulatedCluster::issue(const Json& certificate) {
  const kube::ObjectKey key{text_at(certificate, "metadata.namespace"),
                            text_at(certificate, "spec.secretName")};
  if (is_going(certificate) || is_there("Secret", key)) {
    return;
  }
  act("issue " + path_of(key), [&](std::function<void()> done) {
    const Json secret =
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "Secret"},
                   {"metadata", JsonObject{{"namespace", key.namespace_name}, {"name", key.name}}}};
    return client_.create(resources::kSecret, key.namespace_name, secret,
                          [done = std::move(done)](const auto&) { done(); });
  });
}

// As cainjector does: by server-side apply, of its own fields only.
void SimulatedCluster::inject(const kube::Resource& resource, const Json& configuration) {
  if (webhook_without_ca(configuration).empty() || is_going(configuration)) {
    return;
  }
  JsonArray webhooks;
  for (const Json& webhook : *base::get_array(configuration, "webhooks")) {
    webhooks.push_back(JsonObject{
        {"name", text_at(webhook, "name")},
        {"clientConfig", JsonObject{{"caBundle", pki::base64_encode(ca_.certificate_pem)}}}});
  }
  const kube::ObjectKey key = key_of(configuration);
  const Json patch = JsonObject{{"apiVersion", resource.api_version()},
                                {"kind", resource.kind},
                                {"metadata", JsonObject{{"name", key.name}}},
                                {"webhooks", std::move(webhooks)}};
  act("inject " + resource.kind + key.name, [&](std::function<void()> done) {
    return client_.apply(resource, patch, {.field_manager = "cainjector"},
                         [done = std::move(done)](const auto&) { done(); });
  });
}

void SimulatedCluster::run_istio() {
  const auto daemon = informers_.at("Deployment")->store().get({kIstioNamespace, "istiod"});
  const kube::ObjectKey key{kIstioNamespace, "istio-ca-root-cert"};
  if (!daemon || !is_available(*daemon) || is_there("ConfigMap", key)) {
    return;
  }
  act("issue " + path_of(key), [&](std::function<void()> done) {
    const Json config_map =
        JsonObject{{"apiVersion", "v1"},
                   {"kind", "ConfigMap"},
                   {"metadata", JsonObject{{"namespace", key.namespace_name}, {"name", key.name}}}};
    return client_.create(resources::kConfigMap, key.namespace_name, config_map,
                          [done = std::move(done)](const auto&) { done(); });
  });
}

void SimulatedCluster::end_deletions() {
  for (const kube::ObjectPtr& claim : all("PersistentVolumeClaim")) {
    const kube::ObjectKey key = key_of(*claim);
    if (is_going(*claim)) {
      act("claim " + path_of(key), [&](std::function<void()> done) {
        return client_.merge_patch(resources::kPersistentVolumeClaim, key,
                                   JsonObject{{"metadata", JsonObject{{"finalizers", nullptr}}}},
                                   [done = std::move(done)](const auto&) { done(); });
      });
    }
  }
  for (const kube::ObjectPtr& one : all("Namespace")) {
    if (is_going(*one) && !empty(text_at(*one, "metadata.name"))) {
      finalize(*one);
    }
  }
}

// Of what the simulation itself has put there, and of what a test may leave.
bool SimulatedCluster::empty(const std::string& namespace_name) {
  bool is_busy = false;
  for (const kube::Resource& resource :
       {resources::kSecret, resources::kConfigMap, resources::kEndpointSlice,
        resources::kPersistentVolumeClaim}) {
    for (const kube::ObjectPtr& object :
         informers_.at(resource.kind)->store().list(namespace_name)) {
      is_busy = true;
      const kube::ObjectKey key = key_of(*object);
      act("empty " + resource.kind + path_of(key), [&](std::function<void()> done) {
        return client_.remove(resource, key, {}, [done = std::move(done)](const auto&) { done(); });
      });
    }
  }
  return is_busy;
}

void SimulatedCluster::finalize(const Json& one) {
  const std::string name = text_at(one, "metadata.name");
  act("finalize " + name, [&](std::function<void()> done) {
    Json object = one;
    object.as_object()["spec"] = JsonObject{{"finalizers", JsonArray()}};
    return client_.raw({.method = "PUT",
                        .path = "/api/v1/namespaces/" + name + "/finalize",
                        .content_type = "application/json",
                        .body = base::to_string(object)},
                       [done = std::move(done)](const auto&) { done(); });
  });
}

}  // namespace vk8s::addons::testing
