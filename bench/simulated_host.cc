#include "simulated_host.h"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "controller/cluster.h"
#include "controller/manifests.h"
#include "controller/resource.h"

namespace vk8s::bench {
namespace {

namespace resources = kube::resources;
using std::chrono::seconds;

constexpr std::string_view kHostNode = "host-1";
constexpr std::string_view kHostAddress = "192.0.2.10";  // RFC 5737: nobody's

Result<Json> vk8s_named(const std::string& name) {
  return base::parse_json(fmt::format(
      R"({{"apiVersion":"vk8s.sktelecom.com/v1alpha1","kind":"Vk8s",
           "metadata":{{"name":"{0}","namespace":"{1}"}},
           "spec":{{"kubernetes":{{"version":"1.37","podNetworkCidr":"100.72.0.0/16",
                                   "serviceCidr":"100.80.0.0/16"}},
             "nodes":[{{"name":"{0}-master-1","role":"master",
                        "resources":{{"limits":{{"cpu":"2","memory":"4Gi"}}}}}},
                      {{"name":"{0}-worker-1","role":"worker",
                        "storage":{{"size":"20Gi"}}}}]}}}})",
      name, kBenchNamespace));
}

// What a kubelet says of a pod that runs.
Result<Json> running_status(const std::string& address) {
  return base::parse_json(fmt::format(
      R"({{"status":{{"phase":"Running","hostIP":"{1}","hostIPs":[{{"ip":"{1}"}}],
           "podIP":"{0}","podIPs":[{{"ip":"{0}"}}],"startTime":"2026-05-01T09:30:00Z",
           "conditions":[
             {{"type":"PodReadyToStartContainers","status":"True",
               "lastTransitionTime":"2026-05-01T09:30:01Z"}},
             {{"type":"Initialized","status":"True",
               "lastTransitionTime":"2026-05-01T09:30:00Z"}},
             {{"type":"Ready","status":"True","lastTransitionTime":"2026-05-01T09:30:09Z"}},
             {{"type":"ContainersReady","status":"True",
               "lastTransitionTime":"2026-05-01T09:30:09Z"}},
             {{"type":"PodScheduled","status":"True",
               "lastTransitionTime":"2026-05-01T09:30:00Z"}}],
           "containerStatuses":[{{"name":"vnode","ready":true,"started":true,"restartCount":0,
             "image":"vk8s/vnode:v1.37.2",
             "imageID":"vk8s/vnode@sha256:{2:064x}","containerID":"containerd://{2:064x}",
             "state":{{"running":{{"startedAt":"2026-05-01T09:30:02Z"}}}},"lastState":{{}}}}]}}}})",
      address, kHostAddress, 1));
}

std::string text(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

// 127.1.0.1, ...: an address for each, all of this machine alone.
std::string address_of(std::size_t number) {
  return fmt::format("127.1.{}.{}", number / 250, number % 250 + 1);
}

JsonObject owner_of(const Json& stateful_set) {
  return JsonObject{{"apiVersion", "apps/v1"},
                    {"kind", "StatefulSet"},
                    {"name", *base::find(stateful_set, "metadata.name")},
                    {"uid", *base::find(stateful_set, "metadata.uid")},
                    {"controller", true},
                    {"blockOwnerDeletion", true}};
}

}  // namespace

Result<std::unique_ptr<SimulatedHost>> SimulatedHost::start() {
  auto host = std::make_unique<SimulatedHost>();
  host->server_ =
      VK8S_TRY(kube::testing::ApiServer::start({.api_server_flags = {"--allow-privileged=true"}}));
  host->client_ = VK8S_TRY(host->loop_.run([&host] {
    return kube::Client::create(host->loop_.loop(), host->server_->admin(), Log::silent());
  }));
  host->api_.emplace(host->loop_.loop(), *host->client_);
  VK8S_TRY(host->install());
  return host;
}

SimulatedHost::~SimulatedHost() {
  loop_.run([this] { client_.reset(); });
}

Status SimulatedHost::install() {
  VK8S_TRY(api_->create(resources::kCustomResourceDefinition, "", controller::crd_manifest()));
  VK8S_TRY(create_host_node());
  return wait_for_crd() ? Status() : fail(Errc::kTimeout, "the CRD is not served after 30 s");
}

