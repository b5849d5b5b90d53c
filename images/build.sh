#!/usr/bin/env bash
# Builds the images without a daemon, into the cache, one entry per image and content hash: an OCI
# layout, and for those that the embedded host runs (vnode, registry) the unpacked root file system.
#
#   images/build.sh [--build-dir DIR] [--refresh] [NAME...]   all, or vnode controller registry busybox;
#                                                             vnode-1.36: a node of that Kubernetes
#   images/build.sh tensorflow inference jobset ...           only when they are named: of add-ons and
#                                                             of examples
#   images/build.sh [--build-dir DIR] --print-dir NAME        NAME's unpacked root file system
#   images/build.sh [--build-dir DIR] --print-oci NAME        NAME's OCI layout
#   images/build.sh --print-name NAME                         its name, as in vk8s/vnode:v1.37.2
#
# The C++ programs come from DIR/bin (default build/release, built if a program is not there);
# --refresh makes the common base anew, with Debian's latest updates.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/image-store.sh"
. "$REPO/scripts/python.sh"

NAMES=(vnode controller registry busybox)
# Each is the upstream program of that name and nothing else.
PROGRAMS=(kubeflow-trainer jobset training-operator metrics-server local-path-provisioner)
OPTIONAL=("${PROGRAMS[@]}" tensorflow inference)
SUITE=bookworm
# libstdc++ and libgomp are TensorFlow's and scikit-learn's; the rest of what they need comes with them.
PYTHON_PACKAGES=python3,ca-certificates,libstdc++6,libgomp1

# --- common base ---------------------------------------------------------------------------------

base_directory() {
  printf '%s' "$IMAGES/base-$(cd "$REPO/images/base" &&
    hash_of Dockerfile packages not-needed slim.sh "$SUITE" "$(dpkg --print-architecture)" \
      "$(declare -f build_base)")"
}

build_base() {
  local into=$1 partial packages
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$IMAGES/.base.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  packages=$(sed 's/#.*//' "$REPO/images/base/packages" | xargs | tr ' ' ,)
  # shellcheck disable=SC2016  # mmdebstrap's shell expands $1
  # The pin: init-system-helpers would have usrmerge and with it all of Perl.
  SOURCE_DATE_EPOCH=0 mmdebstrap --mode=root --variant=essential --include="$packages" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --setup-hook='printf "Package: usrmerge\nPin: release *\nPin-Priority: -1\n" \
      >"$1/etc/apt/preferences.d/no-usrmerge"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/lib/*/gconv/*' --dpkgopt='path-exclude=/usr/share/bash-completion/*' \
    --customize-hook="'$REPO/images/base/slim.sh' \"\$1\" '$REPO/images/base/not-needed'" \
    "$SUITE" "$partial/base.tar"
  cp "$REPO/images/base/Dockerfile" "$partial/"
  store bud --timestamp 0 -t "$(image_tag "$into")" "$partial"
  rm "$partial/base.tar"
  mv -T "$partial" "$into"
  trap - EXIT
  forget_old "$IMAGES/base" 2
}

ensure_base() {
  local into
  into=$(base_directory)
  if [[ -d $into ]] && store inspect --type image "$(image_tag "$into")" >/dev/null 2>&1; then
    return
  fi
  rm -rf "$into"
  phase "image base (Debian $SUITE)" \
    "packages come from Debian's archive: check that 'apt-get update' works here" \
    with_lock "$IMAGES/.base.lock" build_base "$into"
}

# --- what goes into each image -------------------------------------------------------------------

# kind_of NAME: the folder of its Dockerfile. "vnode-1.36" is a vnode of another Kubernetes.
kind_of() {
  case $1 in
    vnode-*) printf vnode ;;
    *) if is_program "$1"; then printf program; else printf '%s' "$1"; fi ;;
  esac
}

is_program() { [[ " ${PROGRAMS[*]} " == *" $1 "* ]]; }

# programs_of NAME: the C++ programs in its image.
programs_of() {
  case $(kind_of "$1") in
    vnode) printf '%s\n' vk8s-agent vk8s-ipam pause ;;
    controller) printf '%s\n' vk8s-controller vk8s-ip-manager vk8s-ip-node vk8s-ipam ;;
    registry | busybox | program | tensorflow | inference) ;;
    *) die "image '$1' is not known" "use one of: ${NAMES[*]} ${OPTIONAL[*]}" ;;
  esac
}

