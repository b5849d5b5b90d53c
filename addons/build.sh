#!/usr/bin/env bash
# Brings an add-on's images to a registry, renders its manifests as src/addons installs them into the
# cache, and prints the folder: a folder for each component, addon.json and images.lock.json, which says
# what image of the registry stands for which of upstream's.
#
#   addons/build.sh training [OPTION...] REGISTRY     options and REGISTRY as of images/push.sh
#
# The manifests are upstream's own, out of the Go modules that upstream/ pins; NAME/COMPONENT has our
# changes.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

SETS=$CACHE/addons
# Upstream's first: COMPONENT, its MODULE and FOLDER in it, the IMAGE in its manifests and the name under
# which it is published, OURS.
TRAINING=(
  "trainer github.com/kubeflow/trainer/v2 manifests ghcr.io/kubeflow/trainer/trainer-controller-manager ghcr.io/kubeflow/trainer/trainer-controller-manager kubeflow-trainer"
  "jobset sigs.k8s.io/jobset config us-central1-docker.pkg.dev/k8s-staging-images/jobset/jobset registry.k8s.io/jobset/jobset jobset"
  "training-operator github.com/kubeflow/training-operator manifests kubeflow/training-operator docker.io/kubeflow/training-operator training-operator"
)
# Images by their own name, of which containers of jobs are made.
OTHERS=(busybox)
# Trainer is tested from this one on (.github/workflows/test-e2e.yaml of v2.0.0).
MIN_KUBERNETES=1.29

# module_folder OURS MODULE: where the module that it is built from is; go.sum says what is in it.
module_folder() {
  local folder=$REPO/upstream/$1
  if [[ $1 == jobset ]]; then folder=$REPO/upstream/kubeflow-trainer; fi
  cd "$folder"
  go mod download "$2"
  go list -m -f '{{.Dir}}' "$2"
}

# write_lock FILE PUSHED: images.lock.json. Read by src/addons/image_lock.h. PUSHED is what images/push.sh
# printed: only a registry's answer tells the digest that the image has there.
write_lock() {
  local line published ours name digest separator='{"images": {'
  for line in "${TRAINING[@]}" "${OTHERS[@]}"; do
    read -r _ _ _ _ published ours <<<"$line"
    ours=${ours:-$line}
    name=$("$REPO/images/build.sh" --print-name "$ours")
    digest=$(sed -n "s|.*/${name%:*}@\(sha256:[0-9a-f]\{64\}\)\$|\1|p" "$2")
    [[ $digest ]] || die "images/push.sh printed no digest of $name" "see its log in $LOGS"
    printf '%s\n  "%s:%s": {"repository": "%s", "digest": "%s"}' "$separator" \
      "${published:-docker.io/${name%:*}}" "${name##*:}" "${name%:*}" "$digest"
    separator=,
  done >"$1"
  printf '\n}}\n' >>"$1"
}

# render_component LINE SCRATCH INTO
render_component() {
  local component module folder image published ours source version
  read -r component module folder image published ours <<<"$1"
  source=$(module_folder "$ours" "$module")
  version=$("$REPO/upstream/build.sh" --print-version "$ours")
  [[ -d $source/$folder ]] || die "module $module has no folder $folder" "its version is not one this knows"
  cp -r "$REPO/addons/training/$component" "$2/$component"
  # Kustomize takes nothing from outside of the folder; the module cache is read-only.
  cp -r --no-preserve=mode "$source/$folder" "$2/$component/upstream"
  printf 'images: [{name: %s, newName: %s, newTag: %s}]\n' "$image" "$published" "$version" \
    >>"$2/$component/kustomization.yaml"
  mkdir "$3/$component"
  "$KUBECTL" kustomize "$2/$component" >"$3/$component/manifests.yaml"
}

# render INTO LOCK
render() {
  local into=$1 lock=$2 partial line version
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$SETS/.training.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  mkdir "$partial/scratch" "$partial/set"
  for line in "${TRAINING[@]}"; do render_component "$line" "$partial/scratch" "$partial/set"; done
  version=$("$REPO/upstream/build.sh" --print-version kubeflow-trainer)
  printf '{"version": "%s", "kubernetes": {"min": "%s"}}\n' "$version" "$MIN_KUBERNETES" \
    >"$partial/set/addon.json"
  cp "$lock" "$partial/set/images.lock.json"
  mv -T "$partial/set" "$into"
  rm -rf -- "$partial"
  trap - EXIT
}

main() {
  local into images scratch
  case ${1:-} in
    -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
    training) shift ;;
    *) die "'${1:-}' is no add-on" "addons/build.sh training REGISTRY" ;;
  esac
  (($#)) || die "no REGISTRY is given" "see addons/build.sh --help"
  scratch=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$scratch'" EXIT
  mapfile -t images < <(printf '%s\n' "${TRAINING[@]##* }" "${OTHERS[@]}")
  "$REPO/images/build.sh" "${images[@]}"
  "$REPO/images/push.sh" "$@" "${images[@]}" >"$scratch/pushed"
  write_lock "$scratch/lock" "$scratch/pushed"
  "$REPO/upstream/build.sh" kubernetes
  KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
  into=$SETS/training-$(cd "$REPO/addons" && hash_of build.sh training/*/kustomization.yaml \
    ../upstream/kubeflow-trainer/go.mod ../upstream/training-operator/go.mod "$KUBECTL" \
    "$(<"$scratch/lock")")
  mkdir -p "$SETS"
  if [[ -d $into ]]; then
    touch "$into"
  else
    phase "manifests of the add-on training" "the log's end is kustomize's or Go's answer" \
      with_lock "$SETS/.training.lock" render "$into" "$scratch/lock"
    forget_old "$SETS/training" 3
  fi
  printf '%s\n' "$into"
}

main "$@"
