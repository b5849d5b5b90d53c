#!/usr/bin/env bash
# Builds the upstream Go programs that a node runs into the cache, one directory per program and
# content hash; what is there already is not built again.
#
#   upstream/build.sh [--from-release] [NAME...]
#                                          all that a node of the default Kubernetes runs, or these;
#                                          what no node runs (helm, add-ons' controllers) only if it
#                                          is named
#   upstream/build.sh --list [KUBERNETES]  the names of what a node of that Kubernetes ("1.36") runs
#   upstream/build.sh --print-dir NAME     the directory of NAME's programs (builds nothing)
#   upstream/build.sh --print-version NAME its version, as in v1.37.2
#   upstream/build.sh --print-pins NAME    the go.mod that pins it
#
# --from-release, or VK8S_FROM_RELEASE=1 in the environment (of quickstart.sh, install.sh and
# images/build.sh too): the projects' release binaries instead, which needs no Go; see release.sh.
# Once chosen it holds for later calls without it where Go is missing or too old.
# VK8S_RELEASE_MIRROR: where they are fetched from, https://... or file:///..., a folder each host.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
. "$REPO/upstream/debian.sh"
. "$REPO/upstream/release.sh"

# What no node runs.
OPTIONAL=(helm kubeflow-trainer jobset training-operator metrics-server local-path-provisioner)

HELM=helm.sh/helm/v3
TRAINER=github.com/kubeflow/trainer/v2
JOBSET=sigs.k8s.io/jobset
TRAINING_OPERATOR=github.com/kubeflow/training-operator
METRICS_SERVER=sigs.k8s.io/metrics-server
LOCAL_PATH=github.com/rancher/local-path-provisioner
CONTAINERD=github.com/containerd/containerd/v2
CNI=github.com/containernetworking/plugins
# What of containerd's shim and CRI no node here uses.
CONTAINERD_TAGS=no_btrfs,no_devmapper,no_zfs,no_tracing

# names_of [KUBERNETES]: what a node of that version runs, by the table of releases.
names_of() {
  local names
  names=$(awk -v minor="${1:-}" '/^[0-9]/ && (minor == "" || $1 "" == minor) {
    for (i = 2; i <= NF; i++) print $i; exit }' "$REPO/upstream/releases")
  [[ -n $names ]] || die "Kubernetes '$1' is not in upstream/releases" \
    "use one of: $(sed -n 's/^\([0-9][0-9.]*\) .*/\1/p' "$REPO/upstream/releases" | xargs)"
  printf '%s\n' "$names"
}

# module_version MODULE: the version pinned in FOLDER's MODFILE, with its "v".
module_version() {
  awk -v module="$1" '$1 == module && $2 ~ /^v/ {print $2; exit} $2 == module && $3 ~ /^v/ {print $3; exit}' \
    "$REPO/upstream/$FOLDER/$MODFILE"
}

