#!/usr/bin/env bash
# Installs schemathesis (Python's package index, pip) into the cache, and prints the program's path.
# Does nothing, quickly, when it is there.
#
#   tests/openapi/install.sh [--print]
#
#   --print   install nothing: print the path if it is installed, else nothing
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

HERE=$REPO/tests/openapi

# The interpreter is a part of the environment.
environment() {
  printf '%s' "$CACHE/openapi/env-$(cd "$HERE" && hash_of requirements.txt "$(python3 --version)")"
}

# An environment holds its own path: it is made where it stays, and is whole once it has its mark.
make_environment() {
  local into=$1
  if [[ -e $into/whole ]]; then return; fi
  rm -rf "$into"
  mkdir -p "${into%/*}"
  python3 -m venv "$into"
  "$into/bin/pip" install --disable-pip-version-check --no-deps --requirement "$HERE/requirements.txt"
  "$into/bin/schemathesis" --version
  touch "$into/whole"
  forget_old "${into%-*}" 2
}

main() {
  local into
  if [[ ${1:-} == --print ]]; then
    if ! command -v python3 >/dev/null; then return; fi
    into=$(environment)
    if [[ -e $into/whole ]]; then printf '%s\n' "$into/bin/schemathesis"; fi
    return
  fi
  (($# == 0)) || die "tests/openapi/install.sh: '$1' is not an option" "see the file's head"
  need python3 "run scripts/install-prerequisites.sh --with openapi"
  into=$(environment)
  if [[ ! -e $into/whole ]]; then
    phase "schemathesis" "is the package index of Python reached from here?" \
      with_lock "$CACHE/openapi/.lock" make_environment "$into"
  fi
  printf '%s\n' "$into/bin/schemathesis"
}

main "$@"
