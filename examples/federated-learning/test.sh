#!/usr/bin/env bash
# Tests of the example: unit tests, those of the store with a real versitygw too; with --e2e also whole
# federations on loopback in which things are killed (minutes). More arguments go to pytest.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  local marks='not e2e'
  if [[ ${1:-} == --e2e ]]; then
    marks=
    shift
  fi
  ensure_python
  ensure_store
  cd "$EXAMPLE"
  exec nice "$VENV/bin/python" -m pytest -p no:cacheprovider -m "$marks" "$@"
}

main "$@"