ensure_programs() {
  local name program missing=()
  for name in "$@"; do
    for program in $(programs_of "$name"); do
      [[ -x $BUILD_DIR/bin/$program ]] || missing+=("$program")
    done
  done
  if ((${#missing[@]})); then
    phase "C++ programs: ${missing[*]}" "the log names the file that does not compile" \
      cmake_build "$BUILD_DIR" release "C++ programs" "${missing[@]}"
  fi
}

# upstream_programs NAME: the upstream programs in it, Kubernetes first.
upstream_programs() {
  case $1 in
    vnode) "$REPO/upstream/build.sh" --list ;;
    vnode-*) "$REPO/upstream/build.sh" --list "${1#vnode-}" ;;
    *) if is_program "$1"; then printf '%s\n' "$1"; fi ;;
  esac
}

upstream_directories() {
  local name
  for name in $(upstream_programs "$1"); do
    "$REPO/upstream/build.sh" --print-dir "$name"
  done
}

# A node image is as its Kubernetes, one of an upstream program as that, those of Python as what they
# run, the others as the project.
version_of() {
  local programs
  case $(kind_of "$1") in
    vnode | program)
      mapfile -t programs < <(upstream_programs "$1")
      "$REPO/upstream/build.sh" --print-version "${programs[0]}"
      ;;
    tensorflow) sed -n 's/^tensorflow-cpu==/v/p' "$REPO/images/tensorflow/requirements.in" ;;
    inference) sed -n 's/^SERVER_VERSION = "\(.*\)"$/v\1/p' "$REPO/examples/inference/inference/app.py" ;;
    *) sed -n 's/^project(.* VERSION \([0-9.]*\).*/v\1/p' "$REPO/CMakeLists.txt" ;;
  esac
}

# busybox goes by the name under which everybody asks for it.
name_of() {
  case $1 in
    busybox) printf 'library/busybox:latest' ;;
    vnode-*) printf 'vk8s/vnode:%s' "$(version_of "$1")" ;;
    *) printf 'vk8s/%s:%s' "$1" "$(version_of "$1")" ;;
  esac
}

# base_of NAME: the cache entry of the image that it is built on.
base_of() {
  if [[ $1 == inference ]]; then image_directory tensorflow; else base_directory; fi
}

# inference_files: the server, and the other example's store, which it reads; without their tests.
inference_files() {
  cd "$REPO/examples"
  find inference/inference -name '*.py' ! -name '*_test.py' ! -name fakes.py ! -name bench.py \
    ! -name client.py | LC_ALL=C sort
  printf '%s\n' federated-learning/federated/{__init__,store}.py
}

