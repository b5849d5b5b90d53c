#!/usr/bin/env bash
# Builds the upstream Go programs that a node runs into the cache, one directory per program and
# content hash; what is there already is not built again.
#
#   upstream/build.sh [NAME...]        all, or kubernetes etcd containerd runc cni-plugins;
#                                      helm, which no node runs, only if it is named
#   upstream/build.sh --print-dir NAME the directory of NAME's programs (builds nothing)
#   upstream/build.sh --list           the names of what a node runs
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

NAMES=(kubernetes etcd containerd runc cni-plugins)
OPTIONAL_NAMES=(helm)
HELM=helm.sh/helm/v3
CONTAINERD=github.com/containerd/containerd/v2
CNI=github.com/containernetworking/plugins
# What of containerd's shim and CRI no node here uses.
CONTAINERD_TAGS=no_btrfs,no_devmapper,no_zfs,no_tracing

# module_version NAME MODULE: the version pinned in NAME's go.mod, with its "v".
module_version() {
  awk -v module="$2" '$1 == module && $2 ~ /^v/ {print $2; exit} $2 == module && $3 ~ /^v/ {print $3; exit}' \
    "$REPO/upstream/$1/go.mod"
}

# describe NAME: sets VERSION, FLAGS (of go build), CGO, PACKAGES (in order), PROGRAMS (the file
# each package becomes) and LINKS (other names of the first program, which acts as it is called).
describe() {
  local name=$1 variables='' tags=''
  CGO=0
  LINKS=()
  case $name in
    kubernetes)
      VERSION=$(module_version "$name" k8s.io/kubernetes)
      local package=k8s.io/component-base/version minor=${VERSION#v1.}
      variables="-X $package.gitVersion=$VERSION -X $package.gitMajor=1"
      variables+=" -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
      PACKAGES=(.) PROGRAMS=(kubernetes)
      LINKS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl coredns)
      ;;
    etcd)
      VERSION=$(module_version "$name" go.etcd.io/etcd/server/v3)
      PACKAGES=(go.etcd.io/etcd/server/v3) PROGRAMS=(etcd)
      ;;
    containerd)
      VERSION=$(module_version "$name" "$CONTAINERD")
      variables="-X $CONTAINERD/version.Version=$VERSION"
      tags=$CONTAINERD_TAGS
      PACKAGES=(. "$CONTAINERD/cmd/containerd-shim-runc-v2")
      PROGRAMS=(containerd containerd-shim-runc-v2)
      LINKS=(ctr)
      ;;
    runc)
      # Static, so that it runs in the image and on any host alike.
      VERSION=$(module_version "$name" github.com/opencontainers/runc)
      CGO=1
      variables='-extldflags -static'
      tags=seccomp,netgo,osusergo
      PACKAGES=(github.com/opencontainers/runc) PROGRAMS=(runc)
      ;;
    cni-plugins)
      VERSION=$(module_version "$name" "$CNI")
      variables="-X $CNI/pkg/utils/buildversion.BuildVersion=$VERSION"
      PACKAGES=("$CNI/plugins/main/"{bridge,loopback,ptp} "$CNI/plugins/ipam/host-local"
        "$CNI/plugins/meta/portmap")
      PROGRAMS=(bridge loopback ptp host-local portmap)
      ;;
    helm)
      # Of the Kubernetes whose client it is built with: `helm template` compares a chart's
      # kubeVersion with it.
      VERSION=$(module_version "$name" "$HELM")
      local client
      client=$(module_version "$name" k8s.io/client-go)
      client=${client#v0.}
      variables="-X $HELM/internal/version.version=$VERSION"
      variables+=" -X $HELM/pkg/chartutil.k8sVersionMajor=1"
      variables+=" -X $HELM/pkg/chartutil.k8sVersionMinor=${client%%.*}"
      PACKAGES=("$HELM/cmd/helm") PROGRAMS=(helm)
      ;;
    *) die "upstream program '$name' is not known" "use one of: ${NAMES[*]} ${OPTIONAL_NAMES[*]}" ;;
  esac
  FLAGS=(-trimpath -buildvcs=false -ldflags "-s -w -buildid= $variables")
  if [[ -n $tags ]]; then FLAGS+=(-tags "$tags"); fi
}

go_version() { go env GOVERSION; }

# A go.mod's "go" line is what the toolchain must at least be.
check_go() {
  local wanted have
  need go "install Go 1.26 or later (https://go.dev/dl) and put it in PATH"
  have=$(go_version)
  wanted=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$REPO"/upstream/*/go.mod | sort -V | tail -n 1)
  if [[ $(printf '%s\n' "$wanted" "${have#go}" | sort -V | head -n 1) != "$wanted" ]]; then
    die "the Go toolchain is $have, the upstream programs need go$wanted or later" \
      "install a newer one (https://go.dev/dl) and put it in PATH"
  fi
}

# directory_of NAME: where its programs are or will be. Expects describe.
directory_of() {
  local name=$1 key
  # shellcheck disable=SC2046  # names of Go files have no blanks
  key=$(cd "$REPO/upstream/$name" &&
    hash_of go.mod go.sum $(compgen -G '*.go') "${FLAGS[@]}" "$CGO" "${PACKAGES[@]}" \
      "${PROGRAMS[@]}" "${LINKS[@]}" "$(go_version)" "$(go env GOARCH)")
  printf '%s' "$CACHE/upstream/$name-$key"
}

# Into the directory $1, from the module's folder. Expects describe.
compile() {
  local into=$1 stale index link
  export CGO_ENABLED=$CGO
  progress "$LABEL: reading its packages"
  go mod download
  stale=$(go list -deps "${FLAGS[@]}" -f '{{if .Stale}}{{.ImportPath}}{{end}}' "${PACKAGES[@]}" | wc -l)
  for index in "${!PACKAGES[@]}"; do
    nice go build -v "${FLAGS[@]}" -o "$into/${PROGRAMS[index]}" "${PACKAGES[index]}" 2>&1
  done | progress_lines "$LABEL" "$stale" "packages built"
  for link in "${LINKS[@]}"; do ln -s "${PROGRAMS[0]}" "$into/$link"; done
}

build_one() {
  local name=$1 into=$2 partial
  if [[ -d $into ]]; then return; fi
  cd "$REPO/upstream/$name"
  mkdir -p "$CACHE/upstream"
  partial=$(mktemp -d "$CACHE/upstream/.$name.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  compile "$partial"
  chmod 755 "$partial"
  mv -T "$partial" "$into"
  trap - EXIT
  forget_old "$CACHE/upstream/$name" 3
}

ensure() {
  local name=$1 into LABEL
  describe "$name"
  LABEL="$name $VERSION"
  into=$(directory_of "$name")
  if [[ -d $into ]]; then
    touch "$into"
    say "$(printf '%-44s %10s' "$LABEL" ready)"
    return
  fi
  phase "$LABEL" "the log's end says why; without a network, set GOPROXY to one you can reach" \
    with_lock "$CACHE/upstream/.$name.lock" build_one "$name" "$into"
}

main() {
  local name
  case ${1:-} in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && return ;;
    --list) printf '%s\n' "${NAMES[@]}" && return ;;
    --print-dir)
      check_go
      describe "${2:?--print-dir needs a NAME}"
      printf '%s\n' "$(directory_of "$2")"
      return
      ;;
  esac
  check_go
  for name in "$@"; do describe "$name"; done
  if (($# == 0)); then set -- "${NAMES[@]}"; fi
  for name in "$@"; do ensure "$name"; done
}

main "$@"
