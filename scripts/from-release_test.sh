#!/usr/bin/env bash
# Tests upstream/build.sh --from-release against a folder that plays the projects' download hosts:
# small files in the places and archives where they publish theirs. No Go in PATH, no network.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$REPO/scripts/testing.sh"

FOLDER=$(mktemp -d)
trap 'rm -rf -- "$FOLDER"' EXIT
export VK8S_CACHE=$FOLDER/cache VK8S_RELEASE_MIRROR=file://$FOLDER/mirror
case $(uname -m) in x86_64) ARCH=amd64 ;; *) ARCH=arm64 ;; esac

# All of PATH but Go.
mkdir "$FOLDER/bin"
for tool in apt-cache awk basename bash cat chmod cp curl cut dirname dpkg env find flock grep gzip head install \
  ls mkdir mktemp mv nproc printf readlink rm sed sha256sum sha512sum sort tail tar touch tr uname wc xargs; do
  if program=$(type -P "$tool"); then ln -s "$program" "$FOLDER/bin/$tool"; fi
done

build() { env -u VK8S_UI "PATH=$FOLDER/bin" upstream/build.sh --from-release "$@" 2>&1 </dev/null; }
version() { build --print-version "$1"; }

# publish URL FILE: there, with the hash in HASH_FILE as "HASH" or "HASH NAME".
publish() {
  local target=$FOLDER/mirror/${1#https://}
  mkdir -p "${target%/*}"
  cp "$2" "$target"
}
publish_hash() {
  local bits=$1 url=$2 style=$4 target=$FOLDER/mirror/${3#https://} hash
  hash=$("sha${bits}sum" <"$FOLDER/mirror/${url#https://}" | cut -d ' ' -f 1)
  if [[ $style == alone ]]; then printf '%s' "$hash" >"$target"; else
    printf '%064d  another-file\n%s  %s\n' 0 "$hash" "${url##*/}" >"$target"
  fi
}

# archive NAME MEMBER...: a .tar.gz of small programs that say their name.
archive() {
  local out=$1 member root
  shift
  root=$(mktemp -d "$FOLDER/tree.XXXXXX")
  for member in "$@"; do
    mkdir -p "$(dirname "$root/$member")"
    printf '#!/bin/sh\necho %s\n' "${member##*/}" >"$root/$member"
  done
  tar -C "$root" -czf "$out" "$@"
}

publish_all() {
  local v base program
  v=$(version etcd)
  archive "$FOLDER/a" "etcd-$v-linux-$ARCH/etcd" "etcd-$v-linux-$ARCH/etcdctl"
  base=https://github.com/etcd-io/etcd/releases/download/$v
  publish "$base/etcd-$v-linux-$ARCH.tar.gz" "$FOLDER/a"
  publish_hash 256 "$base/etcd-$v-linux-$ARCH.tar.gz" "$base/SHA256SUMS" named
  v=$(version cni-plugins)
  archive "$FOLDER/a" ./bridge ./loopback ./ptp ./host-local ./portmap ./vlan
  base=https://github.com/containernetworking/plugins/releases/download/$v/cni-plugins-linux-$ARCH-$v.tgz
  publish "$base" "$FOLDER/a"
  publish_hash 512 "$base" "$base.sha512" named
  v=$(version kubernetes)
  for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl; do
    base=https://dl.k8s.io/release/$v/bin/linux/$ARCH/$program
    printf '#!/bin/sh\necho %s\n' "$program" >"$FOLDER/a"
    publish "$base" "$FOLDER/a"
    publish_hash 512 "$base" "$base.sha512" alone
  done
  v=$(sed -n 's/^\tgithub.com\/coredns\/coredns \(v[^ ]*\).*/\1/p' upstream/kubernetes/go.mod)
  archive "$FOLDER/a" coredns
  base=https://github.com/coredns/coredns/releases/download/$v/coredns_${v#v}_linux_$ARCH.tgz
  publish "$base" "$FOLDER/a"
  publish_hash 256 "$base" "$base.sha256" named
  v=$(version runc)
  base=https://github.com/opencontainers/runc/releases/download/$v
  printf '#!/bin/sh\necho runc\n' >"$FOLDER/a"
  publish "$base/runc.$ARCH" "$FOLDER/a"
}

# has NAME PROGRAM...: exactly these, each of which runs.
has() {
  local name=$1 directory program
  shift
  directory=$(build --print-dir "$name")
  [[ $(cd "$directory" && printf '%s ' *) == "$(printf '%s\n' "$@" | sort | tr '\n' ' ')" ]] ||
    wrong "$name has $(ls "$directory")"
  for program in "$@"; do
    [[ $("$directory/$program") == "$program" ]] || wrong "$name: $program is something else"
  done
}

# fake_go VERSION: a Go of that version in PATH; none without one.
fake_go() {
  rm -f "$FOLDER/bin/go"
  if (($#)); then
    # shellcheck disable=SC2016  # the script's own argument
    printf '#!/bin/sh\ncase $2 in GOVERSION) echo go%s ;; *) echo %s ;; esac\n' "$1" "$ARCH" >"$FOLDER/bin/go"
    chmod +x "$FOLDER/bin/go"
  fi
}

# Once it was chosen, scripts that were not told find the same programs where Go cannot build them.
keeps_the_choice() {
  local chosen=(env -u VK8S_UI "PATH=$FOLDER/bin" upstream/build.sh) wanted
  wanted=$(build --print-dir etcd)
  [[ $("${chosen[@]}" --print-dir etcd 2>&1) == "$wanted" ]] || wrong "--print-dir has forgotten --from-release"
  [[ $("${chosen[@]}" etcd 2>&1) == *ready* ]] || wrong "a build has forgotten --from-release"
  fake_go 1.19
  [[ $("${chosen[@]}" --print-dir etcd 2>&1) == "$wanted" ]] || wrong "Go 1.19 counts as Go"
  fake_go 1.99.1
  [[ $("${chosen[@]}" --print-dir etcd 2>&1) == "$VK8S_CACHE"/upstream/etcd-* ]] || wrong "Go 1.99 is not taken"
  [[ $("${chosen[@]}" --print-dir etcd 2>&1) != "$wanted" ]] || wrong "where Go can build it, it is not asked"
  fake_go
}

main() {
  local output directory
  cd "$REPO"
  publish_all

  output=$(build etcd cni-plugins kubernetes) || wrong "it fails: $output"
  has etcd etcd
  has cni-plugins bridge loopback ptp host-local portmap
  has kubernetes kube-apiserver kube-controller-manager kube-scheduler kube-proxy kubelet kubectl coredns

  # Ready at once the second time: nothing is fetched.
  mv "$FOLDER/mirror" "$FOLDER/away"
  output=$(build etcd kubernetes) || wrong "what is there is fetched again: $output"
  mv "$FOLDER/away" "$FOLDER/mirror"

  # A hash that is not published, then one that is another file's.
  directory=$(build --print-dir runc)
  if output=$(build runc); then wrong "runc without a published hash is taken"; fi
  [[ $output == *"could not fetch file://"*"runc.sha256sum"* ]] || wrong "the URL is not named: $output"
  local url
  url=https://github.com/opencontainers/runc/releases/download/$(version runc)
  publish_hash 256 "$url/runc.$ARCH" "$url/runc.sha256sum" named
  printf 'more' >>"$FOLDER/mirror/${url#https://}/runc.$ARCH"
  if output=$(build runc); then wrong "runc with another hash is taken"; fi
  [[ $output == *"is damaged or not what was published"* ]] || wrong "it does not say why: $output"
  [[ ! -e $directory ]] || wrong "a refused program is kept"
  compgen -G "$VK8S_CACHE/upstream/.runc.*/programs" >/dev/null && wrong "a refused download is left behind"
  publish_hash 256 "$url/runc.$ARCH" "$url/runc.sha256sum" named
  output=$(build runc) || wrong "it fails: $output"

  # Plain HTTP is no mirror, and without the option Go is asked for.
  if output=$(VK8S_RELEASE_MIRROR=http://127.0.0.1 build containerd); then wrong "HTTP is taken"; fi
  [[ $output == *"begins with neither https:// nor file:///"* ]] || wrong "no word of the mirror: $output"
  if output=$(env -u VK8S_UI "PATH=$FOLDER/bin" "VK8S_CACHE=$FOLDER/another" upstream/build.sh etcd 2>&1); then
    wrong "it builds without Go"
  fi
  [[ $output == *"VK8S_FROM_RELEASE=1"* ]] || wrong "--from-release is not offered: $output"
  keeps_the_choice
  ((FAILED == 0)) || die "from-release_test.sh failed"
  say "from-release_test.sh passed"
}

main "$@"