Status SimulatedHost::create_host_node() {
  VK8S_TRY(api_->create(resources::kNode, "",
                        Json(JsonObject{{"apiVersion", "v1"},
                                        {"kind", "Node"},
                                        {"metadata", JsonObject{{"name", Json(kHostNode)}}}})));
  const Json status = VK8S_TRY(base::parse_json(fmt::format(
      R"({{"status":{{"addresses":[{{"type":"InternalIP","address":"{}"}}],
           "conditions":[{{"type":"Ready","status":"True"}}]}}}})",
      kHostAddress)));
  VK8S_TRY(api_->merge_patch(resources::kNode, {"", std::string(kHostNode)}, status, "status"));
  return {};
}

bool SimulatedHost::wait_for_crd() {
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  while (std::chrono::steady_clock::now() < deadline) {
    if (api_->list(resources::kVk8s, kBenchNamespace)) {
      return true;
    }
    loop_.tick(std::chrono::milliseconds(20));
  }
  return false;
}

Status SimulatedHost::create_clusters(int count) {
  for (int i = 0; i < count; ++i) {
    const Json vk8s = VK8S_TRY(vk8s_named(fmt::format("bench-{:04}", i)));
    VK8S_TRY(api_->create(resources::kVk8s, kBenchNamespace, vk8s));
  }
  return {};
}

Result<std::vector<SimulatedNode>> SimulatedHost::create_pods() {
  const Json list =
      VK8S_TRY(api_->list(resources::kStatefulSet, kBenchNamespace,
                          {.label_selector = "app=vk8s", .omit_managed_fields = true}));
  std::vector<SimulatedNode> out;
  for (const Json& listed : *base::get_array(list, "items")) {
    VK8S_TRY_CONTEXT(create_pod(listed), "pod of {}", text(listed, "metadata.name"));
    out.push_back(VK8S_TRY(node_of(listed, out.size())));
  }
  return out;
}

Status SimulatedHost::create_pod(const Json& stateful_set) {
  const std::string pod_name = controller::pod_of(text(stateful_set, "metadata.name"));
  Json pod = *base::find(stateful_set, "spec.template");
  pod.get_object()["apiVersion"] = "v1";
  pod.get_object()["kind"] = "Pod";
  JsonObject& metadata = pod.get_object()["metadata"].get_object();
  metadata["name"] = pod_name;
  metadata["ownerReferences"] = JsonArray{owner_of(stateful_set)};
  JsonObject& labels = metadata["labels"].get_object();
  labels["statefulset.kubernetes.io/pod-name"] = pod_name;
  labels["apps.kubernetes.io/pod-index"] = "0";
  JsonObject& spec = pod.get_object()["spec"].get_object();
  spec["nodeName"] = kHostNode;
  const JsonObject claim{
      {"name", "data"},
      {"persistentVolumeClaim",
       JsonObject{{"claimName", Json(controller::claim_of(text(stateful_set, "metadata.name")))}}}};
  spec["volumes"].get_array().push_back(claim);
  VK8S_TRY(api_->create(resources::kPod, kBenchNamespace, pod));
  return {};
}

// What a kubelet would mount for the agent of this node.
Result<SimulatedNode> SimulatedHost::node_of(const Json& stateful_set, std::size_t number) {
  SimulatedNode out;
  out.name = text(stateful_set, "metadata.name");
  out.role = text(stateful_set, "metadata.labels.role") == "worker" ? api::NodeRole::kWorker
                                                                    : api::NodeRole::kMaster;
  out.address = address_of(number);
  const std::string secret_name = controller::config_secret_of(out.name);
  const Json secret =
      VK8S_TRY(api_->get(resources::kSecret, {std::string(kBenchNamespace), secret_name}));
  auto content = VK8S_TRY_CONTEXT(controller::parse_secret(secret), "read Secret {}", secret_name);
  for (const char* file : {"agent.crt", "agent.key", "agent-client-ca.crt"}) {
    const auto at = content.files.find(file);
    if (at == content.files.end()) {
      return fail(Errc::kNotFound, "Secret {} has no {}", secret_name, file);
    }
    out.files.insert(std::move(*at));
  }
  return out;
}

Status SimulatedHost::report_ready(const std::vector<SimulatedNode>& nodes) {
  for (const SimulatedNode& node : nodes) {
    const Json status = VK8S_TRY(running_status(node.address));
    VK8S_TRY(api_->merge_patch(resources::kPod,
                               {std::string(kBenchNamespace), controller::pod_of(node.name)},
                               status, "status"));
  }
  return {};
}

}  // namespace vk8s::bench
