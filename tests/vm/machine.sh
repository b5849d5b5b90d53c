#!/usr/bin/env bash
# Makes the virtual machine's parts, into the cache, and prints their folders:
#
#   tests/vm/machine.sh [--build-dir DIR]
#
#   line 1  kernel: vmlinuz, initrd
#   line 2  disk: disk.img (root file system, images in the registry's store), images (their names)
#
# The kernel is Debian's own package, taken apart: nothing of it is installed on this machine.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../images/image-store.sh"

HERE=$REPO/tests/vm
MACHINES=$CACHE/vm
KERNEL_PACKAGE=linux-image-cloud-amd64
# In this order of need; what they depend on comes before them.
DISK_MODULES=(virtio_pci virtio_blk)
DISK_SIZE=8G
# Where the embedded host's registry will be read (src/host: host_plan.cc).
REGISTRY=198.18.0.2:5000

# --- kernel --------------------------------------------------------------------------------------

candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" {print $2}'; }

# The package that the one without a version in its name stands for.
kernel_package() {
  apt-cache depends "$KERNEL_PACKAGE" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ {print $2; exit}'
}

kernel_directory() {
  printf '%s' "$MACHINES/kernel-$(cd "$HERE" && hash_of initramfs-init.sh "$(kernel_package)" \
    "$(candidate "$(kernel_package)")" "$(candidate busybox-static)" "${DISK_MODULES[*]}" \
    "$(declare -f build_kernel make_initrd load_order)")"
}

# load_order MODULES_DEP NAME...: the modules' files, each after what it depends on.
load_order() {
  local file=$1 name
  shift
  for name in "$@"; do
    awk -F '[: ]+' -v module="/$name.ko" \
      'index($1, module) {for (i = NF; i >= 1; i--) if ($i != "") print $i}' "$file"
  done | awk '!seen[$0]++'
}

# make_initrd TREE MODULES INTO: busybox, the modules and the first program.
make_initrd() {
  local tree=$1 modules=$2 into=$3 path
  mkdir -p "$tree"/{bin,dev,proc,sys,disk,modules}
  cp "$into/bin/busybox" "$tree/bin/"
  install -m 755 "$HERE/initramfs-init.sh" "$tree/init"
  load_order "$modules/modules.dep" "${DISK_MODULES[@]}" | while IFS= read -r path; do
    cp "$modules/$path" "$tree/modules/"
    printf '%s\n' "${path##*/}" >>"$tree/modules/order"
  done
  (cd "$tree" && find . | cpio --quiet -o -H newc | gzip -1) >"$into/initrd"
}

