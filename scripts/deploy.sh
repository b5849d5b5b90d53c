#!/usr/bin/env bash
# Installs the operator on the cluster of the current kubeconfig (CRD, rights, controller), or
# brings an older installation up to date, and waits until it is ready.
#
#   scripts/deploy.sh --controller-image REFERENCE --vnode-image VERSION=REFERENCE...
#                     [--registry-mirror URL] [--registry-ca FILE] [--timeout SECONDS]
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CONTROLLER_IMAGE=
VNODE_IMAGES=()
REGISTRY_MIRROR=
REGISTRY_CA=
TIMEOUT=120
SYSTEM=vk8s-system

# toml_text TEXT: as a string of TOML.
toml_text() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

config_toml() {
  local image separator=''
  printf 'vnode-image = ['
  for image in "${VNODE_IMAGES[@]}"; do
    printf '%s%s' "$separator" "$(toml_text "$image")"
    separator=', '
  done
  printf ']\n'
  if [[ -n $REGISTRY_MIRROR ]]; then
    printf 'registry-mirror = %s\n' "$(toml_text "$REGISTRY_MIRROR")"
  fi
  if [[ -n $REGISTRY_CA ]]; then
    printf 'registry-ca = "/etc/vk8s-controller/registry-ca.crt"\n'
  fi
}

# The generated name of the ConfigMap changes with its content, and so restarts the controller.
overlay() {
  cat <<EOF
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [config]
images:
- name: vk8s/controller
  newName: ${CONTROLLER_IMAGE%@*}
  digest: ${CONTROLLER_IMAGE#*@}
configMapGenerator:
- name: vk8s-controller-config
  namespace: $SYSTEM
  behavior: replace
  files: [config.toml${REGISTRY_CA:+, registry-ca.crt}]
EOF
}

kubectl() { command "${KUBECTL:-kubectl}" "$@"; }

# Names that an earlier installation generated.
old_config_maps() {
  local used
  used=$(kubectl -n $SYSTEM get deployment vk8s-controller-manager \
    -o 'jsonpath={.spec.template.spec.volumes[?(@.name=="config")].configMap.name}')
  kubectl -n $SYSTEM get configmap -l app=vk8s-controller-manager -o name |
    grep -vxF "configmap/$used" || true
}

deploy() {
  local folder old
  folder=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$folder'" EXIT
  cp -r "$REPO/config" "$folder/config"
  config_toml >"$folder/config.toml"
  if [[ -n $REGISTRY_CA ]]; then cp "$REGISTRY_CA" "$folder/registry-ca.crt"; fi
  overlay >"$folder/kustomization.yaml"
  kubectl apply --server-side --force-conflicts --field-manager=vk8s-install -k "$folder"
  kubectl wait --for=condition=Established --timeout="${TIMEOUT}s" crd/vk8s.vk8s.sktelecom.com
  kubectl -n $SYSTEM rollout status deployment/vk8s-controller-manager --timeout="${TIMEOUT}s"
  mapfile -t old < <(old_config_maps)
  if ((${#old[@]})); then kubectl -n $SYSTEM delete "${old[@]}"; fi
}

main() {
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --controller-image) CONTROLLER_IMAGE=${2:?--controller-image needs a REFERENCE} ;;
      --vnode-image) VNODE_IMAGES+=("${2:?--vnode-image needs VERSION=REFERENCE}") ;;
      --registry-mirror) REGISTRY_MIRROR=${2:?--registry-mirror needs a URL} ;;
      --registry-ca) REGISTRY_CA=${2:?--registry-ca needs a FILE} ;;
      --timeout) TIMEOUT=${2:?--timeout needs SECONDS} ;;
      *) die "scripts/deploy.sh: '$1' is not an option" "see scripts/deploy.sh --help" ;;
    esac
    shift 2
  done
  [[ $CONTROLLER_IMAGE == *@sha256:* ]] ||
    die "--controller-image '$CONTROLLER_IMAGE' has no digest" "give it as images/push.sh prints it"
  ((${#VNODE_IMAGES[@]} > 0)) || die "no --vnode-image is given" "give one as images/push.sh prints it"
  need "${KUBECTL:-kubectl}" "install kubectl, or name one in KUBECTL"
  phase operator "'kubectl -n $SYSTEM describe pods' names the cause" deploy
}

main "$@"
