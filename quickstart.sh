#!/usr/bin/env bash
# From a fresh clone to a virtual cluster on this machine: installs what building needs, builds
# everything, starts the embedded host, installs the operator and creates the sample cluster.
# Run it again at any time: what is done already takes no time.
#
#   quickstart.sh [--nodes N] [--version KUBERNETES]... [--sample FILE] [--until PHASE]
#                 [--host-option=OPTION]... [--from-release]
#
#   --nodes N              nodes of the embedded host (default 1)
#   --version KUBERNETES   build and install the node image of another Kubernetes too, as in 1.36
#                          ('kubectl vk8s versions' lists them); its sample is the one created
#   --addon NAME           offer an add-on for spec.kubeflow (training) or spec.addons (metrics-server,
#                          local-path), or NAME=FOLDER: one that addons/prepare.sh has made; any number of
#                          times; building needs the Internet or a filled cache
#   --sample FILE          the Vk8s to create (default config/samples/vk8s-1-37.yaml)
#   --until PHASE          stop after prerequisites, programs, images, host, operator or cluster
#   --host-option=OPTION   pass on to 'kubectl vk8s host up', as in --host-option=--name=lab
#   --from-release         fetch the upstream programs' release binaries instead of building them: it
#                          needs the Internet and no Go (see upstream/README.md)
#
# Environment: VK8S_HOST_STATE_DIR, where the host keeps its state (default /var/lib/vk8s-host).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"
. "$REPO/scripts/cluster.sh"

PHASES=(prerequisites programs images host operator cluster)
NODES=1
SAMPLE=
UNTIL=cluster
BUILD_DIR=$REPO/build/release
CLI=$BUILD_DIR/bin/kubectl-vk8s
HOST_OPTIONS=()
DEFAULT_VERSION=1.37
VERSIONS=() # beside it
SAMPLE_VERSION=$DEFAULT_VERSION
ADDONS=()
export VK8S_HOST_STATE_DIR=${VK8S_HOST_STATE_DIR:-/var/lib/vk8s-host}
export KUBECONFIG=$VK8S_HOST_STATE_DIR/kubeconfig

add_version() {
  SAMPLE_VERSION=$1
  if [[ $1 != "$DEFAULT_VERSION" ]]; then
    "$REPO/upstream/build.sh" --list "$1" >/dev/null || exit 1
    VERSIONS+=("$1")
  fi
}

# sample_of KUBERNETES: one master and one worker of it.
sample_of() { printf '%s' "$REPO/config/samples/vk8s-${1//./-}.yaml"; }

parse_arguments() {
  while (($#)); do
    case $1 in
      --nodes) NODES=${2:?--nodes needs a number} && shift ;;
      --version) add_version "${2:?--version needs a KUBERNETES version}" && shift ;;
      --addon) ADDONS+=("${2:?--addon needs a NAME}") && shift ;;
      --sample) SAMPLE=$(realpath "${2:?--sample needs a FILE}") && shift ;;
      --until) UNTIL=${2:?--until needs a phase} && shift ;;
      --from-release) export VK8S_FROM_RELEASE=1 ;;
      --host-option=*) HOST_OPTIONS+=("${1#--host-option=}") ;;
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit 0
        ;;
      *) die "quickstart.sh: '$1' is not an option" "see quickstart.sh --help" ;;
    esac
    shift
  done
  [[ " ${PHASES[*]} " == *" $UNTIL "* ]] || die "--until $UNTIL: no such phase" "use one of: ${PHASES[*]}"
  [[ $NODES =~ ^[1-9][0-9]?$ ]] || die "--nodes $NODES: not a number of nodes" "use 1 to 64"
  if [[ -z $SAMPLE ]]; then SAMPLE=$(sample_of "$SAMPLE_VERSION"); fi
  ((EUID == 0)) || die "the embedded host needs root (namespaces, mounts)" "run it with sudo -E"
}

# kubectl of the built Kubernetes.
find_kubectl() {
  KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
  export KUBECTL
}

run_prerequisites() { "$REPO/scripts/install-prerequisites.sh"; }

upstream_programs() {
  local version
  "$REPO/upstream/build.sh"
  for version in "${VERSIONS[@]}"; do
    "$REPO/upstream/build.sh" --list "$version" | xargs "$REPO/upstream/build.sh"
  done
}

run_programs() {
  group "upstream programs" upstream_programs
  find_kubectl
  phase "C++ programs" "the log names the file that does not compile" \
    cmake_build "$BUILD_DIR" release "C++ programs" vk8s-agent vk8s-ipam vk8s-controller \
    vk8s-ip-manager vk8s-ip-node kubectl-vk8s pause
}

run_images() {
  group images "$REPO/images/build.sh" --build-dir "$BUILD_DIR" vnode controller registry busybox \
    "${VERSIONS[@]/#/vnode-}"
}

