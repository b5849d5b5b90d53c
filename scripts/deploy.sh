#!/usr/bin/env bash
# Installs the operator on the cluster of the current kubeconfig (CRDs, rights, controller,
# ip-manager), or brings an older installation up to date, and waits until it is ready.
#
#   scripts/deploy.sh --controller-image REFERENCE --vnode-image VERSION=REFERENCE...
#                     [--registry-mirror URL] [--registry-ca FILE] [--authfile FILE]
#                     [--addon NAME=REFERENCE]...
#                     [--tolerate-control-plane] [--ip-node ROUTES] [--timeout SECONDS]
#
#   --controller-image REFERENCE     as images/push.sh prints it
#   --vnode-image VERSION=REFERENCE  the node image of a Kubernetes version; those of other versions
#                                    stay as they are installed
#   --registry-mirror URL            of the registry that nodes ask first for their pods' images
#   --registry-ca FILE               who signed its certificate (PEM)
#   --authfile FILE                  credentials for pulling the controller's image
#   --addon NAME=REFERENCE           what addons/push.sh printed, for spec.kubeflow and spec.addons;
#                                    others stay as they are installed
#   --tolerate-control-plane         let nodes tolerate the taints of the control plane
#   --ip-node ROUTES                 run vk8s-ip-node on every node (docs/networking.md); ROUTES is
#                                    none or host-gateway
#   --timeout SECONDS                until it is ready (default 120)
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"

CONTROLLER_IMAGE=
VNODE_IMAGES=()
ADDONS=()
REGISTRY_MIRROR=
REGISTRY_CA=
AUTHFILE=
TOLERATE=
IP_NODE=
declare -A IP_NODE_FILES=([none]=config/ip-node/ip-node.yaml [host-gateway]=config/ip-node/host-gateway.yaml)
TIMEOUT=120
PULL_SECRET=vk8s-registry

# toml_text TEXT: as a string of TOML.
toml_text() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# toml_list KEY TEXT...
toml_list() {
  local text separator=''
  printf '%s = [' "$1"
  for text in "${@:2}"; do
    printf '%s%s' "$separator" "$(toml_text "$text")"
    separator=', '
  done
  printf ']\n'
}

