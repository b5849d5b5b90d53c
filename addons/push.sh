#!/usr/bin/env bash
# Puts the manifests of an add-on into a registry, as an OCI artifact, and prints the name by which it
# is there for good: "<registry>/vk8s/addon-training@sha256:...". The controller takes it as --addon.
#
#   addons/push.sh [OPTION...] REGISTRY NAME FOLDER
#
#   REGISTRY             host[:port][/path], where the add-on's images are too
#   NAME FOLDER          the add-on, and what addons/build.sh printed
#   --cert-dir DIR, --authfile FILE, --plain-http, --pull-registry HOST    as of images/push.sh
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

# As src/addons/oci_artifact.h reads it.
ARTIFACT_TYPE=application/vnd.vk8s.addon.v1
OPTIONS=()
PULL_REGISTRY=

# add_blob FILE MEDIA-TYPE: moves it into the layout of the current folder; prints its descriptor.
add_blob() {
  local digest size
  digest=$(sha256sum "$1" | cut -d ' ' -f 1)
  size=$(stat -c %s "$1")
  mv "$1" "blobs/sha256/$digest"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$2" "$digest" "$size"
}

# layout FOLDER INTO: the same for the same files.
layout() {
  local layer config manifest
  mkdir -p "$2/blobs/sha256"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX --format=ustar \
    -C "$1" -cf - . | gzip -n9 >"$2/layer"
  cd "$2"
  layer=$(add_blob layer application/vnd.oci.image.layer.v1.tar+gzip)
  printf '{}' >config
  config=$(add_blob config "$ARTIFACT_TYPE")
  printf '{"schemaVersion":2,"mediaType":"%s","artifactType":"%s","config":%s,"layers":[%s]}' \
    application/vnd.oci.image.manifest.v1+json "$ARTIFACT_TYPE" "$config" "$layer" >manifest
  manifest=$(add_blob manifest application/vnd.oci.image.manifest.v1+json)
  printf '{"schemaVersion":2,"manifests":[%s]}' "$manifest" >index.json
  printf '{"imageLayoutVersion":"1.0.0"}' >oci-layout
}

push_layout() {
  skopeo copy --preserve-digests --digestfile "$3" "${OPTIONS[@]}" "oci:$1" "docker://$2"
}

main() {
  local positional=() scratch name version
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --cert-dir) OPTIONS+=(--dest-cert-dir "${2:?--cert-dir needs a DIR}") && shift ;;
      --authfile) OPTIONS+=(--dest-authfile "${2:?--authfile needs a FILE}") && shift ;;
      --plain-http) OPTIONS+=(--dest-tls-verify=false) ;;
      --pull-registry) PULL_REGISTRY=${2:?--pull-registry needs a HOST} && shift ;;
      -*) die "option $1 is not known" "see addons/push.sh --help" ;;
      *) positional+=("$1") ;;
    esac
    shift
  done
  ((${#positional[@]} == 3)) || die "addons/push.sh takes REGISTRY, NAME and FOLDER" "see addons/push.sh --help"
  [[ -f ${positional[2]}/addon.json ]] ||
    die "${positional[2]} has no addon.json" "give the folder that addons/build.sh printed"
  need skopeo "run scripts/install-prerequisites.sh, or install skopeo"
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$scratch'" EXIT
  (layout "$(realpath "${positional[2]}")" "$scratch/layout")
  name=vk8s/addon-${positional[1]}
  version=$(sed -n 's/.*"version": *"\([A-Za-z0-9_.-]*\)".*/\1/p' "${positional[2]}/addon.json")
  phase "push $name" "the log's end is the registry's answer; --authfile and --cert-dir say who you are" \
    push_layout "$scratch/layout" "${positional[0]}/$name:${version:-latest}" "$scratch/digest"
  printf '%s/%s@%s\n' "${PULL_REGISTRY:-${positional[0]}}" "$name" "$(<"$scratch/digest")"
}

main "$@"
