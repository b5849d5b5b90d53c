#!/usr/bin/env bash
# Builds the example's image without a daemon and pushes it to a registry; prints the name by which
# pods ask for it: "docker.io/examples/federated-learning@sha256:...". Virtual nodes ask the
# installation's registry first for every image, so it is found there under that name.
#
#   kubernetes/image.sh REGISTRY CERT_DIR     CERT_DIR: ca.crt, client.cert and client.key
#   kubernetes/image.sh --build               without pushing it
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../../../images/image-store.sh"

NAME=examples/federated-learning
# libstdc++ is TensorFlow's; the rest of what it needs comes with it.
PACKAGES=python3,ca-certificates,libstdc++6,libgomp1

image_entry() {
  printf '%s' "$IMAGES/federated-learning-$(cd "$EXAMPLE" &&
    hash_of kubernetes/image/Dockerfile pyproject.toml federated/*.py "$PACKAGES" "${VENV##*/}" \
      "$(basename "$(dirname "$VERSITYGW")")" "$(declare -f build_image stage_python debian_root)")"
}

# stage_python CONTEXT: the environment's packages and programs, for the image's Python.
stage_python() {
  local context=$1 program
  mkdir -p "$context/python" "$context/bin"
  cp -a "$VENV"/lib/python3.11/site-packages/. "$context/python/"
  # Headers, and what only installing and testing need.
  rm -rf "$context"/python/tensorflow/include "$context"/python/{pip,pytest,_pytest,uv}{,-*} \
    "$context"/python/uv "$context"/python/setuptools*
  find "$context/python" -name __pycache__ -prune -exec rm -rf {} +
  for program in "$VENV"/bin/{flwr,flwr-serverapp,flwr-clientapp,flower-superlink,flower-supernode,flower-superexec}; do
    sed '1s|^#!.*|#!/usr/bin/python3|' "$program" >"$context/bin/${program##*/}"
  done
  chmod 755 "$context"/bin/*
}

build_image() {
  local into=$1 partial
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$IMAGES/.federated-learning.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  debian_root "$PACKAGES" "$partial/base.tar"
  stage_python "$partial"
  cp "$VERSITYGW" "$partial/bin/"
  mkdir -p "$partial/app/federated"
  cp "$EXAMPLE/pyproject.toml" "$partial/app/"
  # With its tests: Flower leaves them out of the app, and refuses a pattern for what is not there.
  cp "$EXAMPLE"/federated/*.py "$partial/app/federated/"
  store bud --layers --timestamp 0 -f "$EXAMPLE/kubernetes/image/Dockerfile" \
    -t "$(image_tag "$into")" "$partial"
  # The image is in the store; its entry only says so.
  mkdir "$into"
  rm -rf "$partial"
  trap - EXIT
}

push_image() {
  store push --disable-compression --format oci --cert-dir "$3" --digestfile "$4" \
    "$(image_tag "$1")" "docker://$2/$NAME:latest"
}

main() {
  local registry=${1:?REGISTRY is missing} certificates='' entry digest
  if [[ $registry != --build ]]; then certificates=${2:?CERT_DIR is missing}; fi
  ensure_python
  ensure_store
  choose_store
  entry=$(image_entry)
  if [[ ! -d $entry ]] || ! store inspect --type image "$(image_tag "$entry")" >/dev/null 2>&1; then
    rm -rf "$entry"
    phase "image $NAME" "the log's end says why; packages come from Debian's archive" \
      with_lock "$IMAGES/.build.lock" build_image "$entry"
    forget_old "$IMAGES/federated-learning" 2
  fi
  if [[ $registry == --build ]]; then return; fi
  digest=$(mktemp)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -f -- '$digest'" EXIT
  phase "push $NAME" "the log's end is the registry's answer" \
    push_image "$entry" "$registry" "$certificates" "$digest"
  printf 'docker.io/%s@%s\n' "$NAME" "$(<"$digest")"
}

main "$@"
