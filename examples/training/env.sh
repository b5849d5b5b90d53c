# shellcheck shell=bash
# What the example's scripts share: an environment with what the image has, and pytest. Source it after
# `set -euo pipefail`; it brings scripts/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
. "$REPO/scripts/python.sh"

EXAMPLE=$REPO/examples/training

# ensure_tensorflow: sets VENV.
ensure_tensorflow() {
  local pins=("$REPO/images/tensorflow/requirements.txt" "$EXAMPLE/requirements-test.txt")
  find_python
  VENV=$CACHE/examples/training/python-$(hash_of "$(sha256sum "${pins[@]}" | cut -d ' ' -f 1)" \
    "$PYTHON" "$("$PYTHON" -VV)")
  ensure_python_environment "$VENV" TensorFlow "${pins[@]}"
}
