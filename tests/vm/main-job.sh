#!/bin/bash
# The main job in the machine: embedded host, operator, sample, an inner pod on each node that
# reaches the other's; then what only cgroup v2 can show: nothing grows outside the vnodes' cgroups,
# and running out of memory inside ends inside.
#
# Its results go to the second serial port: "step TEXT", "pass NAME SECONDS", "fail NAME: WHY",
# "end". Each check is a function; a check that later ones need ends the job when it fails.
set -u
RESULTS=/dev/ttyS1
KEPT=/dev/vdc
HERE=/srv/vk8s
SAMPLE=$HERE/config/samples/vk8s-1-37.yaml
CLUSTER=vk8s-1-37
NODE=$CLUSTER-master-1
WORKER=$CLUSTER-worker-1
CGROUPS=/sys/fs/cgroup
STATE=/var/lib/vk8s-host
WORK=/root/job
export VK8S_HOST_STATE_DIR=$STATE KUBECONFIG=$STATE/kubeconfig KUBECTL=kubectl
PATH=$HERE/bin:$PATH

# --- results -------------------------------------------------------------------------------------

result() { printf '%s\n' "$*" | tee "$RESULTS"; }

# explain TEXT...: why the check that runs now fails.
explain() { printf '%s\n' "$*" >"$WORK/why"; }

# check NAME FUNCTION: one check, whose output goes to the console.
check() {
  local name=$1 start=$EPOCHSECONDS
  shift
  result "step $name"
  : >"$WORK/why"
  if "$@"; then
    result "pass $name $((EPOCHSECONDS - start))"
    return 0
  fi
  result "fail $name: $(tr '\n' ' ' <"$WORK/why" | cut -c 1-600)"
  return 1
}

# need NAME FUNCTION: a check without which the rest says nothing.
need() {
  if ! check "$@"; then
    keep
    leave
    exit 1
  fi
}

