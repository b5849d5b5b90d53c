#!/usr/bin/env bash
# Makes an add-on of manifests that somebody else publishes, with images of theirs: renders them into the
# cache, asks the registry for each image that they name, and prints the folder, for --addon NAME=FOLDER
# of install.sh and quickstart.sh. Names every image that the registry lacks and then makes no add-on.
#
#   addons/prepare.sh [OPTION...] NAME MANIFESTS REGISTRY
#
#   NAME             full (Kubeflow's distribution), or any other with --info
#   MANIFESTS        a folder with a kustomization.yaml, or a file .yaml or .yaml.gz that is rendered
#   REGISTRY         host[:port][/path]; image ghcr.io/a/b:c is looked for as REGISTRY/ghcr.io/a/b:c,
#                    then as REGISTRY/a/b:c
#   --mirror         copy what it lacks from where it is published
#   --version V      of the manifests, where it is not the one of the add-on's addon.json
#   --kubernetes V   the oldest Kubernetes that they are for, where that is another too
#   --info FILE      addon.json of the add-on (default addons/NAME/addon.json)
#   --cert-dir DIR   ca.crt, client.cert and client.key for the registry
#   --authfile FILE  credentials for the registry and, with --mirror, for the others
#   --plain-http     the registry speaks HTTP without TLS
#   --build-dir DIR  where the C++ programs are (default build/release)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"
. "$REPO/scripts/cluster.sh"
. "$REPO/scripts/registry.sh"

SETS=$CACHE/addons
BUILD_DIR=$REPO/build/release
NAME=
MANIFESTS=
INFO=
VERSION=
KUBERNETES=
MIRROR=
COPY_OPTIONS=()
SCRATCH=

