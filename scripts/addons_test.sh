#!/usr/bin/env bash
# Tests what addons/build.sh says of the add-ons, that what each is made of is known to the scripts that
# build it, and addons/prepare.sh with a registry that is only played. Nothing is built.
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

# play_parts: a registry that has what FAKE_HAS names, and a controller that finds three images.
play_parts() {
  mkdir -p "$FOLDER/bin" "$FOLDER/build/bin"
  cat >"$FOLDER/bin/skopeo" <<'EOF'
#!/usr/bin/env bash
case $1 in
  inspect) case " $FAKE_HAS " in *" ${!##docker://} "*) echo sha256:aa ;; *) echo "$FAKE_WORDS" >&2 && exit 1 ;; esac ;;
  copy) echo "$*" >>"$FAKE_COPIES" && [[ $* != *ghcr.io/e/f* ]] ;;
esac
EOF
  cat >"$FOLDER/build/bin/vk8s-controller" <<'EOF'
#!/usr/bin/env bash
[[ $1 == addon-images ]] && grep -q '^kind: Pod' "$2/manifests.yaml" && grep -q '"version": "26.03"' "$2/addon.json" || exit 1
printf 'image ghcr.io/a/b:v1 Deployment x/a\nmaybe ghcr.io/e/f:v2 ConfigMap x/c\nimage gcr.io/c/d@sha256:bb Deployment x/b\n'
EOF
  chmod +x "$FOLDER/bin/skopeo" "$FOLDER/build/bin/vk8s-controller"
  printf 'kind: Pod\n' | gzip >"$FOLDER/set.yaml.gz"
}

check_prepare() {
  local prepare=(env "PATH=$FOLDER/bin:$PATH" addons/prepare.sh --build-dir "$FOLDER/build") set
  export FAKE_HAS='' FAKE_WORDS='manifest unknown' FAKE_COPIES=$FOLDER/copies
  play_parts
  says 'takes NAME, MANIFESTS and REGISTRY' "${prepare[@]}" full
  says "'Full' is no name of an add-on" "${prepare[@]}" Full "$FOLDER/set.yaml.gz" r.example:5000
  says 'give one with --info' "${prepare[@]}" mystery "$FOLDER/set.yaml.gz" r.example:5000
  says 'is neither a file nor a folder with a kustomization.yaml' "${prepare[@]}" full "$FOLDER" r.example:5000
  says "--kubernetes '31' is no minor version" "${prepare[@]}" --kubernetes 31 full "$FOLDER/set.yaml.gz" r.example:5000
  says "--version '26 03' is no version" "${prepare[@]}" --version '26 03' full "$FOLDER/set.yaml.gz" r.example:5000
  says 'has a scheme' "${prepare[@]}" full "$FOLDER/set.yaml.gz" https://r.example:5000
  says 'images in r.example:5000: exit status 1' env FAKE_WORDS='no route to host' "${prepare[@]}" full "$FOLDER/set.yaml.gz" r.example:5000
  FAKE_HAS='r.example:5000/a/b:v1'
  says 'not in r.example:5000: gcr.io/c/d@sha256:bb (Deployment x/b)' "${prepare[@]}" full "$FOLDER/set.yaml.gz" r.example:5000
  says '1 of 2 images are not in r.example:5000' "${prepare[@]}" full "$FOLDER/set.yaml.gz" r.example:5000
  says 'perhaps no image: ghcr.io/e/f:v2' "${prepare[@]}" --mirror full "$FOLDER/set.yaml.gz" r.example:5000
  grep -qx 'copy --all --preserve-digests docker://gcr.io/c/d@sha256:bb docker://r.example:5000/gcr.io/c/d@sha256:bb' "$FAKE_COPIES" ||
    wrong "what has a digest was not copied by it: $(<"$FAKE_COPIES")"
  FAKE_HAS='r.example:5000/a/b:v1 r.example:5000/gcr.io/c/d@sha256:bb'
  passes "${prepare[@]}" full "$FOLDER/set.yaml.gz" r.example:5000
  set=${OUTPUT##*$'\n'}
  grep -qF '"ghcr.io/a/b:v1": {"repository": "a/b", "digest": "sha256:aa"}' "$set/images.lock.json" ||
    wrong "the lock is wrong: $(<"$set/images.lock.json")"
  ! grep -q 'ghcr.io/e/f' "$set/images.lock.json" || wrong "the lock has an image that is not there"
  passes "${prepare[@]}" --kubernetes 1.31 full "$FOLDER/set.yaml.gz" r.example:5000
  grep -qF '"min": "1.31"' "${OUTPUT##*$'\n'}/addon.json" || wrong "--kubernetes is lost"
  passes addons/build.sh "full=$set" r.example:5000
  [[ $OUTPUT == "$set" ]] || wrong "addons/build.sh does not take the set: $OUTPUT"
  says 'has no addon.json and images.lock.json' addons/build.sh "full=$FOLDER" r.example:5000
}

check_names
check_prepare
for addon in $(addons/build.sh --list); do
  check_images "$addon"
  check_components "$addon"
done
((FAILED == 0)) || die "the add-ons are wrong in the places above"
