#!/usr/bin/env bash
# Checks that the cluster of the current kubeconfig can take the operator, and that you may install
# it there: Kubernetes >= 1.31, kernel >= 5.4 on every node, rights. Changes nothing.
#
#   scripts/check-cluster.sh [--range RANGE]
#
#   --range RANGE   no node may have an address of it
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
. "$(dirname "${BASH_SOURCE[0]}")/address-range.sh"

LEAST_KUBERNETES=1.31
LEAST_KERNEL=5.4
RANGE=

# "VERB RESOURCE" for the whole cluster, then for the system's namespace.
CLUSTER_RIGHTS=(
  "patch customresourcedefinitions.apiextensions.k8s.io" "patch namespaces"
  "patch clusterroles.rbac.authorization.k8s.io" "escalate clusterroles.rbac.authorization.k8s.io"
  "patch clusterrolebindings.rbac.authorization.k8s.io" "bind clusterroles.rbac.authorization.k8s.io"
  "patch vnodeippools.vk8s.sktelecom.com"
)
SYSTEM_RIGHTS=(
  "patch serviceaccounts" "patch roles.rbac.authorization.k8s.io"
  "patch rolebindings.rbac.authorization.k8s.io" "patch configmaps" "delete configmaps"
  "patch secrets" "delete secrets" "patch services" "patch deployments.apps" "watch deployments.apps"
  "patch pods" "watch pods" "delete pods"
)

check_version() {
  local version
  version=$(kubectl get --raw /version | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p')
  echo "Kubernetes $version"
  is_at_least "$version" "$LEAST_KUBERNETES" ||
    { echo "Kubernetes is ${version:-of no known version}: $LEAST_KUBERNETES or later is needed" && return 1; }
}

check_nodes() {
  local name os kernel addresses address wrong=0 count=0
  while IFS=$'\t' read -r name os kernel addresses; do
    [[ $os == linux ]] || continue
    count=$((count + 1))
    if ! is_at_least "$kernel" "$LEAST_KERNEL"; then
      echo "node \"$name\": its kernel is $kernel: $LEAST_KERNEL or later is needed"
      wrong=1
    fi
    for address in $addresses; do
      if [[ -n $RANGE ]] && range_holds "$RANGE" "$address"; then
        echo "node \"$name\": its address $address is in the range $RANGE: give a range that nothing uses"
        wrong=1
      fi
    done
  done < <(jsonpath '{range .items[*]}{.metadata.name}{"\t"}{.status.nodeInfo.operatingSystem}{"\t"}{.status.nodeInfo.kernelVersion}{"\t"}{.status.addresses[?(@.type!="Hostname")].address}{"\n"}{end}' nodes)
  ((count > 0)) || { echo "the cluster has no Linux node" && return 1; }
  return $wrong
}

# may VERB RESOURCE [ARGUMENT...]: says so if not.
may() {
  local answer
  answer=$(kubectl auth can-i "$@" 2>&1) || true
  [[ $answer == *yes ]] || { echo "you may not $1 $2${3:+ in $SYSTEM}: $answer" && return 1; }
}

check_rights() {
  local right words missing=0
  if [[ $(kubectl auth can-i '*' '*' --all-namespaces 2>/dev/null) == yes ]]; then return; fi
  for right in "${CLUSTER_RIGHTS[@]}"; do
    read -r -a words <<<"$right"
    may "${words[@]}" || missing=1
  done
  for right in "${SYSTEM_RIGHTS[@]}"; do
    read -r -a words <<<"$right"
    may "${words[@]}" -n "$SYSTEM" || missing=1
  done
  return $missing
}

main() {
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --range) RANGE=${2:?--range needs a RANGE} ;;
      *) die "scripts/check-cluster.sh: '$1' is not an option" "see scripts/check-cluster.sh --help" ;;
    esac
    shift 2
  done
  need_kubectl
  if [[ -n $RANGE ]]; then check_range "$RANGE"; fi
  phase "Kubernetes >= $LEAST_KUBERNETES" \
    "check that 'kubectl version' reaches your cluster; upgrade it if it is too old" check_version
  phase "nodes, kernel >= $LEAST_KERNEL" "the lines above name the nodes" check_nodes
  phase "rights" "let an administrator of the cluster (ClusterRole cluster-admin) install it" check_rights
}

main "$@"
