# shellcheck shell=bash
# What of a node's programs does not come from the module proxy, for build.sh: built from a source
# package of Debian with the Go toolchain of that package's time, or taken out of a package.
set -euo pipefail

# The last Go that Kubernetes 1.20 was built with in Debian.
OLD_GO=golang-1.19

# describe_debian NAME: sets SOURCE, VERSION, PROGRAMS and LINKS as describe does, and PACKAGE.
describe_debian() {
  SOURCE=debian_package
  case $1 in
    kubernetes-1.20)
      SOURCE=debian_source
      PACKAGE=$(sed -n 's/.*  \(.*\)\.dsc$/\1/p' "$REPO/upstream/$FOLDER/source.sha256")
      # As in kubernetes_1.20.5+really1.20.2-1.1.
      VERSION=${PACKAGE#*+really} VERSION=v${VERSION%%-*}
      PROGRAMS=(kubernetes)
      LINKS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)
      ;;
    containerd-1.6) PACKAGE=containerd PROGRAMS=(containerd containerd-shim-runc-v2 ctr) ;;
    etcd-3.4) PACKAGE=etcd-server PROGRAMS=(etcd) ;;
  esac
  if [[ $SOURCE == debian_package ]]; then
    VERSION=$(candidate "$PACKAGE")
    [[ -n $VERSION ]] || die "apt does not know the package $PACKAGE" "run apt-get update"
  fi
}

key_of_debian_package() {
  hash_of "$PACKAGE" "$VERSION" "${PROGRAMS[@]}" "$(dpkg --print-architecture)"
}

key_of_debian_source() {
  cd "$REPO/upstream/$FOLDER"
  hash_of source.sha256 main.go "${LINKS[@]}" "$(candidate "$OLD_GO")" \
    "$(dpkg --print-architecture)" "$(declare -f compile_debian_source)"
}

# unpack_packages DIRECTORY PACKAGE...: the files of binary packages, not installed.
unpack_packages() {
  local into=$1 package
  shift
  mkdir -p "$into"
  cd "$into"
  apt-get download "$@"
  for package in ./*.deb; do
    dpkg-deb -x "$package" .
    rm "$package"
  done
}

compile_debian_package() {
  local into=$1 scratch=$2 program
  unpack_packages "$scratch/package" "$PACKAGE"
  for program in "${PROGRAMS[@]}"; do cp "$scratch/package/usr/bin/$program" "$into/"; done
}

# The machine's own package archives of this Debian, for source packages.
source_archives() {
  # shellcheck disable=SC2016  # apt-get expands these
  apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI) $(COMPONENT)' \
    'Created-By: Packages' | sort -u |
    while read -r origin codename uri component; do
      if [[ $origin == Debian && $codename == bookworm* ]]; then
        printf 'deb-src [signed-by=%s] %s %s %s\n' \
          /usr/share/keyrings/debian-archive-keyring.gpg "$uri" "$codename" "$component"
      fi
    done
}

# fetch_source DIRECTORY: the pinned source package, unpacked as DIRECTORY/source. apt's own
# configuration and lists stay as they are.
fetch_source() {
  local scratch=$1 options
  mkdir -p "$scratch/apt/lists/partial" "$scratch/download"
  source_archives >"$scratch/apt/sources.list"
  options=(-o "Dir::Etc::SourceList=$scratch/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$scratch/apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
  apt-get "${options[@]}" update
  cd "$scratch/download"
  apt-get "${options[@]}" source --download-only "${PACKAGE/_/=}"
  sha256sum --check "$REPO/upstream/$FOLDER/source.sha256"
  dpkg-source --no-check -x "$PACKAGE.dsc" "$scratch/source"
}

# Kubernetes of that time is built in a GOPATH, and generates a part of its code first.
compile_debian_source() {
  local into=$1 scratch=$2 tree=$2/go/src/k8s.io/kubernetes flags
  progress "$LABEL: source package and toolchain"
  unpack_packages "$scratch/toolchain" "$OLD_GO-go" "$OLD_GO-src"
  fetch_source "$scratch"
  mkdir -p "${tree%/*}" "$scratch/source/cmd/kubernetes"
  mv "$scratch/source" "$tree"
  cp "$REPO/upstream/$FOLDER/main.go" "$tree/cmd/kubernetes/"
  export PATH=$scratch/toolchain/usr/lib/go-${OLD_GO#golang-}/bin:$PATH
  export GOPATH=$scratch/go GOFLAGS='' CGO_ENABLED=0 SOURCE_DATE_EPOCH=0
  cd "$tree"
  progress "$LABEL: generating code"
  nice make generated_files
  flags=$(bash -c '. hack/lib/init.sh && kube::version::ldflags')
  # dockerless: kubelet would wait 5 s for Docker at each start.
  GO111MODULE=off nice go build -v -trimpath -tags dockerless,providerless \
    -ldflags "-s -w -buildid= $flags" -o "$into/kubernetes" \
    k8s.io/kubernetes/cmd/kubernetes 2>&1 | progress_lines "$LABEL" 2000 "packages built"
}