# The CLI prints its own progress.
host_up() {
  "$CLI" host up --nodes "$NODES" "${HOST_OPTIONS[@]}" \
    --rootfs "$("$REPO/images/build.sh" --build-dir "$BUILD_DIR" --print-dir vnode)" \
    --registry-rootfs "$("$REPO/images/build.sh" --build-dir "$BUILD_DIR" --print-dir registry)"
}

run_host() {
  group "embedded host" host_up
}

# host_status KEY: of 'host status', a text.
host_status() { "$CLI" host status -o json | sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p'; }

# Where the host's registry is read, "198.18.0.2:5000".
registry() { host_status registry; }

# By the client certificate that `host up` made for this machine's administrator.
push_images() {
  "$REPO/images/push.sh" --build-dir "$BUILD_DIR" --pull-registry "$1" \
    --cert-dir "$VK8S_HOST_STATE_DIR/registry-credentials" "${1%:*}:5001" controller busybox \
    vnode "${VERSIONS[@]/#/vnode-}"
}

# push_addon NAME REGISTRY: prints "NAME=REFERENCE".
push_addon() {
  local folder options=(--cert-dir "$VK8S_HOST_STATE_DIR/registry-credentials")
  folder=$("$REPO/addons/build.sh" "$1" --build-dir "$BUILD_DIR" "${options[@]}" "${2%:*}:5001") || exit 1
  printf '%s=' "${1%%=*}"
  "$REPO/addons/push.sh" "${options[@]}" --pull-registry "$2" "${2%:*}:5001" "${1%%=*}" "$folder" || exit 1
}

# Fixed addresses are those of the pod network that the host's nodes leave alone.
address_pool() {
  local range
  range=$(host_status addressPool)
  if [[ -n $range ]]; then
    phase "address pool $range" "the log has the API server's answer" ensure_pool "$range"
  fi
}

run_operator() {
  local registry pushed images versions vnode_images=() addons=() index name
  registry=$(registry)
  pushed=$(group "images to the host's registry" push_images "$registry")
  mapfile -t images <<<"$pushed"
  versions=("$DEFAULT_VERSION" "${VERSIONS[@]}")
  for index in "${!versions[@]}"; do
    vnode_images+=(--vnode-image "${versions[index]}=${images[index + 2]}")
  done
  for name in "${ADDONS[@]}"; do
    addons+=(--addon "$(group "add-on ${name%%=*}" push_addon "$name" "$registry")")
  done
  "$REPO/scripts/deploy.sh" --controller-image "${images[0]}" "${vnode_images[@]}" "${addons[@]}" \
    --registry-mirror "https://$registry" --registry-ca "$VK8S_HOST_STATE_DIR/pki/ca.crt"
  address_pool
}

# Its own live view: a line a node on a terminal, a line a change elsewhere.
watch_sample() {
  "$CLI" watch "$1" --timeout 300 >&"$VK8S_UI" ||
    die "the cluster is not Running" "'$CLI doctor $1' says what to do"
}

# A pod inside, as its user would run one; busybox comes from the host's registry.
run_pod() {
  local kubeconfig=$1
  "$CLI" kubeconfig "$2" --file "$kubeconfig"
  "$KUBECTL" --kubeconfig "$kubeconfig" run hello --image=busybox --restart=Never \
    --image-pull-policy=IfNotPresent --dry-run=client -o yaml -- sleep 86400 |
    "$KUBECTL" --kubeconfig "$kubeconfig" apply --server-side -f -
  "$KUBECTL" --kubeconfig "$kubeconfig" wait pod/hello --for=condition=Ready --timeout=60s
}

run_cluster() {
  local name kubeconfig
  phase "$(basename "$SAMPLE")" "the log has the API server's answer" \
    "$KUBECTL" apply --server-side -f "$SAMPLE"
  name=$("$KUBECTL" get -f "$SAMPLE" -o 'jsonpath={.metadata.name}')
  watch_sample "$name"
  kubeconfig=$(mktemp)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -f -- '$kubeconfig'" EXIT
  phase "a pod in the cluster" "'$CLI doctor $name' says what is wrong" run_pod "$kubeconfig" "$name"
  show_next_steps "$name"
}

show_next_steps() {
  say ""
  say "The cluster $1 is there. Go on with:"
  say "  export PATH=$BUILD_DIR/bin:$(dirname "$KUBECTL"):\$PATH"
  say "  export KUBECONFIG=$KUBECONFIG"
  say "  kubectl get vk8s                     # the clusters of this host"
  say "  kubectl vk8s shell $1         # a shell whose kubectl talks to the cluster"
  say "  kubectl vk8s kubeconfig $1 --merge"
  say "  kubectl vk8s create team-a --workers 2 --wait"
  say "  kubectl vk8s host down --purge       # takes all of it away"
  say ""
}

main() {
  local name start
  start=$(now_ms)
  parse_arguments "$@"
  for name in "${PHASES[@]}"; do
    "run_$name"
    if [[ $name == "$UNTIL" ]]; then break; fi
  done
  say "$(printf '%-44s %10s' all "$(seconds_since "$start")")"
}

main "$@"
