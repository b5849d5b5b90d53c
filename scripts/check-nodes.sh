#!/usr/bin/env bash
# Checks on each node that may run vnodes, by a pod of the node image, that it can pull the image
# and run it privileged, mount an overlay, and has the limits that nodes in nodes need. What it
# makes in vk8s-system is gone at its end.
#
#   scripts/check-nodes.sh --image REFERENCE [--authfile FILE] [--tolerate-control-plane]
#                          [--ignore-limits] [--timeout SECONDS]
#
#   --image REFERENCE          the node image
#   --authfile FILE            credentials for pulling it
#   --tolerate-control-plane   check the nodes of the control plane as well
#   --ignore-limits            limits that are too low are no error
#   --timeout SECONDS          for all nodes together (default 300)
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

IMAGE=
AUTHFILE=
TOLERATE=
IGNORE_LIMITS=
TIMEOUT=300
PROBE=vk8s-probe
# As src/host/machine_limits.cc has them, those that a cluster in use runs into.
declare -A NEEDED=([fs.inotify.max_user_instances]=8192 [fs.inotify.max_user_watches]=1048576)

# reason_to_skip OS READY UNSCHEDULABLE TAINTS
reason_to_skip() {
  if [[ $1 != linux ]]; then
    echo "it runs $1"
  elif [[ $3 == true ]]; then
    echo "it is cordoned"
  elif [[ $2 != True ]]; then
    echo "it is not ready"
  elif [[ -z $TOLERATE && $4 == *node-role.kubernetes.io/control-plane=NoSchedule* ]]; then
    echo "it is of the control plane; --tolerate-control-plane lets vnodes run there"
  fi
}

