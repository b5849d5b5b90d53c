#!/usr/bin/env bash
# Installs the operator on the cluster of the current kubeconfig, or brings an older installation
# up to date: checks the cluster, its nodes and the registry, builds and pushes the images that the
# registry lacks, applies the CRD, the rights and the controller, and waits until it is ready. Run
# it again at any time with the same arguments: it changes nothing then.
#
#   install.sh [OPTION]... IMAGE-REGISTRY IP-RESERVATION-RANGE
#
#   IMAGE-REGISTRY          host[:port][/path], without a scheme, that every node can pull from
#   IP-RESERVATION-RANGE    addresses that the installation may give away, FIRST-LAST or a CIDR
#                           block, IPv4 or IPv6: VNodeIPPool "default"; kept as it was given in
#                           ConfigMap vk8s-system/vk8s-ip-reservation
#
# Registry:
#   --registry-ca FILE      PEM of who signed its certificate, for the push and for the nodes of
#                           virtual clusters (this cluster's own nodes must trust it already)
#   --plain-http            it speaks HTTP without TLS
#   --authfile FILE         credentials for looking and pushing, as 'buildah login' writes them
#   --cert-dir DIR          client.cert and client.key for looking and pushing, and ca.crt
#   --pull-authfile FILE    credentials for pulling, kept in Secret vk8s-system/vk8s-registry: for
#                           the controller; a Vk8s names its own in spec.imagePullSecrets, for its
#                           nodes and, of this registry, for what they pull from the mirror
#   --push-registry HOST    push to another address of the same registry
#   --no-mirror             the pods of virtual clusters do not look for their images in it first
#   --version KUBERNETES    the node image of another Kubernetes too, as in 1.36 (any number of
#                           times); what is installed of other versions stays as it is
#   --addon NAME            build, push and offer an add-on for spec.kubeflow (training) or spec.addons
#                           (metrics-server, local-path), or NAME=FOLDER: one that addons/prepare.sh
#                           has made, as of full; any number of times; needs --registry-ca; others that
#                           are installed stay
#   --rebuild               build and push the images even if the registry has them
#   --build-dir DIR         where the C++ programs are (default build/release)
#
# Cluster:
#   --tolerate-control-plane  let virtual nodes run on the nodes of the control plane
#   --ip-node ROUTES        run vk8s-ip-node on every node, for network plugins with pluggable IPAM
#                           (docs/networking.md); ROUTES is none or host-gateway
#   --ignore-limits         go on where a node's inotify limits are too low
#   --replace-range         take the range even if another one is stored
#   --skip-node-checks      start no probe pods
#   --timeout SECONDS       for the nodes' checks, and until the controller is ready (default 300)
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"
. "$REPO/scripts/cluster.sh"
. "$REPO/scripts/address-range.sh"
. "$REPO/scripts/registry.sh"

RANGE=
REPLACE_RANGE=
PULL_AUTHFILE=
MIRROR=yes
REBUILD=
VERSIONS=() # beside the default
ADDONS=()
BUILD_OPTIONS=()
NODE_CHECKS=yes
NODE_OPTIONS=()
DEPLOY_OPTIONS=()
TIMEOUT=300
RESERVATION=vk8s-ip-reservation

# A node image goes by the minor version.
add_version() {
  local default
  default=$(sed -n '/^[0-9]/{s/ .*//p;q}' "$REPO/upstream/releases")
  "$REPO/upstream/build.sh" --list "$1" >/dev/null || exit 1
  if [[ " $default ${VERSIONS[*]} " != *" $1 "* ]]; then VERSIONS+=("$1"); fi
}