# describe NAME: sets SOURCE (how it is built: go, release, debian_source or debian_package), VERSION and
# PROGRAMS (its files). For a Go program also FOLDER, MODFILE (what pins it), FLAGS (of go build),
# CGO, PACKAGES (in order; each becomes one of PROGRAMS) and LINKS (other names of the first
# program, which acts as it is called). For Debian's see debian.sh.
describe() {
  local name=$1 variables='' tags='' version=${1##*-}
  SOURCE=go FOLDER=$name MODFILE=go.mod CGO=0
  LINKS=()
  # Another version of the same program is another file of pins beside the first.
  if [[ -e $REPO/upstream/${name%-*}/go-$version.mod ]]; then
    FOLDER=${name%-*} MODFILE=go-$version.mod
  fi
  if [[ $name == jobset ]]; then FOLDER=kubeflow-trainer; fi
  case $FOLDER in
    kubernetes-1.20 | containerd-1.6 | etcd-3.4)
      describe_debian "$name"
      return
      ;;
    kubernetes)
      VERSION=$(module_version k8s.io/kubernetes)
      local package=k8s.io/component-base/version minor=${VERSION#v1.}
      variables="-X $package.gitVersion=$VERSION -X $package.gitMajor=1"
      variables+=" -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"
      PACKAGES=(.) PROGRAMS=(kubernetes)
      LINKS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl coredns)
      ;;
    coredns-1.10)
      VERSION=$(module_version github.com/coredns/coredns)
      PACKAGES=(.) PROGRAMS=(coredns)
      ;;
    etcd)
      VERSION=$(module_version go.etcd.io/etcd/server/v3)
      PACKAGES=(go.etcd.io/etcd/server/v3) PROGRAMS=(etcd)
      ;;
    containerd)
      VERSION=$(module_version "$CONTAINERD")
      variables="-X $CONTAINERD/version.Version=$VERSION"
      tags=$CONTAINERD_TAGS
      PACKAGES=(. "$CONTAINERD/cmd/containerd-shim-runc-v2")
      PROGRAMS=(containerd containerd-shim-runc-v2)
      LINKS=(ctr)
      ;;
    runc)
      # Static, so that it runs in the image and on any host alike.
      VERSION=$(module_version github.com/opencontainers/runc)
      CGO=1
      variables='-extldflags -static'
      tags=seccomp,netgo,osusergo
      PACKAGES=(github.com/opencontainers/runc) PROGRAMS=(runc)
      ;;
    cni-plugins)
      VERSION=$(module_version "$CNI")
      variables="-X $CNI/pkg/utils/buildversion.BuildVersion=$VERSION"
      PACKAGES=("$CNI/plugins/main/"{bridge,loopback,ptp} "$CNI/plugins/ipam/host-local"
        "$CNI/plugins/meta/portmap")
      PROGRAMS=(bridge loopback ptp host-local portmap)
      ;;
    helm)
      # Of the Kubernetes whose client it is built with: `helm template` compares a chart's
      # kubeVersion with it.
      VERSION=$(module_version "$HELM")
      local client
      client=$(module_version k8s.io/client-go)
      client=${client#v0.}
      variables="-X $HELM/internal/version.version=$VERSION"
      variables+=" -X $HELM/pkg/chartutil.k8sVersionMajor=1"
      variables+=" -X $HELM/pkg/chartutil.k8sVersionMinor=${client%%.*}"
      PACKAGES=("$HELM/cmd/helm") PROGRAMS=(helm)
      ;;
    kubeflow-trainer)
      if [[ $name == jobset ]]; then
        # Of the version that Trainer depends on.
        VERSION=$(module_version "$JOBSET")
        variables="-X $JOBSET/pkg/version.GitVersion=$VERSION"
        PACKAGES=("$JOBSET") PROGRAMS=(jobset-controller-manager)
      else
        VERSION=$(module_version "$TRAINER")
        PACKAGES=("$TRAINER/cmd/trainer-controller-manager") PROGRAMS=(trainer-controller-manager)
      fi
      ;;
    training-operator)
      VERSION=$(module_version "$TRAINING_OPERATOR")
      PACKAGES=("$TRAINING_OPERATOR/cmd/training-operator.v1") PROGRAMS=(training-operator)
      ;;
    metrics-server)
      VERSION=$(module_version "$METRICS_SERVER")
      # As its own Makefile has it: --version and its user agent.
      variables="-X k8s.io/client-go/pkg/version.gitVersion=$VERSION"
      PACKAGES=("$METRICS_SERVER/cmd/metrics-server") PROGRAMS=(metrics-server)
      ;;
    local-path-provisioner)
      VERSION=$(module_version "$LOCAL_PATH")
      variables="-X main.VERSION=$VERSION"
      PACKAGES=("$LOCAL_PATH") PROGRAMS=(local-path-provisioner)
      ;;
    *) die "upstream program '$name' is not known" "use one of: $(all_names) ${OPTIONAL[*]}" ;;
  esac
  if [[ ${VK8S_FROM_RELEASE:-} ]]; then
    describe_release "$name"
    return
  fi
  FLAGS=(-trimpath -buildvcs=false -ldflags "-s -w -buildid= $variables")
  if [[ -n $tags ]]; then FLAGS+=(-tags "$tags"); fi
  if [[ $MODFILE != go.mod ]]; then FLAGS+=("-modfile=$MODFILE"); fi
}

all_names() { awk '/^[0-9]/ {for (i = 2; i <= NF; i++) print $i}' "$REPO/upstream/releases" | sort -u | xargs; }

go_version() { go env GOVERSION; }