# The logs of both Kubernetes, the state of their objects, the cgroups.
keep() {
  local kept=$WORK/kept
  result "step logs"
  mkdir -p "$kept/inner-log"
  kubectl get all,vk8s,events -A -o wide --request-timeout=60s >"$kept/host-objects" 2>&1
  kubectl describe pods,vk8s -A --request-timeout=60s >"$kept/host-described" 2>&1
  if [[ -s $WORK/kubeconfig ]]; then
    inner get all,events -A -o wide --request-timeout=60s >"$kept/inner-objects" 2>&1
  fi
  cp -r "$STATE/host-1/volume/log" "$kept/host-log" 2>/dev/null
  cp -r "$STATE"/host-1/volume/volumes/*/log/. "$kept/inner-log/" 2>/dev/null
  find "$STATE" -maxdepth 2 -name 'console*' -exec cp --parents -t "$kept" {} + 2>/dev/null
}

# Hands out what was kept.
leave() {
  groups >"$WORK/kept/cgroups"
  mounts >"$WORK/kept/mounts"
  dmesg >"$WORK/kept/dmesg"
  tar -c -f "$KEPT" -C "$WORK" kept
  result "end"
}

# --- looking -------------------------------------------------------------------------------------

inner() { kubectl --kubeconfig "$WORK/kubeconfig" "$@"; }

# wait_until SECONDS COMMAND...: whether it succeeds in that time.
wait_until() {
  local deadline=$((EPOCHSECONDS + $1))
  shift
  until "$@"; do
    if ((EPOCHSECONDS > deadline)); then return 1; fi
    sleep 2
  done
}

# All cgroups of the machine, by path below the root.
groups() { (cd $CGROUPS && find . -type d | sed 's/^\.//' | sort); }

mounts() { awk '{print $2, $3}' /proc/mounts | sort; }

# vnode_group NODE: the cgroup of its container, as the machine sees it.
vnode_group() {
  local uid id
  uid=$(kubectl get pod "$1-0" -o 'jsonpath={.metadata.uid}')
  id=$(kubectl get pod "$1-0" -o 'jsonpath={.status.containerStatuses[0].containerID}')
  (cd $CGROUPS && find . -type d -path "*/pod$uid/${id#containerd://}" | sed 's/^\.//')
}

# process_in GROUP PROGRAM: its process id on the machine.
process_in() {
  local pid
  while read -r pid; do
    if [[ $(</proc/"$pid"/comm) == "$2" ]]; then echo "$pid"; fi
  done <"$CGROUPS$1/cgroup.procs"
}

# The host's pods: name, uid, restarts.
host_pods() {
  kubectl get pods -A --sort-by=.metadata.uid -o \
    'jsonpath={range .items[*]}{.metadata.name} {.metadata.uid} {.status.containerStatuses[*].restartCount}{"\n"}{end}'
}

# --- checks of the main job ----------------------------------------------------------------------

machine_is_v2() {
  explain "$(uname -r), $(grep cgroup /proc/mounts)"
  [[ -e $CGROUPS/cgroup.controllers ]] && ! grep -q ' cgroup ' /proc/mounts
}

host_up() {
  explain "kubectl vk8s host up: the console's log has its words"
  kubectl-vk8s host up --rootfs /srv/vnode --registry-rootfs /srv/registry --timeout 600 &&
    kubectl wait --for=condition=Ready --timeout=60s node/host-1
}

operator_ready() {
  local images registry=198.18.0.2:5000
  mapfile -t images <"$HERE/images.names"
  explain "scripts/deploy.sh: the console's log has its words"
  "$HERE/scripts/deploy.sh" --controller-image "${images[0]}" --vnode-image "1.37=${images[1]}" \
    --registry-mirror "https://$registry" --registry-ca "$STATE/pki/ca.crt" --timeout 300
}

sample_running() {
  kubectl apply --server-side -f "$SAMPLE" || return
  if ! kubectl wait -f "$SAMPLE" --for=jsonpath='{.status.phase}'=Running --timeout=600s; then
    explain "$(kubectl get -f "$SAMPLE" -o 'jsonpath={.status.phase} {.status.conditions}')"
    return 1
  fi
  kubectl get secret "$CLUSTER-kubeconfig" -o 'go-template={{.data.kubeconfig | base64decode}}' \
    >"$WORK/kubeconfig"
  explain "its nodes are not Ready: $(inner get nodes 2>&1)"
  inner wait --for=condition=Ready --timeout=60s "node/$NODE" "node/$WORKER"
}

# pod NAME NODE COMMAND [RESOURCES]: a manifest.
pod() {
  cat <<EOF
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  nodeSelector: {kubernetes.io/hostname: $2}
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: busybox
    imagePullPolicy: IfNotPresent
    command: [sh, -c, '$3']
    resources: ${4:-null}
EOF
}

# create_pod NAME NODE COMMAND [RESOURCES]: applied inside.
create_pod() {
  local said
  said=$(pod "$@" | inner apply -f - 2>&1) && return
  explain "$said"
  return 1
}

inner_pods_running() {
  create_pod web "$NODE" 'echo started; exec httpd -f -p 8080 -h /etc' \
    '{limits: {memory: 64Mi, cpu: 500m}}' || return
  create_pod peer "$WORKER" 'exec sleep 86400' || return
  if ! inner wait --for=condition=Ready --timeout=300s pod/web pod/peer; then
    explain "$(inner get pods -o 'jsonpath={.items[*].status}')"
    return 1
  fi
}

# By VXLAN: both nodes are pods of one host. This wget has no -T.
pods_reach_each_other() {
  local address said
  address=$(inner get pod web -o 'jsonpath={.status.podIP}')
  said=$(inner exec peer -- timeout 20 wget -q -O - "http://$address:8080/hostname" 2>&1)
  explain "pod peer on $WORKER asked $address on $NODE: $said"
  [[ $said == web ]]
}

inner_pod_answers() {
  local said
  said=$(inner exec web -- hostname 2>&1)
  explain "exec: $said"
  [[ $said == web ]] || return 1
  said=$(inner logs web 2>&1)
  explain "logs: $said"
  [[ $said == started ]]
}

vnode_pod_answers() {
  local said
  said=$(kubectl exec "$NODE-0" -- cat /proc/self/cgroup 2>&1)
  explain "exec into the vnode, cgroup: $said"
  # Its root has no processes: a program that enters it goes to the agent's leaf.
  [[ $said == 0::*/vk8s ]]
}

# --- checks of cgroup v2 -------------------------------------------------------------------------

in_vnodes() { grep -E "^($VNODE|$WORKER_VNODE)/"; }
not_in_vnodes() { grep -vE "^($VNODE|$WORKER_VNODE)/"; }

# New since before the sample: the pods that the host made for it, and what is in the vnodes' groups.
nothing_outside() {
  local group foreign=()
  mapfile -t foreign < <(comm -13 "$WORK/groups-before" <(groups) | not_in_vnodes |
    grep -vE '^/vk8s-host/host-1/kubepods(/besteffort|/burstable)?(/pod[0-9a-f-]{36}(/[0-9a-f]{64})?)?$')
  explain "outside $VNODE and $WORKER_VNODE: ${foreign[*]:-}"
  if ((${#foreign[@]} > 0)); then return 1; fi
  # And those pods are the host's own: no inner pod's uid among them.
  for group in $(inner get pods -A --field-selector=status.phase=Running \
    -o 'jsonpath={.items[*].metadata.uid}'); do
    explain "inner pod $group has a group outside $VNODE and $WORKER_VNODE"
    if groups | not_in_vnodes | grep -q "pod$group"; then return 1; fi
    explain "inner pod $group has no group in them"
    groups | in_vnodes | grep -q "/kubepods/.*pod$group" || return 1
  done
}

limits_nest() {
  local vnode_limit pods_limit web
  vnode_limit=$(<"$CGROUPS$VNODE/memory.max")
  pods_limit=$(<"$CGROUPS$VNODE/kubepods/memory.max")
  web=$(find "$CGROUPS$VNODE" -path "*pod$(inner get pod web -o 'jsonpath={.metadata.uid}')" |
    head -n 1)
  explain "memory.max: vnode $vnode_limit, its pods $pods_limit, pod web $(<"$web/memory.max")"
  ((vnode_limit == 4 * 1024 * 1024 * 1024 && pods_limit < vnode_limit)) &&
    [[ $(<"$web/memory.max") == $((64 * 1024 * 1024)) && $(<"$web/cpu.max") == "50000 100000" ]]
}

# A vnode out of memory loses one process, not all.
vnode_not_killed_as_one() {
  explain "memory.oom.group of $VNODE is $(<"$CGROUPS$VNODE/memory.oom.group")"
  [[ $(<"$CGROUPS$VNODE/memory.oom.group") == 0 && -z $(<"$CGROUPS$VNODE/cgroup.procs") ]]
}

has_ended() { [[ $(inner get pod "$1" -o 'jsonpath={.status.phase}') == Failed ]]; }

# hog NAME [RESOURCES]: an inner pod beside the API server, which takes memory until it is ended.
# More than one program, because each stops at 2 GiB by itself.
hog() {
  local server after how
  server=$(process_in "$VNODE/vk8s" kube-apiserver)
  create_pod "$1" "$NODE" 'for i in 1 2 3; do tail /dev/zero & done; wait' "${2:-}" || return
  if ! wait_until 400 has_ended "$1"; then
    explain "pod $1 has not ended: $(inner get pod "$1" -o 'jsonpath={.status}')"
    return 1
  fi
  how=$(inner get pod "$1" -o \
    'jsonpath={.status.reason} {.status.containerStatuses[*].state.terminated.reason}')
  explain "pod $1 ended otherwise: $how"
  [[ $how == *OOMKilled* || $how == Evicted* ]] || return 1
  after=$(process_in "$VNODE/vk8s" kube-apiserver)
  explain "inner API server: process $server before, '$after' after"
  [[ -n $server && $after == "$server" ]]
}

host_pods_survive() {
  explain "$(diff "$WORK/host-pods" <(host_pods))"
  diff "$WORK/host-pods" <(host_pods)
}

# --- checks of the end ---------------------------------------------------------------------------

groups_are_as_before() { diff "$WORK/groups-before" <(groups); }

sample_gone() {
  explain "kubectl delete: the console's log has its words"
  kubectl delete -f "$SAMPLE" --timeout=300s || return
  if ! wait_until 120 groups_are_as_before >"$WORK/left"; then
    explain "cgroups: $(grep '^[<>]' "$WORK/left")"
    return 1
  fi
}

host_gone() {
  explain "kubectl vk8s host down --purge: the console's log has its words"
  kubectl-vk8s host down --purge --grace 180 || return
  explain "left: $(diff "$WORK/machine-groups" <(groups)) $(diff "$WORK/machine-mounts" <(mounts))"
  diff "$WORK/machine-groups" <(groups) && diff "$WORK/machine-mounts" <(mounts)
}

main() {
  mkdir -p "$WORK"
  groups >"$WORK/machine-groups"
  mounts >"$WORK/machine-mounts"
  need "machine has cgroup v2 only" machine_is_v2
  need "host up: node Ready" host_up
  need "operator ready" operator_ready
  groups >"$WORK/groups-before"
  need "sample Running" sample_running
  VNODE=$(vnode_group "$NODE")
  WORKER_VNODE=$(vnode_group "$WORKER")
  need "inner pods Running" inner_pods_running
  check "pods of two nodes reach each other" pods_reach_each_other
  check "inner pod answers exec and logs" inner_pod_answers
  check "vnode answers exec, in the agent's group" vnode_pod_answers
  host_pods >"$WORK/host-pods"
  check "no directory outside the vnodes' cgroups" nothing_outside
  check "limits nest: pod in pods in vnode" limits_nest
  check "vnode is not killed as one" vnode_not_killed_as_one
  check "hog with a limit dies, API server stays" hog hog-limited '{limits: {memory: 64Mi}}'
  check "hog without a limit dies, API server stays" hog hog-free
  check "host's pods survive" host_pods_survive
  check "no directory outside, after the hogs" nothing_outside
  keep
  check "sample deleted: its cgroups are gone" sample_gone
  check "host down --purge: cgroups and mounts as before" host_gone
  leave
}

main
