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

# debian_root PACKAGES FILE: a Debian with these packages and without what only installing needs, as a
# tar file.
debian_root() {
  # shellcheck disable=SC2016  # mmdebstrap's shell expands $1
  # The pin: init-system-helpers would have usrmerge and with it all of Perl.
  SOURCE_DATE_EPOCH=0 nice mmdebstrap --mode=root --variant=essential --include="$1" \
    --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
    --setup-hook='printf "Package: usrmerge\nPin: release *\nPin-Priority: -1\n" \
      >"$1/etc/apt/preferences.d/no-usrmerge"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="'$REPO/images/base/slim.sh' \"\$1\" '$REPO/images/base/not-needed'" \
    bookworm "$2"
}