parse_arguments() {
  local positional=()
  while (($#)); do
    case $1 in
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit 0
        ;;
      --registry-ca) REGISTRY_CA=${2:?--registry-ca needs a FILE} && shift ;;
      --plain-http) PLAIN_HTTP=yes ;;
      --authfile) AUTHFILE=${2:?--authfile needs a FILE} && shift ;;
      --cert-dir) CERT_DIR=${2:?--cert-dir needs a DIR} && shift ;;
      --pull-authfile) PULL_AUTHFILE=${2:?--pull-authfile needs a FILE} && shift ;;
      --push-registry) PUSH_REGISTRY=${2:?--push-registry needs a HOST} && shift ;;
      --no-mirror) MIRROR= ;;
      --version) add_version "${2:?--version needs a KUBERNETES version}" && shift ;;
      --addon) ADDONS+=("${2:?--addon needs a NAME}") && shift ;;
      --rebuild) REBUILD=yes ;;
      --build-dir) BUILD_OPTIONS=(--build-dir "${2:?--build-dir needs a DIR}") && shift ;;
      --ip-node) DEPLOY_OPTIONS+=("$1" "${2:?--ip-node needs ROUTES}") && shift ;;
      --tolerate-control-plane) NODE_OPTIONS+=("$1") DEPLOY_OPTIONS+=("$1") ;;
      --ignore-limits) NODE_OPTIONS+=("$1") ;;
      --replace-range) REPLACE_RANGE=yes ;;
      --skip-node-checks) NODE_CHECKS= ;;
      --timeout) TIMEOUT=${2:?--timeout needs SECONDS} && shift ;;
      -*) die "install.sh: '$1' is not an option" "see install.sh --help" ;;
      *) positional+=("$1") ;;
    esac
    shift
  done
  ((${#positional[@]} == 2)) || die "install.sh takes two arguments, not ${#positional[@]}" \
    "write install.sh IMAGE-REGISTRY IP-RESERVATION-RANGE; see install.sh --help"
  REGISTRY=${positional[0]}
  RANGE=${positional[1]}
}

check_arguments() {
  check_range "$RANGE"
  check_registry_options
  if ((${#ADDONS[@]})) && [[ -z $REGISTRY_CA || -z $MIRROR ]]; then
    die "--addon needs --registry-ca, and no --no-mirror" \
      "controller and nodes read add-ons and their images over TLS, by that CA alone"
  fi
  if [[ -n $PULL_AUTHFILE ]]; then
    check_authfile --pull-authfile "$PULL_AUTHFILE"
    NODE_OPTIONS+=(--authfile "$PULL_AUTHFILE")
    DEPLOY_OPTIONS+=(--authfile "$PULL_AUTHFILE")
  fi
  [[ $TIMEOUT =~ ^[1-9][0-9]{0,4}$ ]] ||
    die "--timeout $TIMEOUT: not a number of seconds" "give one such as 300"
  NODE_OPTIONS+=(--timeout "$TIMEOUT")
  DEPLOY_OPTIONS+=(--timeout "$TIMEOUT")
  need_kubectl
}

stored_range() { jsonpath '{.data.range}' -n "$SYSTEM" "configmap/$RESERVATION"; }

# What another tool installed stays its own, and so does a range that is in use.
check_installed() {
  local manager stored
  manager=$(jsonpath '{.metadata.labels.app\.kubernetes\.io/managed-by}' \
    -n "$SYSTEM" deployment/vk8s-controller-manager)
  [[ $manager != Helm ]] || die "the operator was installed by Helm" \
    "upgrade it with 'helm upgrade', or remove it first with 'helm uninstall'"
  stored=$(stored_range) || die "ConfigMap $RESERVATION cannot be read" "the message above says why"
  if [[ -z $stored ]]; then
    stored=$(pool_ranges) ||
      die "VNodeIPPool \"default\" cannot be read" "the message above says why"
  fi
  if [[ -n $stored && -z $REPLACE_RANGE ]] && ! is_same_range "$stored" "$RANGE"; then
    die "address range \"$RANGE\": \"$stored\" is stored, and addresses of it may be in use" \
      "give \"$stored\" again, or add --replace-range"
  fi
}

build_and_push() {
  "$REPO/scripts/install-prerequisites.sh"
  "$REPO/images/build.sh" "${BUILD_OPTIONS[@]}" "$@"
  "$REPO/images/push.sh" "${BUILD_OPTIONS[@]}" "${PUSH_OPTIONS[@]}" "$PUSH_REGISTRY" "$@" >/dev/null
}

# version_of_image NAME: the minor version, as the controller has it.
version_of_image() {
  local name
  name=$(image_name "$1")
  name=${name##*:v}
  printf '%s' "${name%.*}"
}

# Sets CONTROLLER_IMAGE, VNODE_IMAGE (the default's) and VNODE_IMAGES ("VERSION=REFERENCE", of all).
ensure_images() {
  local name missing=() vnodes=(vnode "${VERSIONS[@]/#/vnode-}")
  for name in controller "${vnodes[@]}"; do
    if [[ -n $REBUILD ]] || ! has_image "$name"; then missing+=("$name"); fi
  done
  if ((${#missing[@]})); then group "images for the registry" build_and_push "${missing[@]}"; fi
  CONTROLLER_IMAGE=$(image_reference controller)
  VNODE_IMAGES=()
  for name in "${vnodes[@]}"; do
    VNODE_IMAGES+=("$(version_of_image "$name")=$(image_reference "$name")")
  done
  VNODE_IMAGE=${VNODE_IMAGES[0]#*=}
}

# push_addon NAME: renders and pushes it; prints "NAME=REFERENCE".
push_addon() {
  local folder
  folder=$("$REPO/addons/build.sh" "$1" "${BUILD_OPTIONS[@]}" "${PUSH_OPTIONS[@]}" "$PUSH_REGISTRY") || exit 1
  printf '%s=' "${1%%=*}"
  "$REPO/addons/push.sh" "${PUSH_OPTIONS[@]}" --pull-registry "$REGISTRY" "$PUSH_REGISTRY" "${1%%=*}" "$folder" || exit 1
}

# Sets ADDON_REFERENCES.
ensure_addons() {
  local name
  ADDON_REFERENCES=()
  for name in "${ADDONS[@]}"; do
    ADDON_REFERENCES+=("$(group "add-on ${name%%=*}" push_addon "$name")")
  done
}

deploy() {
  local image addon options=(--controller-image "$CONTROLLER_IMAGE")
  for addon in "${ADDON_REFERENCES[@]}"; do options+=(--addon "$addon"); done
  for image in "${VNODE_IMAGES[@]}"; do options+=(--vnode-image "$image"); done
  if [[ -n $MIRROR ]]; then
    options+=(--registry-mirror "$(registry_url)")
    if [[ -n $REGISTRY_CA ]]; then options+=(--registry-ca "$REGISTRY_CA"); fi
  fi
  "$REPO/scripts/deploy.sh" "${options[@]}" "${DEPLOY_OPTIONS[@]}"
}

# The pool may have been edited since: only another range is written over it. Key "range" of the
# ConfigMap: the range as it was given first.
store_range() {
  if is_same_range "$(stored_range)" "$RANGE"; then
    ensure_pool "$RANGE"
    return
  fi
  apply_pool "$RANGE"
  apply -f - <<EOF
apiVersion: v1
kind: ConfigMap
metadata: {name: $RESERVATION, namespace: $SYSTEM, labels: {app: vk8s-ip-manager}}
data: {range: "$RANGE"}
EOF
}

main() {
  local start
  start=$(now_ms)
  parse_arguments "$@"
  check_arguments
  group "cluster" "$REPO/scripts/check-cluster.sh" --range "$RANGE"
  check_installed
  phase "registry $REGISTRY" "is its name right, can it be reached from here, and do --registry-ca, --plain-http, --authfile or --cert-dir fit?" \
    check_registry
  ensure_images
  ensure_addons
  if [[ -n $NODE_CHECKS ]]; then
    group "nodes" "$REPO/scripts/check-nodes.sh" --image "$VNODE_IMAGE" "${NODE_OPTIONS[@]}"
  fi
  deploy
  phase "address range" "the log has the API server's answer" store_range
  say "$(printf '%-44s %10s' installed "$(seconds_since "$start")")"
  say "next: kubectl apply -f config/samples/vk8s-1-37.yaml && kubectl get vk8s -w"
}

main "$@"
