// A cluster in memory and time that stands still, for tests of what acts on one.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "addons/test_set.h"
#include "base/fake_timers.h"
#include "kube/fake_client.h"

namespace vk8s::addons::testing {

inline const kube::Resource kThing{"example.org", "v1", "things", "Thing"};
inline const kube::Resource kMutatingConfiguration{"admissionregistration.k8s.io", "v1",
                                                   "mutatingwebhookconfigurations",
                                                   "MutatingWebhookConfiguration", false};

// Everything that has an order: a Namespace, a CRD with an object, and a workload behind
// a webhook that changes that object.
inline constexpr const char* kDemo = R"(
apiVersion: example.org/v1
kind: Thing
metadata: {name: thing, namespace: demo}
spec: {size: 1}
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: things}
webhooks:
- name: things.example.org
  clientConfig: {service: {name: server, namespace: demo}}
  rules: [{apiGroups: [example.org], apiVersions: [v1], operations: [CREATE], resources: [things]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: server, namespace: demo, labels: {app: server}}
spec:
  selector: {matchLabels: {app: server}}
  template: {metadata: {labels: {app: server}}, spec: {containers: [{name: c, image: server}]}}
---
apiVersion: v1
kind: Service
metadata: {name: server, namespace: demo}
spec: {selector: {app: server}, ports: [{port: 443}]}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.org}
spec:
  group: example.org
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true}]
---
apiVersion: v1
kind: Namespace
metadata: {name: demo}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: demo}
data: {a: "1"}
)";

class FakeSite {
 public:
  FakeSite() {
    client.set_raw([this](const kube::RawRequest& request) { return discover(request.path); });
  }

  // Runs all that does not wait for time.
  void settle() { timers.advance(std::chrono::nanoseconds(0)); }

  // What a client has written, in order: "apply Namespace demo".
  std::vector<std::string> writes() const {
    std::vector<std::string> out;
    for (const kube::FakeRequest& request : client.requests()) {
      if (request.verb != "get" && request.verb != "list" && request.verb != "watch") {
        out.push_back(request.verb + " " + request.resource.kind + " " + request.key.name);
      }
    }
    return out;
  }
  std::size_t count(const std::string& verb, const std::string& kind) const {
    return static_cast<std::size_t>(
        std::count_if(client.requests().begin(), client.requests().end(), [&](const auto& request) {
          return request.verb == verb && request.resource.kind == kind;
        }));
  }
  bool has(const kube::Resource& resource, const std::string& name,
           const std::string& namespace_name = "demo") const {
    return client.peek(resource, {resource.namespaced ? namespace_name : "", name}) != nullptr;
  }

  void change(const kube::Resource& resource, const kube::ObjectKey& key,
              const std::function<void(JsonObject&)>& edit) {
    const Json* there = client.peek(resource, key);
    ASSERT_NE(there, nullptr) << resource.kind << " " << key.name;
    Json object = *there;
    edit(object.as_object());
    client.put(resource, std::move(object));
    settle();
  }
  void establish(const std::string& definition) {
    is_thing_served = true;
    change(kube::resources::kCustomResourceDefinition, {"", definition}, [](JsonObject& object) {
      object["status"] = object_of("conditions: [{type: Established, status: 'True'}]");
    });
  }
  void roll_out(const std::string& deployment) {
    change(kube::resources::kDeployment, {"demo", deployment}, [](JsonObject& object) {
      const std::int64_t generation =
          base::get_int(Json(object), "metadata.generation").value_or(1);
      object["status"] = JsonObject{{"observedGeneration", generation},
                                    {"replicas", 1},
                                    {"updatedReplicas", 1},
                                    {"availableReplicas", 1}};
    });
  }
  void add_endpoint(const std::string& service) {
    client.put(kube::resources::kEndpointSlice, object_of(fmt::format(R"(
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {0}-1, namespace: demo, labels: {{kubernetes.io/service-name: {0}}}}}
endpoints: [{{addresses: [192.0.2.1]}}]
)",
                                                                      service)));
    settle();
  }
  void inject_ca(const std::string& configuration) {
    change(kMutatingConfiguration, {"", configuration}, [](JsonObject& object) {
      for (Json& webhook : object["webhooks"].as_array()) {
        webhook.as_object()["clientConfig"].as_object()["caBundle"] = "Y2E=";
      }
    });
  }
  // All that controllers would do for kDemo.
  void run_demo() {
    establish("things.example.org");
    roll_out("server");
    add_endpoint("server");
    inject_ca("things");
  }

  base::FakeTimers timers;
  kube::FakeClient client{timers};
  bool is_thing_served = false;

 private:
  std::optional<kube::RawResponse> discover(const std::string& path) const {
    if (!is_thing_served || path != "/apis/example.org/v1") {
      return std::nullopt;
    }
    return kube::RawResponse{
        .status = 200,
        .body = R"({"resources": [{"name": "things", "kind": "Thing", "namespaced": true}]})"};
  }
};

}  // namespace vk8s::addons::testing
