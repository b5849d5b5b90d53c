# shellcheck shell=bash
# What the example's scripts share: an environment with what the image has, and what its tests need. The
# store is the other example's. Source it after `set -euo pipefail`.
. "$(dirname "${BASH_SOURCE[0]}")/../federated-learning/env.sh"

INFERENCE=$REPO/examples/inference

# ensure_inference: sets VENV and where Python finds both examples.
ensure_inference() {
  local pins=("$REPO"/images/{tensorflow,inference}/requirements.txt "$INFERENCE/requirements-test.txt")
  find_python
  VENV=$CACHE/examples/inference/python-$(hash_of "$(sha256sum "${pins[@]}" | cut -d ' ' -f 1)" \
    "$PYTHON" "$("$PYTHON" -VV)")
  ensure_python_environment "$VENV" "TensorFlow, uvicorn" "${pins[@]}"
  export PYTHONPATH=$INFERENCE:$EXAMPLE
}
