#!/usr/bin/env bash
# Brings an add-on's images to a registry, renders its manifests as src/addons installs them into the
# cache, and prints the folder: a folder for each component, addon.json and images.lock.json, which says
# what image of the registry stands for which of upstream's.
#
#   addons/build.sh NAME [OPTION...] REGISTRY     options and REGISTRY as of images/push.sh
#   addons/build.sh NAME=FOLDER ...               prints FOLDER, which addons/prepare.sh has made
#   addons/build.sh --list                        the NAMEs
#   addons/build.sh --print-images NAME           its images, as images/build.sh calls them
#
# The manifests are upstream's own, out of the Go modules that upstream/ pins: NAME/components says of
# which, NAME/COMPONENT has our changes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

SETS=$CACHE/addons

list() {
  local file
  for file in "$REPO"/addons/*/components; do basename "$(dirname "$file")"; done
}

# lines_of KEY: what NAME/components says of it, a line each.
lines_of() { sed -n "s/^$1 //p" "$REPO/addons/$NAME/components"; }

images_of() { lines_of image | cut -d ' ' -f 1; }

# module_folder PROGRAM MODULE: where the module that it is built from is; go.sum says what is in it.
module_folder() {
  local pins
  pins=$("$REPO/upstream/build.sh" --print-pins "$1")
  cd "$(dirname "$pins")"
  go mod download "$2"
  go list -m -f '{{.Dir}}' "$2"
}

# write_lock FILE PUSHED: images.lock.json. Read by src/addons/image_lock.h. PUSHED is what images/push.sh
# printed: only a registry's answer tells the digest that the image has there.
write_lock() {
  local ours published name digest separator='{"images": {'
  while read -r ours published _; do
    name=$("$REPO/images/build.sh" --print-name "$ours")
    digest=$(sed -n "s|.*/${name%:*}@\(sha256:[0-9a-f]\{64\}\)\$|\1|p" "$2")
    [[ $digest ]] || die "images/push.sh printed no digest of $name" "see its log in $LOGS"
    printf '%s\n  "%s:%s": {"repository": "%s", "digest": "%s"}' "$separator" "$published" \
      "${name##*:}" "${name%:*}" "$digest"
    separator=,
  done < <(lines_of image) >"$1"
  printf '\n}}\n' >>"$1"
}

# kustomize_images: the names and versions under which the images are published.
kustomize_images() {
  local ours published used name
  printf 'images:\n'
  while read -r ours published used; do
    name=$("$REPO/images/build.sh" --print-name "$ours")
    printf -- '- {name: %s, newName: %s, newTag: %s}\n' "${used:-$published}" "$published" "${name##*:}"
  done < <(lines_of image)
}

# render_component SCRATCH INTO COMPONENT PROGRAM MODULE FOLDER
render_component() {
  local scratch=$1/$3 into=$2/$3 source
  source=$(module_folder "$4" "$5")
  [[ -d $source/$6 ]] || die "module $5 has no folder $6" "its version is not one this knows"
  cp -r "$REPO/addons/$NAME/$3" "$scratch"
  # Kustomize takes nothing from outside of the folder; the module cache is read-only.
  cp -r --no-preserve=mode "$source/$6" "$scratch/upstream"
  kustomize_images >>"$scratch/kustomization.yaml"
  mkdir "$into"
  "$KUBECTL" kustomize "$scratch" >"$into/manifests.yaml"
}

# render INTO LOCK
render() {
  local into=$1 lock=$2 partial component program module folder version=
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$SETS/.$NAME.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  mkdir "$partial/scratch" "$partial/set"
  while read -r component program module folder; do
    render_component "$partial/scratch" "$partial/set" "$component" "$program" "$module" "$folder"
    version=${version:-$("$REPO/upstream/build.sh" --print-version "$program")}
  done < <(lines_of component)
  printf '{"version": "%s", "kubernetes": {"min": "%s"}}\n' "$version" "$(lines_of kubernetes)" \
    >"$partial/set/addon.json"
  cp "$lock" "$partial/set/images.lock.json"
  mv -T "$partial/set" "$into"
  rm -rf -- "$partial"
  trap - EXIT
}

# set_hash LOCK
set_hash() {
  local program pins=()
  while read -r _ program _; do
    pins+=("$(realpath --relative-to="$REPO/addons" "$("$REPO/upstream/build.sh" --print-pins "$program")")")
  done < <(lines_of component)
  cd "$REPO/addons"
  hash_of build.sh "$NAME/components" "$NAME"/*/kustomization.yaml "${pins[@]}" "$KUBECTL" "$(<"$1")"
}

build() {
  local into images scratch
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$scratch'" EXIT
  mapfile -t images < <(images_of)
  "$REPO/images/build.sh" "${images[@]}"
  "$REPO/images/push.sh" "$@" "${images[@]}" >"$scratch/pushed"
  write_lock "$scratch/lock" "$scratch/pushed"
  "$REPO/upstream/build.sh" kubernetes
  KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
  into=$SETS/$NAME-$(set_hash "$scratch/lock")
  mkdir -p "$SETS"
  if [[ -d $into ]]; then
    touch "$into"
  else
    phase "manifests of the add-on $NAME" "the log's end is kustomize's or Go's answer" \
      with_lock "$SETS/.$NAME.lock" render "$into" "$scratch/lock"
    forget_old "$SETS/$NAME" 3
  fi
  printf '%s\n' "$into"
}

# check_set NAME FOLDER
check_set() {
  [[ $1 =~ ^[a-z0-9]([a-z0-9-]*[a-z0-9])?$ ]] ||
    die "'$1' is no name of an add-on" "use small letters, digits and -"
  [[ -f $2/addon.json && -f $2/images.lock.json ]] ||
    die "$2 has no addon.json and images.lock.json" "give the folder that addons/prepare.sh printed"
}

# choose NAME: sets NAME.
choose() {
  [[ $1 =~ ^[a-z0-9-]+$ && -f $REPO/addons/$1/components ]] ||
    die "'$1' is no add-on" "use one of: $(list | xargs); or NAME=FOLDER, with a folder of addons/prepare.sh"
  NAME=$1
}

main() {
  case ${1:-} in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
    --list) list && return ;;
    --print-images) choose "${2:-}" && images_of && return ;;
    *=*) check_set "${1%%=*}" "${1#*=}" && realpath "${1#*=}" && return ;;
  esac
  choose "${1:-}"
  shift
  (($#)) || die "no REGISTRY is given" "see addons/build.sh --help"
  build "$@"
}

main "$@"
