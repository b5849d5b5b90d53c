# shellcheck shell=bash
# The example's tools in the cache: a Python environment and the store, each built once for its pins.
# Source it after `set -euo pipefail`; it brings scripts/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
. "$REPO/scripts/python.sh"

EXAMPLE=$REPO/examples/federated-learning
EXAMPLE_CACHE=$CACHE/examples/federated-learning

# ensure_python: sets VENV and puts its programs first in PATH.
ensure_python() {
  find_python
  VENV=$EXAMPLE_CACHE/python-$(cd "$EXAMPLE" &&
    hash_of requirements.txt requirements-test.txt "$PYTHON" "$("$PYTHON" -VV)")
  ensure_python_environment "$VENV" "TensorFlow, Flower" "$EXAMPLE"/requirements{,-test}.txt
  export PATH=$VENV/bin:$PATH
}

build_store() {
  local into=$1 partial
  if [[ -d $into ]]; then return; fi
  partial=$(mktemp -d "$EXAMPLE_CACHE/.store.XXXXXX")
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$partial'" EXIT
  cd "$EXAMPLE/versitygw"
  CGO_ENABLED=0 nice go build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' \
    -o "$partial/versitygw" github.com/versity/versitygw/cmd/versitygw
  mv -T "$partial" "$into"
  trap - EXIT
}

# ensure_store: sets VERSITYGW, an S3-compatible server built from its Go module.
ensure_store() {
  local into
  need go "install Go 1.26 or later (https://go.dev/dl) and put it in PATH"
  mkdir -p "$EXAMPLE_CACHE"
  into=$EXAMPLE_CACHE/store-$(cd "$EXAMPLE/versitygw" && hash_of go.mod go.sum "$(go env GOVERSION)")
  if [[ -d $into ]]; then
    touch "$into"
  else
    phase "versitygw (store)" "without a network, set GOPROXY to one you can reach" \
      with_lock "$EXAMPLE_CACHE/.store.lock" build_store "$into"
    forget_old "$EXAMPLE_CACHE/store" 2
  fi
  export VERSITYGW=$into/versitygw
}
