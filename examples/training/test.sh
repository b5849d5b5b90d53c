#!/usr/bin/env bash
# Tests of the example: unit tests, and two workers on loopback that train together. More arguments go to
# pytest (-m 'not e2e': the unit tests alone).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  ensure_tensorflow
  cd "$EXAMPLE"
  exec nice "$VENV/bin/python" -m pytest -p no:cacheprovider "$@"
}

main "$@"
