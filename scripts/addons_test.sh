#!/usr/bin/env bash
# Tests what addons/build.sh says of the add-ons, and that what each is made of is known to the scripts
# that build it. Nothing is built.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$REPO/scripts/testing.sh"

cd "$REPO"
FOLDER=$(mktemp -d)
trap 'rm -rf -- "$FOLDER"' EXIT
# Logs of these runs are not those of the user's.
export VK8S_CACHE=$FOLDER/cache

check_names() {
  local names
  names=$(addons/build.sh --list | xargs)
  [[ $names == 'local-path metrics-server training' ]] || wrong "the add-ons are: $names"
  says "'mystery' is no add-on" addons/build.sh mystery r.example:5000
  says "use one of: $names" addons/build.sh
  says "'../addons/training' is no add-on" addons/build.sh ../addons/training r.example:5000
  says 'no REGISTRY is given' addons/build.sh metrics-server
  says "'mystery' is no add-on" addons/build.sh --print-images mystery
}

# check_images NAME: each is one that images/build.sh knows, and what it is published as names no version.
check_images() {
  local ours published
  [[ $(addons/build.sh --print-images "$1") ]] || wrong "$1 has no images"
  while read -r ours published _; do
    images/build.sh --print-name "$ours" >/dev/null || wrong "$1: images/build.sh does not know $ours"
    [[ $published == *.*/* && $published != *:* ]] || wrong "$1: '$published' is not HOST/REPOSITORY"
  done < <(sed -n 's/^image //p' "addons/$1/components")
}

# check_components NAME: each is of a program whose pins name the module, and has changes here.
check_components() {
  local component program module folder pins count=0
  while read -r component program module folder; do
    pins=$(upstream/build.sh --print-pins "$program") || wrong "$1: upstream/build.sh does not know $program"
    grep -qF "$module v" "$pins" || wrong "$1: $pins does not pin $module"
    [[ $folder ]] || wrong "$1: $component has no folder"
    count=$((count + 1))
    grep -q '^- upstream/' "addons/$1/$component/kustomization.yaml" || wrong "$1: $component takes nothing of upstream"
  done < <(sed -n 's/^component //p' "addons/$1/components")
  ((count > 0)) || wrong "$1 has no components"
  grep -qx 'kubernetes 1\.[0-9]*' "addons/$1/components" || wrong "$1 does not say for which Kubernetes it is"
}

check_names
for addon in $(addons/build.sh --list); do
  check_images "$addon"
  check_components "$addon"
done
((FAILED == 0)) || die "the add-ons are wrong in the places above"
