#!/usr/bin/env bash
# Removes the operator from the cluster of the current kubeconfig: controller, rights, CRD and the
# namespace vk8s-system. Refuses while virtual clusters exist. Run it again at any time.
#
#   uninstall.sh [--force] [--keep-crds] [--timeout SECONDS]
#
#   --force            delete the virtual clusters first, with all that is in them; what is left of
#                      them afterwards are the volumes of nodes with storage.reclaim: Retain
#   --keep-crds        leave the CRD
#   --timeout SECONDS  for the clusters to go, and for the rest (default 300)
#
# Images stay in the registry. Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"
. "$REPO/scripts/cluster.sh"

FORCE=
KEEP_CRDS=
TIMEOUT=300
# Kinds of which a virtual cluster has objects in its namespace, owners first.
KINDS=(statefulsets.apps deployments.apps replicasets.apps pods services secrets
  networkpolicies.networking.k8s.io persistentvolumeclaims)

parse_arguments() {
  while (($#)); do
    case $1 in
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit 0
        ;;
      --force) FORCE=yes ;;
      --keep-crds) KEEP_CRDS=yes ;;
      --timeout) TIMEOUT=${2:?--timeout needs SECONDS} && shift ;;
      *) die "uninstall.sh: '$1' is not an option" "see uninstall.sh --help" ;;
    esac
    shift
  done
  [[ $TIMEOUT =~ ^[1-9][0-9]{0,4}$ ]] ||
    die "--timeout $TIMEOUT: not a number of seconds" "give one such as 300"
}

# "NAMESPACE/NAME (PHASE)", a line a virtual cluster; none where there is no CRD. Fails where that
# cannot be said: to take an error for "none" would delete them all.
virtual_clusters() {
  local crd
  crd=$(kubectl get "crd/$CRD" --ignore-not-found -o name) || return 1
  if [[ -z $crd ]]; then return; fi
  jsonpath '{range .items[*]}{.metadata.namespace}/{.metadata.name} ({.status.phase}){"\n"}{end}' \
    "$CRD" --all-namespaces
}

# left_of KIND: "NAMESPACE NAME OWNER" of virtual clusters' objects.
left_of() {
  jsonpath '{range .items[*]}{.metadata.namespace}{" "}{.metadata.name}{" "}{.metadata.ownerReferences[0].kind}{"\n"}{end}' \
    "$1" --all-namespaces -l app=vk8s
}

# A claim that has no owner is to stay: storage.reclaim is Retain.
retained_claims() { left_of persistentvolumeclaims | awk '$3 == "" {print $1 "/" $2}'; }

# objects_to_go KIND: those that the deletion of a Vk8s takes along.
objects_to_go() { left_of "$1" | awk '$3 != ""'; }

# Waits for what the deletion of a Vk8s, now or just before, brings about in the user's namespaces.
await_deletion() {
  local kind objects namespace name deadline=$((SECONDS + TIMEOUT))
  for kind in "${KINDS[@]}"; do
    objects=$(objects_to_go "$kind")
    while read -r namespace name _; do
      [[ -n $name ]] || continue
      kubectl -n "$namespace" wait --for=delete "$kind/$name" \
        --timeout="$((deadline > SECONDS ? deadline - SECONDS : 1))s"
    done <<<"$objects"
  done
}

delete_clusters() {
  kubectl delete "$CRD" --all --all-namespaces --wait --timeout="${TIMEOUT}s"
  await_deletion
}

# In this order: nothing is made anew, and the namespace's end is waited for.
delete_operator() {
  local files=(manager/manager.yaml ip-manager/ip-manager.yaml ip-node/ip-node.yaml rbac/rbac.yaml)
  if [[ -z $KEEP_CRDS ]]; then files+=(crd/vk8s.yaml crd/ipallocation.yaml crd/vnodeippool.yaml); fi
  kubectl delete --ignore-not-found --wait --timeout="${TIMEOUT}s" "${files[@]/#/--filename=$REPO/config/}"
}

check_connection() { kubectl get --raw /version; }

main() {
  local found clusters=() cluster
  parse_arguments "$@"
  need_kubectl
  phase "cluster" "check that 'kubectl version' reaches your cluster" check_connection
  found=$(virtual_clusters) || die "the virtual clusters cannot be listed" \
    "the message above says why; 'kubectl get vk8s --all-namespaces' must work"
  if [[ -n $found ]]; then
    mapfile -t clusters <<<"$found"
    for cluster in "${clusters[@]}"; do say "virtual cluster $cluster"; done
    [[ -n $FORCE ]] || die "virtual clusters exist: ${#clusters[@]}" \
      "delete them with 'kubectl delete vk8s', or add --force: all that is in them is lost"
    phase "virtual clusters: ${#clusters[@]} to delete" \
      "'kubectl get vk8s -A' and 'kubectl get all -A -l app=vk8s' show what is left" delete_clusters
  fi
  phase "operator removed" "the log names what does not go" delete_operator
  phase "user namespaces clean" "'kubectl get all,pvc,secrets -A -l app=vk8s' shows what is left" await_deletion
  found=$(retained_claims)
  for cluster in $found; do
    say "kept: PersistentVolumeClaim $cluster (storage.reclaim: Retain)"
  done
}

main "$@"
