#!/usr/bin/env bash
# Writes the image vk8s/pause:1 as an archive that is an OCI layout and a Docker archive at once,
# without a daemon; the same program gives the same bytes.
#
#   images/pause.sh PROGRAM ARCHIVE
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

NAME=vk8s/pause:1
EPOCH=1970-01-01T00:00:00Z

# reproducible_tar FILE DIRECTORY MEMBER...
reproducible_tar() {
  local file=$1 directory=$2
  shift 2
  tar --sort=name --mtime="$EPOCH" --owner=0 --group=0 --numeric-owner --format=ustar \
    -C "$directory" -cf "$file" -- "$@"
}

digest_of() { sha256sum <"$1" | cut -d ' ' -f 1; }

# add_blob LAYOUT FILE: moves FILE into the layout, prints its digest.
add_blob() {
  local digest
  digest=$(digest_of "$2")
  mv "$2" "$1/blobs/sha256/$digest"
  printf '%s' "$digest"
}

# descriptor TYPE SIZE DIGEST [MORE]
descriptor() {
  printf '{"mediaType":"%s","size":%d,"digest":"sha256:%s"%s}' "$1" "$2" "$3" "${4:-}"
}

write_layout() {
  local program=$1 layout=$2 oci=application/vnd.oci.image architecture layer config manifest
  local config_size layer_size manifest_size
  architecture=$(dpkg --print-architecture 2>/dev/null || echo amd64)
  mkdir -p "$layout/blobs/sha256" "$layout/root"
  install -m 755 "$program" "$layout/root/pause"
  reproducible_tar "$layout/new" "$layout/root" pause
  layer_size=$(stat -c %s "$layout/new")
  layer=$(add_blob "$layout" "$layout/new")
  rm -r "$layout/root"

  printf '{"architecture":"%s","os":"linux","created":"%s",' "$architecture" "$EPOCH" >"$layout/new"
  printf '"config":{"User":"65535:65535","Entrypoint":["/pause"]},' >>"$layout/new"
  printf '"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" >>"$layout/new"
  config_size=$(stat -c %s "$layout/new")
  config=$(add_blob "$layout" "$layout/new")

  printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$oci.manifest.v1+json" \
    "$(descriptor "$oci.config.v1+json" "$config_size" "$config")" \
    "$(descriptor "$oci.layer.v1.tar" "$layer_size" "$layer")" >"$layout/new"
  manifest_size=$(stat -c %s "$layout/new")
  manifest=$(add_blob "$layout" "$layout/new")

  printf '{"schemaVersion":2,"manifests":[%s]}' "$(descriptor "$oci.manifest.v1+json" \
    "$manifest_size" "$manifest" \
    ",\"annotations\":{\"io.containerd.image.name\":\"docker.io/$NAME\",\"org.opencontainers.image.ref.name\":\"1\"}")" \
    >"$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  printf '[{"Config":"blobs/sha256/%s","RepoTags":["%s"],"Layers":["blobs/sha256/%s"]}]' \
    "$config" "$NAME" "$layer" >"$layout/manifest.json"
}

main() {
  (($# == 2)) || die "usage: images/pause.sh PROGRAM ARCHIVE"
  local program=$1 archive=$2 layout
  [[ -x $program ]] || die "no pause program at $program" "build the target 'pause'"
  layout=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$layout'" EXIT
  write_layout "$program" "$layout"
  reproducible_tar "$archive" "$layout" blobs index.json manifest.json oci-layout
}

main "$@"
