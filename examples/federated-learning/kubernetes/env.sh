# shellcheck shell=bash
# The clusters of the example on the embedded host, for the scripts that act on them. Source it after
# ../env.sh.
. "$REPO/scripts/cluster.sh"

NAMESPACE=federated
STATE=${FEDERATED_STATE_DIR:-/var/lib/vk8s-federated}
export VK8S_HOST_STATE_DIR=${VK8S_HOST_STATE_DIR:-/var/lib/vk8s-host}
export KUBECONFIG=$VK8S_HOST_STATE_DIR/kubeconfig
CLI=$REPO/build/release/bin/kubectl-vk8s

# find_host: ends the script where there is no embedded host; sets KUBECTL.
find_host() {
  ((EUID == 0)) || die "the embedded host needs root" "run it with sudo -E"
  [[ -x $CLI && -e $KUBECONFIG ]] ||
    die "there is no embedded host" "run ./quickstart.sh --until operator first"
  KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
  export KUBECTL
}

# push_registry: where the installer pushes to, with the credentials in registry_credentials.
push_registry() {
  local registry
  registry=$("$CLI" host status -o json | sed -n 's/.*"registry": *"\([^"]*\)".*/\1/p')
  printf '%s' "${registry%:*}:5001"
}
registry_credentials() { printf '%s' "$VK8S_HOST_STATE_DIR/registry-credentials"; }

# inside CLUSTER ARGUMENT...: kubectl in a virtual cluster, where the namespace has the same name.
inside() {
  local cluster=$1
  shift
  command "$KUBECTL" --kubeconfig "$STATE/$cluster.kubeconfig" -n "$NAMESPACE" "$@"
}

# kustomization NAME BASE NAMESPACE: a new folder with the start of a kustomization on top of BASE, to
# which the caller adds; prints the folder. It may hold keys: remove it.
kustomization() {
  local folder=$STATE/overlays/$1
  rm -rf "$folder"
  mkdir -p "$folder"
  cat >"$folder/kustomization.yaml" <<YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: $3
resources: [$(realpath --relative-to="$folder" "$2")]
YAML
  printf '%s' "$folder"
}
