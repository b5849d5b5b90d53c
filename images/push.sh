#!/usr/bin/env bash
# Pushes built images to a registry and prints, for each, the name by which it is there for good:
# "<registry>/vk8s/vnode@sha256:...", a line an image, in the order of the NAMEs.
#
#   images/push.sh [--build-dir DIR] [--cert-dir DIR] [--authfile FILE] [--plain-http]
#                  [--pull-registry HOST] REGISTRY [NAME...]    as of images/build.sh
#
#   REGISTRY             host[:port][/path], without a scheme
#   --cert-dir DIR       ca.crt, client.cert and client.key for the registry
#   --authfile FILE      credentials, as `buildah login` and `docker login` write them
#   --plain-http         the registry speaks HTTP without TLS
#   --pull-registry HOST what the printed names begin with (default REGISTRY)
#   --build-dir DIR      where the C++ programs are (default build/release)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/image-store.sh"

NAMES=()
REGISTRY=
PULL_REGISTRY=
OPTIONS=()

# Layers go gzipped, so their digests are not the layout's: buildah does that for any registry, with
# --disable-compression too.
push_one() {
  local tag=$1 target=$2 digest_file=$3
  store push --format oci --digestfile "$digest_file" "${OPTIONS[@]}" "$tag" "docker://$target"
}

push() {
  local name=$1 target=$REGISTRY/$2 directory digest
  directory=$("$REPO/images/build.sh" --build-dir "$BUILD_DIR" --print-oci "$name")
  directory=${directory%/oci}
  digest=$(mktemp "$IMAGES/.digest.XXXXXX")
  phase "push $2" "the log's end is the registry's answer; --authfile and --cert-dir say who you are" \
    push_one "$(image_tag "$directory")" "$target" "$digest"
  printf '%s/%s@%s\n' "$PULL_REGISTRY" "${2%:*}" "$(<"$digest")"
  rm -f "$digest"
}

main() {
  local name
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --build-dir) BUILD_DIR=$(realpath -m "${2:?--build-dir needs a DIR}") && shift ;;
      --cert-dir) OPTIONS+=(--cert-dir "${2:?--cert-dir needs a DIR}") && shift ;;
      --authfile) OPTIONS+=(--authfile "${2:?--authfile needs a FILE}") && shift ;;
      --plain-http) OPTIONS+=(--tls-verify=false) ;;
      --pull-registry) PULL_REGISTRY=${2:?--pull-registry needs a HOST} && shift ;;
      -*) die "option $1 is not known" "see images/push.sh --help" ;;
      *) if [[ -z $REGISTRY ]]; then REGISTRY=$1; else NAMES+=("$1"); fi ;;
    esac
    shift
  done
  [[ -n $REGISTRY ]] || die "no REGISTRY is given" "see images/push.sh --help"
  [[ $REGISTRY != *://* ]] || die "REGISTRY $REGISTRY has a scheme" "write ${REGISTRY#*://}; --plain-http is for http"
  if [[ -z $PULL_REGISTRY ]]; then PULL_REGISTRY=$REGISTRY; fi
  if ((${#NAMES[@]} == 0)); then NAMES=(vnode controller registry busybox); fi
  choose_store
  for name in "${NAMES[@]}"; do
    push "$name" "$("$REPO/images/build.sh" --print-name "$name")"
  done
}

main "$@"
