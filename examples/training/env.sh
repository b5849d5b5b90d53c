# shellcheck shell=bash
# What the example's scripts share: an environment with what the image has, and pytest. Source it after
# `set -euo pipefail`; it brings scripts/lib.sh.
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
. "$REPO/scripts/python.sh"

EXAMPLE=$REPO/examples/training

# ensure_tensorflow: sets VENV.
ensure_tensorflow() {
  ensure_python_environment "$CACHE/examples/training/python" TensorFlow \
    "$REPO/images/tensorflow/requirements.txt" "$EXAMPLE/requirements-test.txt"
}