parse_arguments() {
  local positional=()
  while (($#)); do
    case $1 in
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit 0
        ;;
      --mirror) MIRROR=yes ;;
      --version) VERSION=${2:?--version needs a VERSION} && shift ;;
      --kubernetes) KUBERNETES=${2:?--kubernetes needs a VERSION} && shift ;;
      --info) INFO=${2:?--info needs a FILE} && shift ;;
      --cert-dir) CERT_DIR=${2:?--cert-dir needs a DIR} && shift ;;
      --authfile) AUTHFILE=${2:?--authfile needs a FILE} && shift ;;
      --plain-http) PLAIN_HTTP=yes ;;
      --build-dir) BUILD_DIR=$(realpath -m "${2:?--build-dir needs a DIR}") && shift ;;
      -*) die "option $1 is not known" "see addons/prepare.sh --help" ;;
      *) positional+=("$1") ;;
    esac
    shift
  done
  ((${#positional[@]} == 3)) ||
    die "addons/prepare.sh takes NAME, MANIFESTS and REGISTRY" "see addons/prepare.sh --help"
  NAME=${positional[0]} MANIFESTS=${positional[1]} REGISTRY=${positional[2]}
}

check_arguments() {
  [[ $NAME =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] ||
    die "'$NAME' is no name of an add-on" "use small letters, digits and -"
  INFO=${INFO:-$REPO/addons/$NAME/addon.json}
  [[ -f $INFO ]] || die "there is no $INFO" "give one with --info, such as {\"version\": \"1.0\"}"
  [[ -z $VERSION || $VERSION =~ ^[A-Za-z0-9._-]{1,63}$ ]] ||
    die "--version '$VERSION' is no version" "write one such as 26.03"
  [[ -z $KUBERNETES || $KUBERNETES =~ ^1\.[0-9]{1,3}$ ]] ||
    die "--kubernetes '$KUBERNETES' is no minor version" "write one such as 1.31"
  [[ -z $VERSION ]] || grep -q '"version": *"' "$INFO" ||
    die "$INFO has no \"version\": --version would be lost" "add it there"
  [[ -z $KUBERNETES ]] || grep -q '"min": *"' "$INFO" ||
    die "$INFO has no \"min\": --kubernetes would be lost" "add it there"
  [[ -f $MANIFESTS || -f $MANIFESTS/kustomization.yaml ]] ||
    die "$MANIFESTS is neither a file nor a folder with a kustomization.yaml" \
      "of a copy of Kubeflow's distribution give the folder example"
  [[ -x $BUILD_DIR/bin/vk8s-controller ]] ||
    die "$BUILD_DIR/bin/vk8s-controller is not there" "run images/build.sh controller, or give --build-dir"
  check_registry_options
  if [[ -n $PLAIN_HTTP ]]; then COPY_OPTIONS+=(--dest-tls-verify=false); fi
  if [[ -n $CERT_DIR ]]; then COPY_OPTIONS+=(--dest-cert-dir "$CERT_DIR"); fi
  if [[ -n $AUTHFILE ]]; then COPY_OPTIONS+=(--authfile "$AUTHFILE"); fi
}

# render INTO
render() {
  case $MANIFESTS in
    *.gz) gunzip -c "$MANIFESTS" >"$1" ;;
    *)
      if [[ -f $MANIFESTS ]]; then
        cp "$MANIFESTS" "$1"
      else
        "$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl" kustomize "$MANIFESTS" >"$1"
      fi
      ;;
  esac
}

# The set without its lock; and what images it names, as src/controller/addon_command.h says.
read_manifests() {
  mkdir -p "$SCRATCH/set"
  render "$SCRATCH/set/manifests.yaml"
  cp "$INFO" "$SCRATCH/set/addon.json"
  if [[ $VERSION ]]; then replace version "$VERSION"; fi
  if [[ $KUBERNETES ]]; then replace min "$KUBERNETES"; fi
  "$BUILD_DIR/bin/vk8s-controller" addon-images "$SCRATCH/set" >"$SCRATCH/images"
}

# replace KEY VALUE: in addon.json.
replace() { sed -i "s/\(\"$1\": *\)\"[^\"]*\"/\1\"$2\"/" "$SCRATCH/set/addon.json"; }

# split IMAGE: sets REPOSITORY (with its host) and SUFFIX (":tag" or "@sha256:...": that says more).
split() {
  local name=${1%%@*}
  SUFFIX=${name##*/}
  SUFFIX=:${SUFFIX#*:}
  REPOSITORY=${name%"$SUFFIX"}
  if [[ $1 == *@* ]]; then SUFFIX=@${1#*@}; fi
}

# find_image IMAGE: prints "REPOSITORY DIGEST" in the registry; nothing where it is not there.
find_image() {
  local repository digest words=$SCRATCH/words
  split "$1"
  for repository in "$REPOSITORY" "${REPOSITORY#*/}"; do
    if digest=$(skopeo inspect --no-tags --format '{{.Digest}}' "${LOOK_OPTIONS[@]}" \
      "docker://$REGISTRY/$repository$SUFFIX" 2>"$words"); then
      printf '%s %s\n' "$repository" "$digest"
      return
    fi
    is_absence "$(<"$words")" || { cat "$words" >&2 && return 1; }
  done
}

# copy_command IMAGE: sets COPY. What is named by a digest has it here too: all platforms are copied then.
copy_command() {
  COPY=(skopeo copy)
  split "$1"
  if [[ $SUFFIX == @* ]]; then COPY+=(--all --preserve-digests); fi
  COPY+=("${COPY_OPTIONS[@]}" "docker://$REPOSITORY$SUFFIX" "docker://$REGISTRY/$REPOSITORY$SUFFIX")
}

# look_for_images: writes "IMAGE REPOSITORY DIGEST" of each that is there into found, and the lines of
# the others into lacking.
look_for_images() {
  local word image object place count=0 total
  total=$(wc -l <"$SCRATCH/images")
  : >"$SCRATCH/found"
  : >"$SCRATCH/lacking"
  while read -r word image object; do
    count=$((count + 1))
    progress "images: $count of $total"
    place=$(find_image "$image") || return 1
    if [[ $place ]]; then
      printf '%s %s\n' "$image" "$place" >>"$SCRATCH/found"
    else
      printf '%s %s %s\n' "$word" "$image" "$object" >>"$SCRATCH/lacking"
    fi
  done <"$SCRATCH/images"
}

# What only looks like an image may be none.
copy_images() {
  local word image count=0 total
  total=$(wc -l <"$SCRATCH/lacking")
  while read -r word image _; do
    count=$((count + 1))
    progress "copy $count of $total: $image"
    copy_command "$image"
    "${COPY[@]}" </dev/null || [[ $word == maybe ]]
  done <"$SCRATCH/lacking"
}

# Only what a container runs is needed: the rest may be no image at all.
check_lacking() {
  local word image object commands=$LOGS/addon-$NAME-copy.sh needed=0
  : >"$commands"
  while read -r word image object; do
    copy_command "$image"
    printf '%s\n' "${COPY[*]@Q}" >>"$commands"
    if [[ $word == image ]]; then
      needed=$((needed + 1))
      say "  not in $REGISTRY: $image ($object)"
    else
      say "  not in $REGISTRY, and perhaps no image: $image ($object)"
    fi
  done <"$SCRATCH/lacking"
  ((needed == 0)) || die "$needed of $(grep -c '^image ' "$SCRATCH/images") images are not in $REGISTRY" \
    "--mirror copies them; $commands has the commands, for a machine that can"
}

write_lock() {
  local image repository digest separator=
  printf '{"images": {'
  while read -r image repository digest; do
    printf '%s\n  "%s": {"repository": "%s", "digest": "%s"}' "$separator" "$image" "$repository" "$digest"
    separator=,
  done <"$SCRATCH/found"
  printf '\n}}\n'
}

keep_set() {
  local into
  into=$SETS/$NAME-$(cd "$SCRATCH/set" && hash_of manifests.yaml addon.json images.lock.json)
  mkdir -p "$SETS"
  if [[ -d $into ]]; then touch "$into"; else mv -T "$SCRATCH/set" "$into"; fi
  forget_old "$SETS/$NAME" 3
  printf '%s\n' "$into"
}

main() {
  parse_arguments "$@"
  check_arguments
  mkdir -p "$SETS" "$LOGS"
  SCRATCH=$(mktemp -d "$SETS/.$NAME.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$SCRATCH'" EXIT
  if [[ -d $MANIFESTS ]]; then "$REPO/upstream/build.sh" kubernetes; fi
  phase "manifests of $NAME" "the log's end is the answer of kustomize, or of the controller" read_manifests
  phase "images in $REGISTRY" "the log's end is the registry's answer; --authfile and --cert-dir say who you are" \
    look_for_images
  if [[ -n $MIRROR && -s $SCRATCH/lacking ]]; then
    phase "copy $(wc -l <"$SCRATCH/lacking") images" "the log's end is a registry's answer; run it again, it goes on" \
      copy_images
    phase "images in $REGISTRY, again" "the log's end is the registry's answer" look_for_images
  fi
  check_lacking
  write_lock >"$SCRATCH/set/images.lock.json"
  keep_set
}

main "$@"