# image_directory NAME: its cache entry. The key covers all that goes in.
image_directory() {
  local name=$1 kind inputs=() program
  kind=$(kind_of "$name")
  for program in $(programs_of "$name"); do
    inputs+=("$(sha256sum <"$BUILD_DIR/bin/$program")")
  done
  mapfile -t -O "${#inputs[@]}" inputs < <(upstream_directories "$name")
  if [[ $kind == vnode ]]; then
    inputs+=("$(sha256sum <"$REPO/images/pause.sh")")
  elif [[ $name == registry ]]; then
    inputs+=("$(candidate docker-registry)" "$(sha256sum <"$REPO/images/registry/config.yml")")
  elif [[ $name == busybox ]]; then
    inputs+=("$(candidate busybox-static)")
  elif [[ $name == tensorflow ]]; then
    inputs+=("$(sha256sum <"$REPO/images/tensorflow/requirements.txt")" "$PYTHON_PACKAGES"
      "$(declare -f debian_root install_python | sha256sum)")
  elif [[ $name == inference ]]; then
    inputs+=("$(sha256sum <"$REPO/images/inference/requirements.txt")"
      "$(inference_files | (cd "$REPO/examples" && xargs sha256sum) | sha256sum)"
      "$(declare -f install_python | sha256sum)")
  fi
  cd "$REPO/images/$kind"
  printf '%s' "$IMAGES/$name-$(hash_of Dockerfile "$(name_of "$name")" \
    "$(base_of "$name")" "${inputs[@]##*/}" "$(declare -f "stage_$kind" write_layout)")"
}

# stage_KIND CONTEXT NAME: fills the build context.
stage_vnode() {
  local context=$1 directory
  mkdir -p "$context/upstream/vk8s/bin" "$context/upstream/cni/bin"
  for directory in $(upstream_directories "$2"); do
    case ${directory##*/} in
      cni-plugins-*) cp -Pl "$directory"/* "$context/upstream/cni/bin/" ;;
      *) cp -Pl "$directory"/* "$context/upstream/vk8s/bin/" ;;
    esac
  done
  "$REPO/images/pause.sh" "$BUILD_DIR/bin/pause" "$context/pause.tar"
  strip -o "$context/vk8s-ipam" "$BUILD_DIR/bin/vk8s-ipam"
  strip -o "$context/vk8s-agent" "$BUILD_DIR/bin/vk8s-agent"
}

stage_controller() {
  local program
  for program in $(programs_of controller); do strip -o "$1/$program" "$BUILD_DIR/bin/$program"; done
}

stage_registry() (
  cp "$REPO/images/registry/config.yml" "$1/"
  cd "$1"
  apt-get download docker-registry
  dpkg-deb -x ./*.deb package
  mv package/usr/bin/docker-registry .
)

stage_busybox() (
  cd "$1"
  apt-get download busybox-static
  dpkg-deb -x ./*.deb package
  mkdir -p rootfs/bin rootfs/tmp rootfs/etc rootfs/root
  chmod 1777 rootfs/tmp
  cp package/bin/busybox rootfs/bin/
  for applet in $(package/bin/busybox --list); do
    [[ -e rootfs/bin/$applet ]] || ln -s busybox "rootfs/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' >rootfs/etc/passwd
)

stage_program() {
  local directory
  directory=$(upstream_directories "$2")
  cp -l "$directory"/* "$1/manager"
}

# install_python CONTEXT REQUIREMENTS: what these pin, into CONTEXT/python.
install_python() {
  find_python
  "$PYTHON" -m venv "$1/venv"
  "$1/venv/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: --no-compile --target "$1/python" -r "$2"
  # Programs begin with the path of this build's Python, and RECORD has their hashes: without them the
  # same pins give the same image.
  rm -rf "$1/venv" "$1/python/bin"
  rm -f "$1"/python/*.dist-info/RECORD
  find "$1/python" -name __pycache__ -prune -exec rm -rf {} +
}

stage_tensorflow() {
  debian_root "$PYTHON_PACKAGES" "$1/base.tar"
  install_python "$1" "$REPO/images/tensorflow/requirements.txt"
  # Of no use without a compiler.
  rm -rf "$1/python/tensorflow/include"
}

stage_inference() {
  local file
  install_python "$1" "$REPO/images/inference/requirements.txt"
  inference_files | while IFS= read -r file; do
    install -D -m 644 "$REPO/examples/$file" "$1/app/${file#*/}"
  done
}

# --- building ------------------------------------------------------------------------------------

# unpack TAG DIRECTORY: the image's root file system, with owners and links.
unpack() {
  local container rc=0
  container=$(store from --pull-never "$1")
  { cp -a "$(store mount "$container")" "$2" && chmod 755 "$2"; } || rc=1
  store rm "$container"
  return $rc
}

# write_layout TAG PARTIAL NAME: PARTIAL/oci, layers not compressed: they are read on the same machine.
# (buildah compresses an OCI layout whatever it is told; as "dir" it obeys.)
write_layout() {
  local blobs=$2/oci/blobs/sha256 manifest file
  store push --disable-compression --format oci "$1" "dir:$2/dir"
  mkdir -p "$blobs"
  manifest=$(sha256sum <"$2/dir/manifest.json" | cut -d ' ' -f 1)
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"sha256:%s","size":%d,%s}]}' \
    application/vnd.oci.image.manifest.v1+json "$manifest" "$(stat -c %s "$2/dir/manifest.json")" \
    "\"annotations\":{\"io.containerd.image.name\":\"docker.io/$3\",\"org.opencontainers.image.ref.name\":\"${3##*:}\"}" \
    >"$2/oci/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$2/oci/oci-layout"
  mv "$2/dir/manifest.json" "$blobs/$manifest"
  for file in "$2/dir"/*; do
    if [[ ${file##*/} =~ ^[0-9a-f]{64}$ ]]; then mv "$file" "$blobs/"; fi
  done
  rm -r "$2/dir"
}

