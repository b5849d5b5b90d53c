#include "sample_pods.h"

#include <fmt/format.h>

#include <string_view>

namespace vk8s::bench {
namespace {

// @NUMBER@ and @VERSION@ stand for what differs.
constexpr std::string_view kPod =
    R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"cluster-@NUMBER@-master-1-0",)"
    R"("generateName":"cluster-@NUMBER@-master-1-","namespace":"team-a",)"
    R"("uid":"2f0c6a51-7f3e-4d0b-9c1e-0000000@NUMBER@","resourceVersion":"@VERSION@",)"
    R"("generation":1,"creationTimestamp":"2026-05-01T09:30:00Z","labels":{"app":"vk8s",)"
    R"("apps.kubernetes.io/pod-index":"0","clusterName":"cluster-@NUMBER@",)"
    R"("controller-revision-hash":"cluster-@NUMBER@-master-1-6c5d8b7f9d","role":"master",)"
    R"("statefulset.kubernetes.io/pod-name":"cluster-@NUMBER@-master-1-0",)"
    R"("vnode":"cluster-@NUMBER@-master-1"},"annotations":)"
    R"({"vk8s.sktelecom.com/node-config":"9f86d081884c7d65"},"ownerReferences":)"
    R"([{"apiVersion":"apps/v1","kind":"StatefulSet","name":"cluster-@NUMBER@-master-1",)"
    R"("uid":"7d1a4c02-52d8-4c1f-8a67-0000000@NUMBER@","controller":true,)"
    R"("blockOwnerDeletion":true}],"managedFields":[{"manager":"kube-controller-manager",)"
    R"("operation":"Update","apiVersion":"v1","time":"2026-05-01T09:30:00Z",)"
    R"("fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},)"
    R"("f:vk8s.sktelecom.com/node-config":{}},"f:generateName":{},"f:labels":{".":{},)"
    R"("f:app":{},"f:apps.kubernetes.io/pod-index":{},"f:clusterName":{},)"
    R"("f:controller-revision-hash":{},"f:role":{},"f:statefulset.kubernetes.io/pod-name":{},)"
    R"("f:vnode":{}},"f:ownerReferences":{".":{},)"
    R"("k:{\"uid\":\"7d1a4c02-52d8-4c1f-8a67-0000000@NUMBER@\"}":{}}},"f:spec":{"f:affinity":)"
    R"({".":{},"f:podAntiAffinity":{".":{},)"
    R"("f:preferredDuringSchedulingIgnoredDuringExecution":{}}},)"
    R"("f:automountServiceAccountToken":{},"f:containers":{"k:{\"name\":\"vnode\"}":{".":{},)"
    R"("f:command":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:ports":{".":{},)"
    R"("k:{\"containerPort\":6443,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},)"
    R"("f:name":{},"f:protocol":{}},"k:{\"containerPort\":10300,\"protocol\":\"TCP\"}":{".":{},)"
    R"("f:containerPort":{},"f:name":{},"f:protocol":{}}},"f:readinessProbe":{".":{},)"
    R"("f:failureThreshold":{},"f:httpGet":{".":{},"f:path":{},"f:port":{},"f:scheme":{}},)"
    R"("f:periodSeconds":{},"f:successThreshold":{},"f:timeoutSeconds":{}},"f:resources":)"
    R"({".":{},"f:limits":{".":{},"f:cpu":{},"f:memory":{}},"f:requests":{".":{},"f:cpu":{},)"
    R"("f:memory":{}}},"f:securityContext":{".":{},"f:privileged":{}},"f:volumeMounts":{".":{},)"
    R"("k:{\"mountPath\":\"/etc/vk8s/config\"}":{".":{},"f:mountPath":{},"f:name":{},)"
    R"("f:readOnly":{}},"k:{\"mountPath\":\"/var/lib/vk8s\"}":{".":{},"f:mountPath":{},)"
    R"("f:name":{}}}}},"f:dnsPolicy":{},"f:enableServiceLinks":{},"f:restartPolicy":{},)"
    R"("f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}},)"
    R"({"manager":"kubelet","operation":"Update","apiVersion":"v1",)"
    R"("time":"2026-05-01T09:30:09Z","fieldsType":"FieldsV1","fieldsV1":{"f:status":)"
    R"({"f:conditions":{"k:{\"type\":\"ContainersReady\"}":{".":{},"f:lastProbeTime":{},)"
    R"("f:lastTransitionTime":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Ready\"}":{".":{},)"
    R"("f:lastProbeTime":{},"f:lastTransitionTime":{},"f:status":{},"f:type":{}}},)"
    R"("f:containerStatuses":{},"f:hostIP":{},"f:phase":{},"f:podIP":{},"f:podIPs":{".":{},)"
    R"("k:{\"ip\":\"10.244.3.17\"}":{".":{},"f:ip":{}}},"f:startTime":{}}},)"
    R"("subresource":"status"}]},"spec":{"volumes":[{"name":"data","persistentVolumeClaim":)"
    R"({"claimName":"data-cluster-@NUMBER@-master-1-0"}},{"name":"config","projected":)"
    R"({"defaultMode":256,"sources":[{"secret":{"name":"cluster-@NUMBER@-master-1-config"}}]}},)"
    R"({"name":"run","emptyDir":{"medium":"Memory"}}],"containers":[{"name":"vnode",)"
    R"("image":"registry.example/vk8s/vnode:v1.37.2","command":["/opt/vk8s/bin/vk8s-agent"],)"
    R"("ports":[{"name":"agent","containerPort":10300,"protocol":"TCP"},{"name":"https",)"
    R"("containerPort":6443,"protocol":"TCP"}],"resources":{"limits":{"cpu":"2","memory":"4Gi"},)"
    R"("requests":{"cpu":"100m","memory":"512Mi"}},"volumeMounts":[{"name":"data",)"
    R"("mountPath":"/var/lib/vk8s"},{"name":"config","readOnly":true,)"
    R"("mountPath":"/etc/vk8s/config"},{"name":"run","mountPath":"/run"}],"readinessProbe":)"
    R"({"httpGet":{"path":"/readyz","port":10300,"scheme":"HTTPS"},"timeoutSeconds":3,)"
    R"("periodSeconds":5,"successThreshold":1,"failureThreshold":3},)"
    R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File",)"
    R"("imagePullPolicy":"IfNotPresent","securityContext":{"privileged":true}}],)"
    R"("restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst",)"
    R"("automountServiceAccountToken":false,"nodeName":"host-1","securityContext":{},)"
    R"("affinity":{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":)"
    R"([{"weight":100,"podAffinityTerm":{"labelSelector":{"matchLabels":{"app":"vk8s",)"
    R"("clusterName":"cluster-@NUMBER@"}},"topologyKey":"kubernetes.io/hostname"}}]}},)"
    R"("schedulerName":"default-scheduler","tolerations":[{"key":"node.kubernetes.io/not-ready",)"
    R"("operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],"priority":0,)"
    R"("enableServiceLinks":false,"preemptionPolicy":"PreemptLowerPriority"},"status":)"
    R"({"phase":"Running","conditions":[{"type":"Initialized","status":"True",)"
    R"("lastProbeTime":null,"lastTransitionTime":"2026-05-01T09:30:01Z"},{"type":"Ready",)"
    R"("status":"True","lastProbeTime":null,"lastTransitionTime":"2026-05-01T09:30:09Z"},)"
    R"({"type":"ContainersReady","status":"True","lastProbeTime":null,)"
    R"("lastTransitionTime":"2026-05-01T09:30:09Z"},{"type":"PodScheduled","status":"True",)"
    R"("lastProbeTime":null,"lastTransitionTime":"2026-05-01T09:30:00Z"}],)"
    R"("hostIP":"192.0.2.10","podIP":"10.244.3.17","podIPs":[{"ip":"10.244.3.17"}],)"
    R"("startTime":"2026-05-01T09:30:00Z","containerStatuses":[{"name":"vnode","state":)"
    R"({"running":{"startedAt":"2026-05-01T09:30:02Z"}},"lastState":{},"ready":true,)"
    R"("restartCount":0,"image":"registry.example/vk8s/vnode:v1.37.2",)"
    R"("imageID":"registry.example/vk8s/vnode@sha256:)"
    R"(9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",)"
    R"("containerID":"containerd://)"
    R"(60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",)"
    R"("started":true}],"qosClass":"Burstable"}})";

void replace_all(std::string& text, std::string_view from, const std::string& to) {
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

}  // namespace

std::string sample_pod(int number, int resource_version) {
  std::string out(kPod);
  replace_all(out, "@NUMBER@", fmt::format("{:05}", number));
  replace_all(out, "@VERSION@", std::to_string(resource_version));
  return out;
}

std::string sample_pod_list(int count) {
  std::string out =
      R"({"kind":"PodList","apiVersion":"v1","metadata":{"resourceVersion":"1000000"},"items":[)";
  for (int i = 0; i < count; ++i) {
    out += i == 0 ? "" : ",";
    out += sample_pod(i, 1000 + i);
  }
  return out + "]}";
}

}  // namespace vk8s::bench