# Sets NODES; says which nodes are left out.
choose_nodes() {
  local name os ready cordoned taints reason
  NODES=()
  while IFS='|' read -r name os ready cordoned taints; do
    reason=$(reason_to_skip "$os" "$ready" "$cordoned" "$taints")
    if [[ -z $reason ]]; then
      NODES+=("$name")
    else
      say "node \"$name\" is not checked: $reason"
    fi
  done < <(jsonpath '{range .items[*]}{.metadata.name}|{.status.nodeInfo.operatingSystem}|{.status.conditions[?(@.type=="Ready")].status}|{.spec.unschedulable}|{range .spec.taints[*]}{.key}={.effect},{end}{"\n"}{end}' nodes)
  ((${#NODES[@]})) || die "no node can run vnodes" "the lines above say why"
}

secret_manifest() {
  cat <<EOF_SECRET
apiVersion: v1
kind: Secret
metadata: {name: $PROBE, namespace: $SYSTEM, labels: {app: $PROBE}}
type: kubernetes.io/dockerconfigjson
data: {.dockerconfigjson: $(base64 -w 0 "$AUTHFILE")}
EOF_SECRET
}

# pod_manifest INDEX NODE
pod_manifest() {
  cat <<EOF_POD
---
apiVersion: v1
kind: Pod
metadata: {name: $PROBE-$1, namespace: $SYSTEM, labels: {app: $PROBE}}
spec:
  nodeName: "$2"
  restartPolicy: Never
  activeDeadlineSeconds: $TIMEOUT
  terminationGracePeriodSeconds: 0
  automountServiceAccountToken: false
  enableServiceLinks: false
  tolerations: [{operator: Exists}]
  imagePullSecrets: [${AUTHFILE:+{name: $PROBE\}}]
  containers:
  - name: probe
    image: "$IMAGE"
    imagePullPolicy: IfNotPresent
    securityContext: {privileged: true}
    command:
    - bash
    - -c
    - |
$(sed 's/^/      /' "$REPO/scripts/node-probe.sh")
    - node-probe
    - /probe
    - /dev/termination-log
    volumeMounts: [{name: probe, mountPath: /probe}]
  volumes: [{name: probe, emptyDir: {}}]
EOF_POD
}

remove_probes() {
  kubectl -n "$SYSTEM" delete pods,secrets -l "app=$PROBE" --ignore-not-found --timeout=60s
}

# Reads what happens to the pods until each has ended; the first that cannot start ends the wait.
await_probes() {
  local name deleted phase reason message watcher events rc=0 deadline=$((SECONDS + TIMEOUT))
  local -A ended=()
  exec {events}< <(exec "${KUBECTL:-kubectl}" -n "$SYSTEM" get pods -l "app=$PROBE" --watch -o \
    'jsonpath={.metadata.name}|{.metadata.deletionTimestamp}|{.status.phase}|{.status.containerStatuses[0].state.waiting.reason}|{.status.containerStatuses[0].state.waiting.message}{"\n"}')
  watcher=$!
  while ((${#ended[@]} < ${#NODES[@]})); do
    if ! IFS='|' read -r -t $((deadline > SECONDS ? deadline - SECONDS : 1)) -u "$events" \
      name deleted phase reason message; then
      echo "after $TIMEOUT s ${#ended[@]} of ${#NODES[@]} nodes have answered (--timeout is longer)"
      kubectl -n "$SYSTEM" get pods -l "app=$PROBE" -o wide
      rc=1
      break
    fi
    [[ $name == "$PROBE"-* ]] || continue
    if [[ -n $deleted ]]; then
      echo "pod $name was deleted before its end"
      rc=1
      break
    fi
    case $phase/$reason in
      Succeeded/* | Failed/*)
        ended[$name]=yes
        [[ $phase == Succeeded ]] || jsonpath '{.spec.nodeName}: {.status.reason} {.status.message}{"\n"}' -n "$SYSTEM" "pod/$name"
        ;;
      */*Err* | */InvalidImageName)
        echo "node \"${NODES[${name##*-}]}\": the node image cannot be run: $reason: $message"
        rc=1
        break
        ;;
    esac
  done
  kill "$watcher" 2>/dev/null || true
  exec {events}<&-
  return $rc
}

# judge NODE: its findings come on standard input.
judge() {
  local node=$1 word key value words rc=0 seen=
  while read -r word key value; do
    case $word in
      overlay)
        seen=yes
        [[ $key == ok ]] && continue
        echo "node \"$node\": no overlay can be mounted: $key $value"
        rc=1
        ;;
      limit)
        echo "node \"$node\": $key = $value"
        if ((value >= ${NEEDED[$key]:-0})); then continue; fi
        words="node \"$node\": $key is $value, ${NEEDED[$key]} is needed: on it, run 'sysctl -w $key=${NEEDED[$key]}' and write that to /etc/sysctl.d"
        if [[ -n $IGNORE_LIMITS ]]; then
          say "warning: $words"
        else
          echo "$words"
          rc=1
        fi
        ;;
    esac
  done
  if [[ -z $seen ]]; then
    echo "node \"$node\": the probe has found nothing"
    rc=1
  fi
  return $rc
}

judge_all() {
  local index state rc=0
  for index in "${!NODES[@]}"; do
    state=$(jsonpath '{.status.containerStatuses[0].state.terminated.message}' \
      -n "$SYSTEM" "pod/$PROBE-$index")
    judge "${NODES[index]}" <<<"$state" || rc=1
  done
  return $rc
}

# A namespace that was made for the probes of a cluster that does not pass goes with them.
finish() {
  local rc=$?
  remove_probes || rc=1
  if ((rc)) && [[ -z $HAD_NAMESPACE ]]; then kubectl delete namespace "$SYSTEM" --wait=false; fi
  exit $rc
}

probe() {
  local index
  HAD_NAMESPACE=$(kubectl get namespace "$SYSTEM" --ignore-not-found -o name)
  trap finish EXIT
  ensure_namespace
  remove_probes
  if [[ -n $AUTHFILE ]]; then secret_manifest | apply -f -; fi
  for index in "${!NODES[@]}"; do pod_manifest "$index" "${NODES[index]}"; done | apply -f -
  await_probes
  judge_all
}

main() {
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --image) IMAGE=${2:?--image needs a REFERENCE} && shift ;;
      --authfile) AUTHFILE=${2:?--authfile needs a FILE} && shift ;;
      --tolerate-control-plane) TOLERATE=yes ;;
      --ignore-limits) IGNORE_LIMITS=yes ;;
      --timeout) TIMEOUT=${2:?--timeout needs SECONDS} && shift ;;
      *) die "scripts/check-nodes.sh: '$1' is not an option" "see scripts/check-nodes.sh --help" ;;
    esac
    shift
  done
  [[ $IMAGE =~ ^[A-Za-z0-9./:@_-]+$ ]] || die "--image '$IMAGE' is no image" "give it as images/push.sh prints it"
  [[ $TIMEOUT =~ ^[1-9][0-9]{0,4}$ ]] || die "--timeout $TIMEOUT: not a number of seconds" "give one such as 300"
  if [[ -n $AUTHFILE ]]; then check_authfile --authfile "$AUTHFILE"; fi
  need_kubectl
  choose_nodes
  phase "host nodes: ${#NODES[@]}" "the lines above say what is missing where; run it again when that is done" probe
}

main "$@"
