#!/usr/bin/env bash
# Tests of the example: unit tests, a server on loopback, and the program with a real versitygw. More
# arguments go to pytest (-m 'not e2e': without the program).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  ensure_inference
  ensure_store
  cd "$INFERENCE"
  exec nice "$VENV/bin/python" -m pytest -p no:cacheprovider "$@"
}

main "$@"
