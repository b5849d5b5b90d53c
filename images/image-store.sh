# shellcheck shell=bash
# The store of built images that build.sh and push.sh share. Source it after `set -euo pipefail`.
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

BUILD_DIR=$REPO/build/release
IMAGES=$CACHE/images
export BUILDAH_ISOLATION=chroot BUILD_DIR

# The image store is the cache's own; overlay where the file system can, else plain copies.
store() {
  local driver=vfs
  [[ -e $IMAGES/storage/overlay || ! -e $IMAGES/storage/vfs ]] && driver=overlay
  buildah --root "$IMAGES/storage" --runroot "$IMAGES/storage-run" --storage-driver "$driver" "$@"
}

choose_store() {
  mkdir -p "$IMAGES"
  if [[ ! -e $IMAGES/storage ]] && ! store images -q; then
    rm -rf "$IMAGES/storage"
    mkdir -p "$IMAGES/storage/vfs"
  fi
}

# image_tag CACHE_ENTRY: the name in the store of the image of cache entry .../NAME-HASH.
image_tag() {
  local entry=${1##*/}
  printf 'localhost/vk8s/%s:%s' "${entry%-*}" "${entry##*-}"
}