build_kernel() {
  local into=$1 package partial version
  if [[ -d $into ]]; then return; fi
  package=$(kernel_package)
  partial=$(mktemp -d "$MACHINES/.kernel.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  cd "$partial"
  apt-get download "$package" busybox-static
  for file in ./*.deb; do dpkg-deb -x "$file" package; done
  rm ./*.deb
  version=${package#linux-image-}
  mkdir bin
  mv package/bin/busybox bin/
  bin/busybox depmod -b "$partial/package" "$version"
  mv "package/boot/vmlinuz-$version" vmlinuz
  make_initrd "$partial/initramfs" "$partial/package/lib/modules/$version" "$partial"
  mv package/lib/modules modules
  rm -r package initramfs
  chmod 755 "$partial"
  mv -T "$partial" "$into"
  trap - EXIT
  forget_old "$MACHINES/kernel" 2
}

# --- images --------------------------------------------------------------------------------------

declare -A IMAGE_ENTRIES

find_images() {
  local name oci
  for name in vnode registry controller busybox; do
    oci=$("$REPO/images/build.sh" --build-dir "$BUILD_DIR" --print-oci "$name")
    IMAGE_ENTRIES[$name]=${oci%/oci}
  done
}

# image NAME: its cache entry, with rootfs and oci.
image() { printf '%s' "${IMAGE_ENTRIES[$1]}"; }

# --- images in the registry's store --------------------------------------------------------------

# start_registry STORE CONFIG LOG: on loopback, at a free port. Sets REGISTRY_PID and PORT.
start_registry() {
  local store=$1 config=$2 log=$3
  cat >"$config" <<EOF
version: 0.1
log: {level: info}
storage: {filesystem: {rootdirectory: $store}}
http: {addr: "127.0.0.1:0"}
EOF
  : >"$log"
  "$(image registry)/rootfs/usr/bin/docker-registry" serve "$config" >"$log" 2>&1 &
  REGISTRY_PID=$!
  for _ in {1..100}; do
    PORT=$(sed -n 's/.*listening on 127\.0\.0\.1:\([0-9]*\).*/\1/p' "$log")
    if [[ -n $PORT ]]; then return; fi
    sleep 0.1
  done
  die "the registry does not start on loopback" "$log says why"
}

stop_registry() {
  if [[ -z ${REGISTRY_PID:-} ]]; then return; fi
  kill "$REGISTRY_PID"
  wait "$REGISTRY_PID" || true
  REGISTRY_PID=
}

# fill_store STORE PARTIAL: the images as the embedded host's registry keeps them, and their names.
fill_store() {
  local store=$1 partial=$2
  mkdir -p "$store"
  start_registry "$store" "$partial/registry.yml" "$partial/registry.log"
  "$REPO/images/push.sh" --build-dir "$BUILD_DIR" --plain-http --pull-registry "$REGISTRY" \
    "127.0.0.1:$PORT" controller vnode busybox >"$partial/images"
  stop_registry
}

# --- disk ----------------------------------------------------------------------------------------

disk_directory() {
  local kernel=$1
  printf '%s' "$MACHINES/disk-$(cd "$HERE" && hash_of machine-init.sh "${kernel##*/}" \
    "${IMAGE_ENTRIES[@]##*/}" "$REGISTRY" "$DISK_SIZE" \
    "$(declare -f build_disk stage_disk fill_store)")"
}

# The machine's own root is a node's root file system with busybox beside it; the files of both are
# links to the cache's, never written to.
stage_disk() {
  local kernel=$1 tree=$2 applet
  mkdir -p "$tree/srv"
  cp -al "$(image vnode)/rootfs/." "$tree/"
  cp -al "$(image vnode)/rootfs" "$tree/srv/vnode"
  cp -al "$(image registry)/rootfs" "$tree/srv/registry"
  cp -al "$kernel/modules" "$tree/usr/lib/modules"
  cp -l "$kernel/bin/busybox" "$tree/usr/bin/busybox"
  for applet in $("$kernel/bin/busybox" --list); do
    if [[ ! -e $tree/usr/bin/$applet && ! -e $tree/usr/sbin/$applet ]]; then
      ln -sf busybox "$tree/usr/bin/$applet"
    fi
  done
  ln -sf ../bin/busybox "$tree/usr/sbin/modprobe"
  ln -s /opt/vk8s/bin/kubectl "$tree/usr/local/bin/kubectl"
  install -m 755 "$HERE/machine-init.sh" "$tree/usr/local/sbin/machine-init"
}

build_disk() {
  local kernel=$1 into=$2 partial
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$MACHINES/.disk.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "stop_registry; rm -rf -- '$partial'" EXIT
  mkdir "$partial/tree"
  stage_disk "$kernel" "$partial/tree"
  fill_store "$partial/tree/var/lib/vk8s-host/registry/volume" "$partial"
  truncate -s "$DISK_SIZE" "$partial/disk.img"
  mke2fs -q -t ext4 -L machine -d "$partial/tree" "$partial/disk.img"
  rm -r "$partial/tree" "$partial/registry.yml" "$partial/registry.log"
  chmod 755 "$partial"
  mv -T "$partial" "$into"
  trap - EXIT
  forget_old "$MACHINES/disk" 1
}

main() {
  local kernel disk
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --build-dir) BUILD_DIR=$(realpath -m "${2:?--build-dir needs a DIR}") && shift ;;
      *) die "tests/vm/machine.sh: '$1' is not an option" "see tests/vm/machine.sh --help" ;;
    esac
    shift
  done
  for tool in cpio mke2fs; do
    need "$tool" "run scripts/install-prerequisites.sh --with vm"
  done
  mkdir -p "$MACHINES"
  choose_store
  find_images
  kernel=$(kernel_directory)
  if [[ ! -d $kernel ]]; then
    phase "machine: kernel" "packages come from Debian's archive: check that 'apt-get update' works" \
      with_lock "$MACHINES/.lock" build_kernel "$kernel"
  fi
  disk=$(disk_directory "$kernel")
  if [[ ! -d $disk ]]; then
    phase "machine: disk" "the log's end says why; 'rm -rf $MACHINES' starts afresh" \
      with_lock "$MACHINES/.lock" build_disk "$kernel" "$disk"
  fi
  touch "$kernel" "$disk"
  printf '%s\n' "$kernel" "$disk"
}

main "$@"
