# shellcheck shell=bash
# Python environments in the cache, each built once for its pins. Source it after lib.sh.

# No bytecode beside the sources.
export PYTHONDONTWRITEBYTECODE=1

# find_python: sets PYTHON to a Python 3.11, which the pins are for (Debian 12's, as in the images).
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
_build_python() {
  local into=$1 file options=()
  shift
  if [[ -e $into/whole ]]; then return; fi
  for file in "$@"; do options+=(-r "$file"); done
  rm -rf "$into"
  nice "$PYTHON" -m venv "$into"
  # By hash: nothing but what is pinned gets in.
  nice "$into/bin/python" -m pip install --disable-pip-version-check --require-hashes --no-deps \
    --only-binary :all: "${options[@]}"
  touch "$into/whole"
}

# ensure_python_environment INTO WHAT REQUIREMENTS...: an environment of what these files pin, in
# INTO=PREFIX-HASH. Expects find_python.
ensure_python_environment() {
  local into=$1 what=$2
  shift 2
  if [[ -e $into/whole ]]; then
    touch "$into"
    return
  fi
  phase "Python environment ($what)" "pip's last lines say why; it needs a package index" \
    with_lock "${into%-*}.lock" _build_python "$into" "$@"
  forget_old "${into%-*}" 2
}
