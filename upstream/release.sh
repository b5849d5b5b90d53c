# shellcheck shell=bash
# Official release binaries instead of builds, for build.sh --from-release: of the versions that the
# go.mod files pin, as each project publishes them, checked by the hash published beside them. That
# shows that a download is whole; that it is the project's own rests on TLS.
set -euo pipefail

MAX_RELEASE_BYTES=$((500 << 20))

release_architecture() {
  case $(uname -m) in
    x86_64) printf amd64 ;;
    aarch64) printf arm64 ;;
    *) die "there are no release binaries here for $(uname -m)" "build without --from-release" ;;
  esac
}

# describe_release NAME: for a Go program that describe has described. Sets SOURCE, PROGRAMS and
# LINKS as describe does, and DOWNLOADS: "URL HASH_URL MEMBER...", where MEMBER is a file of the
# archive at URL, or PROGRAM=- for a URL that is the program itself.
describe_release() {
  local name=$1 arch bare=${VERSION#v} base program coredns
  arch=$(release_architecture)
  # shellcheck disable=SC2034  # build.sh reads them
  SOURCE=release LINKS=() DOWNLOADS=()
  case $FOLDER in
    kubernetes)
      PROGRAMS=(kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl)
      for program in "${PROGRAMS[@]}"; do
        base=https://dl.k8s.io/release/$VERSION/bin/linux/$arch/$program
        DOWNLOADS+=("$base $base.sha512 $program=-")
      done
      coredns=$(module_version github.com/coredns/coredns)
      PROGRAMS+=(coredns)
      _add_coredns "$coredns" "$arch"
      ;;
    coredns-1.10) _add_coredns "$VERSION" "$arch" ;;
    etcd)
      base=https://github.com/etcd-io/etcd/releases/download/$VERSION
      DOWNLOADS=("$base/etcd-$VERSION-linux-$arch.tar.gz $base/SHA256SUMS etcd-$VERSION-linux-$arch/etcd")
      ;;
    containerd)
      PROGRAMS=(containerd containerd-shim-runc-v2 ctr)
      base=https://github.com/containerd/containerd/releases/download/$VERSION/containerd-static-$bare-linux-$arch.tar.gz
      DOWNLOADS=("$base $base.sha256sum bin/containerd bin/containerd-shim-runc-v2 bin/ctr")
      ;;
    runc)
      base=https://github.com/opencontainers/runc/releases/download/$VERSION
      DOWNLOADS=("$base/runc.$arch $base/runc.sha256sum runc=-")
      ;;
    cni-plugins)
      base=https://github.com/containernetworking/plugins/releases/download/$VERSION/cni-plugins-linux-$arch-$VERSION.tgz
      DOWNLOADS=("$base $base.sha512 ${PROGRAMS[*]/#/./}")
      ;;
    helm)
      base=https://get.helm.sh/helm-$VERSION-linux-$arch.tar.gz
      DOWNLOADS=("$base $base.sha256sum linux-$arch/helm")
      ;;
    *) die "upstream program '$name' has no release binaries" "build it without --from-release" ;;
  esac
}

_add_coredns() {
  local base=https://github.com/coredns/coredns/releases/download/$1/coredns_${1#v}_linux_$2.tgz
  DOWNLOADS+=("$base $base.sha256 coredns")
}

key_of_release() { hash_of release "$VERSION" "${PROGRAMS[@]}" "${DOWNLOADS[@]}"; }

# mirrored URL: where it is fetched from. VK8S_RELEASE_MIRROR is a copy of those hosts, a folder each.
mirrored() {
  local mirror=${VK8S_RELEASE_MIRROR:-}
  case $mirror in
    '') printf '%s' "$1" ;;
    https://* | file:///*) printf '%s/%s' "${mirror%/}" "${1#https://}" ;;
    *) die "VK8S_RELEASE_MIRROR '$mirror' begins with neither https:// nor file:///" \
      "both programs and their hashes come from there: it must be trusted" ;;
  esac
}

# fetch URL FILE
fetch() {
  local url
  url=$(mirrored "$1")
  curl --fail --silent --show-error --location --proto '=https,file' --proto-redir '=https' \
    --connect-timeout 20 --max-time 1800 --max-filesize "$MAX_RELEASE_BYTES" --output "$2" "$url" || {
    printf 'could not fetch %s\n' "$url"
    return 1
  }
}

# published_hash FILE NAME: NAME's hash in a file of hashes: a hash alone, or lines "HASH NAME".
published_hash() {
  awk -v name="$2" '
    NF == 1 {alone = $1}
    NF > 1 {file = $NF; sub(/^\*/, "", file); sub(/.*\//, "", file); if (file == name) named = $1}
    END {print tolower(named != "" ? named : (NR == 1 ? alone : ""))}' "$1" |
    grep -xE '[0-9a-f]{64}|[0-9a-f]{128}' || {
    printf '%s has no SHA-256 or SHA-512 of %s\n' "$1" "$2"
    return 1
  }
}

# check_hash FILE HASH URL
check_hash() {
  local bits=256 got
  if ((${#2} == 128)); then bits=512; fi
  got=$("sha${bits}sum" <"$1" | cut -d ' ' -f 1)
  [[ $got == "$2" ]] || {
    printf '%s\n  has the SHA-%s %s\n  published is  %s\n' "$3" "$bits" "$got" "$2"
    printf 'the download is damaged or not what was published: try again; if it stays so, do not use it\n'
    return 1
  }
}

compile_release() {
  local into=$1 scratch=$2 download url hash_url members member wanted count=0
  for download in "${DOWNLOADS[@]}"; do
    read -r url hash_url members <<<"$download"
    count=$((count + 1))
    progress "$LABEL: download $count of ${#DOWNLOADS[@]}"
    fetch "$url" "$scratch/file"
    fetch "$hash_url" "$scratch/hashes"
    wanted=$(published_hash "$scratch/hashes" "${url##*/}")
    check_hash "$scratch/file" "$wanted" "$url"
    for member in $members; do
      if [[ $member == *=- ]]; then
        install -m 755 "$scratch/file" "$into/${member%=-}"
      else
        tar --extract --gzip --to-stdout --file "$scratch/file" "$member" >"$into/${member##*/}"
        chmod 755 "$into/${member##*/}"
      fi
    done
    rm -f "$scratch/file" "$scratch/hashes"
  done
}