# share_files PARTIAL NAME: what other entries or the upstream cache hold already becomes a hard link
# to it. Saves the disk, and the page cache where several versions run.
share_files() {
  local partial=$1 blob pool=$IMAGES/blobs directory file copy
  mkdir -p "$pool"
  for blob in "$partial"/oci/blobs/sha256/*; do
    [[ -e $pool/${blob##*/} ]] || ln "$blob" "$pool/"
    ln -f "$pool/${blob##*/}" "$blob"
  done
  find "$pool" -type f -links 1 -delete
  [[ -d $partial/rootfs/opt ]] || return 0
  for directory in $(upstream_directories "$2"); do
    for file in "$directory"/*; do
      for copy in "$partial"/rootfs/opt/{vk8s,cni}/bin/"${file##*/}"; do
        if [[ -f $copy && ! -L $copy ]] && cmp -s "$file" "$copy"; then ln -f "$file" "$copy"; fi
      done
    done
  done
}

build_image() {
  local name=$1 into=$2 kind partial tag
  if [[ -d $into ]]; then return; fi
  kind=$(kind_of "$name")
  partial=$(mktemp -d "$IMAGES/.$name.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  mkdir "$partial/context"
  "stage_$kind" "$partial/context" "$name"
  tag=$(image_tag "$into")
  store bud --layers --timestamp 0 --pull-never --build-arg "BASE=$(image_tag "$(base_of "$name")")" \
    -f "$REPO/images/$kind/Dockerfile" -t "$tag" "$partial/context"
  write_layout "$tag" "$partial" "$(name_of "$name")"
  if [[ $name == vnode || $name == registry ]]; then unpack "$tag" "$partial/rootfs"; fi
  rm -r "$partial/context"
  share_files "$partial" "$name"
  chmod 755 "$partial"
  mv -T "$partial" "$into"
  trap - EXIT
  forget_old "$IMAGES/$name" 3
  forget_images "$name"
}

# The store keeps no image whose cache entry is gone.
forget_images() {
  local tag
  for tag in $(store images --format '{{.Name}}:{{.Tag}}' | grep "^localhost/vk8s/$1:"); do
    if [[ ! -d $IMAGES/$1-${tag##*:} ]]; then store rmi "$tag"; fi
  done
}

size_of() { du -sm --apparent-size "$1" | cut -f 1; }

ensure_image() {
  local name=$1 into
  into=$(image_directory "$name")
  if [[ -d $into ]]; then
    touch "$into"
  else
    phase "image vk8s/$name" "the log's end says why; 'rm -rf $IMAGES' starts afresh" \
      with_lock "$IMAGES/.build.lock" build_image "$name" "$into"
  fi
  say "$(printf '%-44s %10s' "image $(name_of "$name")" "$(size_of "$into/oci") MiB")"
}

print_part() {
  local name=$1 part=$2 into program
  for program in $(programs_of "$name"); do
    [[ -x $BUILD_DIR/bin/$program ]] ||
      die "no $program in $BUILD_DIR/bin" "run 'images/build.sh $name' first"
  done
  into=$(image_directory "$name")
  [[ -d $into/$part ]] || die "image vk8s/$name has no $part for what is built now" \
    "run 'images/build.sh $name' first (only vnode and registry are unpacked)"
  printf '%s\n' "$into/$part"
}

check_tools() {
  local tool
  for tool in buildah mmdebstrap strip; do
    need "$tool" "run scripts/install-prerequisites.sh"
  done
  [[ $EUID == 0 ]] || die "building images needs root (it writes files of other owners)" \
    "run it with sudo -E"
}

main() {
  local name names=()
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --build-dir) BUILD_DIR=$(realpath -m "${2:?--build-dir needs a DIR}") && shift ;;
      --refresh) rm -rf "$(base_directory)" ;;
      --print-dir) print_part "${2:?--print-dir needs a NAME}" rootfs && return ;;
      --print-oci) print_part "${2:?--print-oci needs a NAME}" oci && return ;;
      --print-name)
        programs_of "${2:?--print-name needs a NAME}" >/dev/null
        name_of "$2" && echo && return
        ;;
      -*) die "option $1 is not known" "see images/build.sh --help" ;;
      *)
        programs_of "$1" >/dev/null
        upstream_programs "$1" >/dev/null
        names+=("$1")
        ;;
    esac
    shift
  done
  if ((${#names[@]} == 0)); then names=("${NAMES[@]}"); fi
  check_tools
  ensure_programs "${names[@]}"
  for name in "${names[@]}"; do upstream_programs "$name"; done | sort -u |
    xargs -r "$REPO/upstream/build.sh"
  choose_store
  ensure_base
  for name in "${names[@]}"; do
    # What it is built on.
    if [[ $name == inference ]]; then ensure_image tensorflow; fi
    ensure_image "$name"
  done
}

main "$@"
