# shellcheck shell=bash
# What the scripts that act on a host cluster share. Source it after lib.sh.
#
# Environment: KUBECTL (default kubectl), KUBECONFIG.

export SYSTEM=vk8s-system CRD=vk8s.vk8s.sktelecom.com POOL_CRD=vnodeippools.vk8s.sktelecom.com

kubectl() { command "${KUBECTL:-kubectl}" "$@"; }

need_kubectl() { need "${KUBECTL:-kubectl}" "install kubectl, or name one in KUBECTL"; }

# apply ARGUMENT...: as the installation, whatever the objects were before.
apply() { kubectl apply --server-side --force-conflicts --field-manager=vk8s-install "$@"; }

# version_of TEXT: "1.31.2" of "v1.31.2-eks-1" and "5.15.0" of "5.15.0-1051-aws".
version_of() {
  local text=${1#v}
  printf '%s' "${text%%[!0-9.]*}"
}

# is_at_least VERSION LEAST
is_at_least() {
  local version
  version=$(version_of "$1")
  [[ -n $version && $(printf '%s\n' "$2" "$version" | sort -V | head -n 1) == "$2" ]]
}

# jsonpath TEMPLATE WHAT...: of `kubectl get WHAT`; nothing where there is none.
jsonpath() {
  local template=$1
  shift
  kubectl get --ignore-not-found -o "jsonpath=$template" "$@"
}

# The first document of the rights is the namespace.
ensure_namespace() { sed '/^---$/,$d' "$REPO/config/rbac/rbac.yaml" | apply -f -; }

# pool_ranges: those of VNodeIPPool "default", with spaces between; nothing where there is none, or
# no such kind yet.
pool_ranges() {
  local crd
  crd=$(kubectl get "crd/$POOL_CRD" --ignore-not-found -o name) || return 1
  if [[ -z $crd ]]; then return; fi
  jsonpath '{.spec.ranges[*]}' "$POOL_CRD/default"
}

# apply_pool RANGE: VNodeIPPool "default" of that range alone.
apply_pool() {
  apply -f - <<EOF
apiVersion: vk8s.sktelecom.com/v1alpha1
kind: VNodeIPPool
metadata: {name: default}
spec: {ranges: ["$1"]}
EOF
}

# ensure_pool RANGE: the same, but one that is there stays as it is.
ensure_pool() {
  local ranges
  ranges=$(pool_ranges) || return 1
  if [[ -z $ranges ]]; then apply_pool "$1"; fi
}

# check_authfile FLAG FILE: ends the script where FILE holds no credentials.
check_authfile() {
  [[ -r $2 ]] || die "$1 $2: there is no such file, or it cannot be read" "see 'buildah login --help'"
  grep -q '"auth" *:' "$2" || die "$1 $2: it holds no credentials" \
    "write one with 'buildah login --authfile $2 REGISTRY' (what Docker keeps in a credential store is not in its config.json)"
}