config_toml() {
  toml_list vnode-image "${VNODE_IMAGES[@]}"
  if ((${#ADDONS[@]})); then
    toml_list addon "${ADDONS[@]}"
    if [[ -n $AUTHFILE ]]; then printf 'addon-pull-secret = "%s"\n' "$PULL_SECRET"; fi
  fi
  if [[ -n $REGISTRY_MIRROR ]]; then
    printf 'registry-mirror = %s\n' "$(toml_text "$REGISTRY_MIRROR")"
  fi
  if [[ -n $REGISTRY_CA ]]; then
    printf 'registry-ca = "/etc/vk8s-controller/registry-ca.crt"\n'
  fi
  if [[ -n $TOLERATE ]]; then printf 'tolerate-control-plane = true\n'; fi
}

# keep_others KEY ARRAY CONFIG: what an earlier run configured under other names stays, because clusters
# may have it.
keep_others() {
  local -n kept=$2
  local each given=
  for each in "${kept[@]}"; do given+=" ${each%%=*} "; done
  for each in $(sed -n "/^$1 = \[/{s///;s/\]\$//;p}" <<<"$3" | grep -o '"[^"]*"' | tr -d '"'); do
    if [[ $given != *" ${each%%=*} "* ]]; then kept+=("$each"); fi
  done
}

keep_other_names() {
  local config
  config=$(jsonpath '{.data.config\.toml}' -n "$SYSTEM" configmap/vk8s-controller-config)
  keep_others vnode-image VNODE_IMAGES "$config"
  keep_others addon ADDONS "$config"
}

# overlay CHECKSUM: of the configuration, on the controller's pods, because they read it only as
# they start.
overlay() {
  cat <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [config${IP_NODE:+, ${IP_NODE_FILES[$IP_NODE]}}]
images:
- name: vk8s/controller
  newName: ${CONTROLLER_IMAGE%@*}
  digest: ${CONTROLLER_IMAGE#*@}
configMapGenerator:
- name: vk8s-controller-config
  namespace: $SYSTEM
  behavior: replace
  files: [config.toml${REGISTRY_CA:+, registry-ca.crt}]
  options: {disableNameSuffixHash: true}
patches:
- target: {kind: Deployment, name: vk8s-controller-manager}
  patch: '[{"op": "add", "path": "/spec/template/metadata/annotations", "value": {"checksum/config": "$1"}}]'
EOF
  if [[ -z $AUTHFILE ]]; then return; fi
  cat <<EOF
- target: {kind: ServiceAccount, name: vk8s-controller-manager|vk8s-ip-manager|vk8s-ip-node}
  patch: '[{"op": "add", "path": "/imagePullSecrets", "value": [{"name": "$PULL_SECRET"}]}]'
secretGenerator:
- name: $PULL_SECRET
  namespace: $SYSTEM
  type: kubernetes.io/dockerconfigjson
  files: [.dockerconfigjson]
  options: {disableNameSuffixHash: true}
EOF
}

deploy() {
  local folder checksum deployment
  keep_other_names
  if ((${#ADDONS[@]})) && [[ -z $REGISTRY_CA ]]; then
    die "the add-ons ${ADDONS[*]%%=*} need --registry-ca" "give it again, as when they were installed"
  fi
  folder=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$folder'" EXIT
  cp -r "$REPO/config" "$folder/config"
  config_toml >"$folder/config.toml"
  if [[ -n $REGISTRY_CA ]]; then cp "$REGISTRY_CA" "$folder/registry-ca.crt"; fi
  if [[ -n $AUTHFILE ]]; then cp "$AUTHFILE" "$folder/.dockerconfigjson"; fi
  checksum=$(cat "$folder/config.toml" ${REGISTRY_CA:+"$REGISTRY_CA"} | sha256sum | cut -d ' ' -f 1)
  overlay "$checksum" >"$folder/kustomization.yaml"
  apply -k "$folder"
  kubectl wait --for=condition=Established --timeout="${TIMEOUT}s" "crd/$CRD" "crd/$POOL_CRD"
  for deployment in vk8s-controller-manager vk8s-ip-manager; do
    kubectl -n "$SYSTEM" rollout status "deployment/$deployment" --timeout="${TIMEOUT}s"
  done
  if [[ -n $IP_NODE ]]; then
    kubectl -n "$SYSTEM" rollout status daemonset/vk8s-ip-node --timeout="${TIMEOUT}s"
  fi
  if [[ -z $AUTHFILE ]]; then
    kubectl -n "$SYSTEM" delete secret "$PULL_SECRET" --ignore-not-found
  fi
}

main() {
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --controller-image) CONTROLLER_IMAGE=${2:?--controller-image needs a REFERENCE} && shift ;;
      --vnode-image) VNODE_IMAGES+=("${2:?--vnode-image needs VERSION=REFERENCE}") && shift ;;
      --registry-mirror) REGISTRY_MIRROR=${2:?--registry-mirror needs a URL} && shift ;;
      --registry-ca) REGISTRY_CA=${2:?--registry-ca needs a FILE} && shift ;;
      --addon) ADDONS+=("${2:?--addon needs NAME=REFERENCE}") && shift ;;
      --authfile) AUTHFILE=${2:?--authfile needs a FILE} && shift ;;
      --tolerate-control-plane) TOLERATE=yes ;;
      --ip-node) IP_NODE=${2:?--ip-node needs ROUTES} && shift ;;
      --timeout) TIMEOUT=${2:?--timeout needs SECONDS} && shift ;;
      *) die "scripts/deploy.sh: '$1' is not an option" "see scripts/deploy.sh --help" ;;
    esac
    shift
  done
  [[ -z $IP_NODE || -n ${IP_NODE_FILES[$IP_NODE]:-} ]] ||
    die "--ip-node $IP_NODE: not a kind of routes" "give none or host-gateway"
  [[ $CONTROLLER_IMAGE == *@sha256:* ]] ||
    die "--controller-image '$CONTROLLER_IMAGE' has no digest" "give it as images/push.sh prints it"
  ((${#VNODE_IMAGES[@]} > 0)) || die "no --vnode-image is given" "give one as images/push.sh prints it"
  if [[ -n $AUTHFILE ]]; then check_authfile --authfile "$AUTHFILE"; fi
  need_kubectl
  phase operator "'kubectl -n $SYSTEM describe pods' names the cause" deploy
}

main "$@"
