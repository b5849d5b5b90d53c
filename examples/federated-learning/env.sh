# shellcheck shell=bash
# The example's tools in the cache: a Python environment and the store, each built once for its pins.
# Source it after `set -euo pipefail`; it brings scripts/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

EXAMPLE=$REPO/examples/federated-learning
EXAMPLE_CACHE=$CACHE/examples/federated-learning

# find_python: sets PYTHON to a Python 3.11, which the pins are for (Debian 12's, as in the image).
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" /usr/bin/python3.11 python3.11; do
    if [[ $candidate ]] &&
      "$candidate" -c 'import sys, ensurepip; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
      PYTHON=$candidate
      return
    fi
  done
  die "no Python 3.11 with venv is here" \
    "on Debian 12: apt-get install python3-venv; elsewhere set PYTHON to one"
}

# Programs of an environment begin with its path, so it is made where it stays; the mark comes last.
build_python() {
  local into=$1
  if [[ -e $into/whole ]]; then return; fi
  rm -rf "$into"
  nice "$PYTHON" -m venv "$into"
  # By hash: nothing but what is pinned gets in.
  nice "$into/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: -r "$EXAMPLE/requirements.txt" -r "$EXAMPLE/requirements-test.txt"
  touch "$into/whole"
}

# ensure_python: sets VENV and puts its programs first in PATH.
ensure_python() {
  find_python
  VENV=$EXAMPLE_CACHE/python-$(cd "$EXAMPLE" &&
    hash_of requirements.txt requirements-test.txt "$PYTHON" "$("$PYTHON" -VV)")
  if [[ -e $VENV/whole ]]; then
    touch "$VENV"
  else
    phase "Python environment (TensorFlow, Flower)" "pip's last lines say why; it needs a package index" \
      with_lock "$EXAMPLE_CACHE/.python.lock" build_python "$VENV"
    forget_old "$EXAMPLE_CACHE/python" 2
  fi
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
