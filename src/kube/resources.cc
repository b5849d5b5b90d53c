#include "kube/client.h"

namespace vk8s::kube::resources {

const Resource kNamespace{"", "v1", "namespaces", "Namespace", false};
const Resource kNode{"", "v1", "nodes", "Node", false};
const Resource kPod{"", "v1", "pods", "Pod"};
const Resource kService{"", "v1", "services", "Service"};
const Resource kSecret{"", "v1", "secrets", "Secret"};
const Resource kConfigMap{"", "v1", "configmaps", "ConfigMap"};
const Resource kEvent{"", "v1", "events", "Event"};
const Resource kPersistentVolume{"", "v1", "persistentvolumes", "PersistentVolume", false};
const Resource kPersistentVolumeClaim{"", "v1", "persistentvolumeclaims", "PersistentVolumeClaim"};
const Resource kServiceAccount{"", "v1", "serviceaccounts", "ServiceAccount"};
const Resource kEndpoints{"", "v1", "endpoints", "Endpoints"};
const Resource kDeployment{"apps", "v1", "deployments", "Deployment"};
const Resource kStatefulSet{"apps", "v1", "statefulsets", "StatefulSet"};
const Resource kDaemonSet{"apps", "v1", "daemonsets", "DaemonSet"};
const Resource kEndpointSlice{"discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"};
const Resource kNetworkPolicy{"networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy"};
const Resource kLease{"coordination.k8s.io", "v1", "leases", "Lease"};
const Resource kStorageClass{"storage.k8s.io", "v1", "storageclasses", "StorageClass", false};
const Resource kClusterRole{"rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole",
                            false};
const Resource kClusterRoleBinding{"rbac.authorization.k8s.io", "v1", "clusterrolebindings",
                                   "ClusterRoleBinding", false};
const Resource kRole{"rbac.authorization.k8s.io", "v1", "roles", "Role"};
const Resource kRoleBinding{"rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding"};
const Resource kCertificateSigningRequest{"certificates.k8s.io", "v1", "certificatesigningrequests",
                                          "CertificateSigningRequest", false};
const Resource kCustomResourceDefinition{"apiextensions.k8s.io", "v1", "customresourcedefinitions",
                                         "CustomResourceDefinition", false};
const Resource kVk8s{"vk8s.sktelecom.com", "v1alpha1", "vk8s", "Vk8s"};
const Resource kVNodeIPPool{"vk8s.sktelecom.com", "v1alpha1", "vnodeippools", "VNodeIPPool", false};
const Resource kIPAllocation{"vk8s.sktelecom.com", "v1alpha1", "ipallocations", "IPAllocation",
                             false};
const Resource kTokenReview{"authentication.k8s.io", "v1", "tokenreviews", "TokenReview", false};
const Resource kSubjectAccessReview{"authorization.k8s.io", "v1", "subjectaccessreviews",
                                    "SubjectAccessReview", false};

}  // namespace vk8s::kube::resources
