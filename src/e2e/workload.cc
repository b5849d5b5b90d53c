#include "e2e/workload.h"

#include <fmt/format.h>

namespace vk8s::e2e {

std::string web_manifest(int replicas, int node_port) {
  return fmt::format(R"(apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: {}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      topologySpreadConstraints:
      - maxSkew: 1
        topologyKey: kubernetes.io/hostname
        whenUnsatisfiable: DoNotSchedule
        labelSelector: {{matchLabels: {{app: web}}}}
      containers:
      - name: web
        image: busybox
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'mkdir /w && hostname >/w/index.html && exec httpd -f -p 8080 -h /w']
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec:
  type: NodePort
  selector: {{app: web}}
  ports: [{{port: 80, protocol: TCP, targetPort: 8080{}}}]
)",
                     replicas,
                     node_port == 0 ? std::string() : fmt::format(", nodePort: {}", node_port));
}

std::string client_manifest(const std::string& node, const std::string& storage_class) {
  return fmt::format(
      R"(apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: data}}
spec: {{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}{}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  terminationGracePeriodSeconds: 1
  nodeSelector: {{{}}}
  containers:
  - name: client
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'echo started; exec sleep 86400']
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: data}}}}]
)",
      storage_class.empty() ? std::string() : ", storageClassName: " + storage_class,
      node.empty() ? std::string() : fmt::format("kubernetes.io/hostname: {}", node));
}

std::string loose_volume_manifest(const std::string& node) {
  return fmt::format(R"(apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {{name: loose}}
provisioner: vk8s.sktelecom.com/local
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: loose}}
spec:
  storageClassName: loose
  accessModes: [ReadWriteOnce]
  resources: {{requests: {{storage: 1Gi}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: loose}}
spec:
  nodeSelector: {{kubernetes.io/hostname: {}}}
  containers:
  - name: loose
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sleep, "86400"]
    volumeMounts: [{{name: data, mountPath: /data}}]
  volumes: [{{name: data, persistentVolumeClaim: {{claimName: loose}}}}]
)",
                     node);
}

}  // namespace vk8s::e2e
