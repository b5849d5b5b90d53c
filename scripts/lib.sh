# shellcheck shell=bash
# What all scripts of this project share: phases with a log each, progress lines, the cache,
# content hashes. Source it after `set -euo pipefail`:
#
#   . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#
# What a user reads goes to descriptor VK8S_UI (inherited by scripts that scripts call), what
# programs say goes to log files. On a terminal a progress line overwrites itself, elsewhere it
# is a plain line now and then.

export REPO CACHE LOGS
REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=${VK8S_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gs-optops}
LOGS=$CACHE/log
if [[ -z ${VK8S_UI:-} || ! -e /proc/self/fd/$VK8S_UI ]]; then
  exec {VK8S_UI}>&2
fi
export VK8S_UI VK8S_UI_DEPTH=${VK8S_UI_DEPTH:-0}
mkdir -p "$LOGS"

# say TEXT...: one line for the user.
say() {
  _clear_progress
  printf '%*s%s\n' $((VK8S_UI_DEPTH * 2)) '' "$*" >&"$VK8S_UI"
}

# die WHAT [WHAT_TO_DO]: ends the script.
die() {
  say "error: $1"
  if (($# > 1)); then say "  to do: $2"; fi
  exit 1
}

_ui_is_terminal() { [[ -t $VK8S_UI && ${TERM:-dumb} != dumb ]]; }

_clear_progress() {
  if _ui_is_terminal; then printf '\r\033[K' >&"$VK8S_UI"; fi
}

# progress TEXT: the state of what runs now. Off a terminal at most one line in 15 seconds.
_progress_printed=$SECONDS
progress() {
  if _ui_is_terminal; then
    local width=$((${COLUMNS:-80} - 1))
    printf '\r\033[K%.*s' "$width" "$(printf '%*s%s' $((VK8S_UI_DEPTH * 2)) '' "$1")" >&"$VK8S_UI"
  elif ((SECONDS - _progress_printed >= 15)); then
    _progress_printed=$SECONDS
    printf '%*s%s\n' $((VK8S_UI_DEPTH * 2)) '' "$1" >&"$VK8S_UI"
  fi
}

# progress_lines LABEL TOTAL UNIT: reads lines, copies them to stdout, shows how many of TOTAL.
progress_lines() {
  local label=$1 total=$2 unit=$3 count=0 line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    count=$((count + 1))
    ((count <= total)) || total=$count
    progress "$label: $count of $total $unit"
  done
}

# progress_build LABEL: the same for CMake's Ninja, whose lines begin with [done/total].
progress_build() {
  local label=$1 line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line =~ ^\[([0-9]+)/([0-9]+)\] ]]; then
      progress "$label: ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} steps"
    fi
  done
}

# cmake_build DIRECTORY PRESET LABEL TARGET...: configures and builds, in a phase.
cmake_build() {
  local directory=$1 preset=$2 label=$3
  shift 3
  cmake --preset "$preset" -S "$REPO" -B "$directory" -G Ninja
  cmake --build "$directory" ${1:+--target "$@"} 2>&1 | progress_build "$label"
}

now_ms() { printf '%s' "$((${EPOCHREALTIME/[.,]/} / 1000))"; }

# seconds_since START_MS: "12.3 s".
seconds_since() {
  local elapsed=$(($(now_ms) - $1))
  printf '%d.%d s' $((elapsed / 1000)) $((elapsed % 1000 / 100))
}

_log_name() { printf '%s' "$1" | tr -c 'A-Za-z0-9._-' '-'; }

# phase NAME WHAT_TO_DO_IF_IT_FAILS COMMAND...: runs COMMAND (a function or program) with its
# output in a log, then prints NAME and how long it took. A failure prints the log's end, the log's
# name and what to do, and ends the script.
# The command runs in a subshell with errexit; do not call phase in a condition (bash would
# switch errexit off inside).
phase() {
  local name=$1 hint=$2 log start rc
  shift 2
  log=$LOGS/$(_log_name "$name").log
  start=$(now_ms)
  progress "$name ..."
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  rc=$?
  set -e
  if ((rc == 0)); then
    say "$(printf '%-44s %10s' "$name" "$(seconds_since "$start")")"
    return
  fi
  say "$(printf '%-44s %10s' "$name" failed)"
  tail -n 15 "$log" | sed "s/^/$(printf '%*s' $((VK8S_UI_DEPTH * 2 + 4)) '')/" >&"$VK8S_UI"
  die "$name: exit status $rc, log $log" "$hint"
}

# group NAME COMMAND...: runs COMMAND, which has phases of its own, under a heading.
group() {
  local name=$1 start
  shift
  start=$(now_ms)
  say "$name"
  VK8S_UI_DEPTH=$((VK8S_UI_DEPTH + 1)) "$@"
  say "$(printf '%-44s %10s' "$name: done" "$(seconds_since "$start")")"
}

# need COMMAND WHAT_TO_DO: ends the script unless COMMAND is in PATH.
need() {
  command -v "$1" >/dev/null 2>&1 || die "$1 is not installed" "$2"
}

# hash_of FILE_OR_WORD...: one short hash over the names and contents of the files (given relative
# to the working directory) and the other words.
hash_of() {
  local argument
  for argument in "$@"; do
    if [[ -f $argument ]]; then
      printf 'file %s ' "$argument"
      sha256sum <"$argument"
    else
      printf 'word %s\n' "$argument"
    fi
  done | sha256sum | cut -c 1-16
}

# candidate PACKAGE: the version that apt-get download would bring.
candidate() { apt-cache policy "$1" | awk '$1 == "Candidate:" {print $2}'; }

# with_lock FILE COMMAND...: one process at a time; the lock ends with the process.
with_lock() {
  local file=$1 descriptor rc=0
  shift
  mkdir -p "$(dirname "$file")"
  exec {descriptor}>"$file"
  if ! flock -n "$descriptor"; then
    progress "waiting for another build ($file)"
    flock "$descriptor"
  fi
  "$@" {descriptor}>&-
  rc=$?
  exec {descriptor}>&-
  return $rc
}

# is_mounted DIRECTORY: is it (or what is in it) part of a mount of any process?
is_mounted() { grep -qsF -- "$1/" /proc/[0-9]*/mountinfo; }

# forget_old DIRECTORY_PREFIX KEEP: removes finished cache entries PREFIX-HASH beyond the newest KEEP
# by time of use, but none used within the last hour or mounted now.
forget_old() {
  # As many characters as hash_of prints: "vnode" must not take "vnode-1.36-HASH" for its own.
  local pattern="$1-????????????????" keep=$2 entry count=0
  while IFS= read -r entry; do
    count=$((count + 1))
    if ((count > keep)) && [[ -n $(find "$entry" -maxdepth 0 -mmin +60) ]] &&
      ! is_mounted "$entry"; then
      rm -rf -- "$entry"
    fi
  done < <(compgen -G "$pattern" | xargs -r -d '\n' ls -1td 2>/dev/null)
}