# What the toolchain lacks; nothing if it will do. A go.mod's "go" line is what it must at least be.
missing_of_go() {
  local wanted have
  wanted=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$REPO"/upstream/*/go*.mod | sort -V | tail -n 1)
  if ! command -v go >/dev/null; then
    printf 'go is not installed, the upstream programs need %s or later' "$wanted"
    return
  fi
  have=$(go_version)
  if [[ $(printf '%s\n' "$wanted" "${have#go}" | sort -V | head -n 1) != "$wanted" ]]; then
    printf 'the Go toolchain is %s, the upstream programs need go%s or later' "$have" "$wanted"
  fi
}

# Scripts that are called later by themselves are not told of --from-release: without Go they go by
# what was chosen last.
check_go() {
  local missing chosen=$CACHE/upstream/from-release
  if [[ ${VK8S_FROM_RELEASE:-} ]]; then
    mkdir -p "$CACHE/upstream"
    touch "$chosen"
    return
  fi
  missing=$(missing_of_go)
  if [[ -z $missing ]]; then return; fi
  [[ -e $chosen ]] || die "$missing" "install it (https://go.dev/dl) and put it in PATH, or set \
VK8S_FROM_RELEASE=1 for the projects' release binaries"
  export VK8S_FROM_RELEASE=1
}

# directory_of NAME: where its programs are or will be. Expects describe.
directory_of() { printf '%s' "$CACHE/upstream/$1-$("key_of_$SOURCE" "$1")"; }

key_of_go() {
  cd "$REPO/upstream/$FOLDER"
  # shellcheck disable=SC2046  # names of Go files have no blanks
  hash_of "$MODFILE" "${MODFILE%.mod}.sum" $(compgen -G '*.go') "${FLAGS[@]}" "$CGO" "${PACKAGES[@]}" \
    "${PROGRAMS[@]}" "${LINKS[@]}" "$(go_version)" "$(go env GOARCH)"
}

# compile_SOURCE DIRECTORY SCRATCH: the programs into that directory. Expects describe.
compile_go() {
  local into=$1 stale index
  cd "$REPO/upstream/$FOLDER"
  export CGO_ENABLED=$CGO
  progress "$LABEL: reading its packages"
  go mod download "-modfile=$MODFILE"
  stale=$(go list -deps "${FLAGS[@]}" -f '{{if .Stale}}{{.ImportPath}}{{end}}' "${PACKAGES[@]}" | wc -l)
  for index in "${!PACKAGES[@]}"; do
    nice go build -v "${FLAGS[@]}" -o "$into/${PROGRAMS[index]}" "${PACKAGES[index]}" 2>&1
  done | progress_lines "$LABEL" "$stale" "packages built"
}

build_one() {
  local name=$1 into=$2 partial link
  if [[ -d $into ]]; then return; fi
  mkdir -p "$CACHE/upstream"
  partial=$(mktemp -d "$CACHE/upstream/.$name.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  mkdir "$partial/programs"
  "compile_$SOURCE" "$partial/programs" "$partial"
  for link in "${LINKS[@]}"; do ln -s "${PROGRAMS[0]}" "$partial/programs/$link"; done
  mv -T "$partial/programs" "$into"
  rm -rf -- "$partial"
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
  phase "$LABEL" "the log's end says why; without a network, set GOPROXY (VK8S_RELEASE_MIRROR for \
release binaries) to one you can reach" \
    with_lock "$CACHE/upstream/.$name.lock" build_one "$name" "$into"
}

main() {
  local name names
  if [[ ${1:-} == --from-release ]]; then
    export VK8S_FROM_RELEASE=1
    shift
  fi
  case ${1:-} in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
    --list) names_of "${2:-}" && return ;;
    --print-version) describe "${2:?--print-version needs a NAME}" && printf '%s\n' "$VERSION" && return ;;
    --print-pins)
      describe "${2:?--print-pins needs a NAME}"
      printf '%s\n' "$REPO/upstream/$FOLDER/$MODFILE"
      return
      ;;
    --print-dir)
      check_go
      describe "${2:?--print-dir needs a NAME}"
      printf '%s\n' "$(directory_of "$2")"
      return
      ;;
  esac
  check_go
  mapfile -t names < <(if (($#)); then printf '%s\n' "$@"; else names_of; fi)
  for name in "${names[@]}"; do describe "$name"; done
  for name in "${names[@]}"; do ensure "$name"; done
}

main "$@"
