#!/usr/bin/env bash
# Builds the fuzz targets (src/*/*_fuzz.cc, preset fuzz) and runs each for a while. The last line is
# "N passed, N failed, N skipped" (targets).
#
#   scripts/fuzz.sh [--seconds N] [--jobs N] [--list] [TARGET...]
#                                                          default: every target for 60 seconds
#
#   --seconds N   of each target
#   --jobs N      so many targets at a time (default: one a processor)
#   --list        prints the targets: <module>_<file>, as in kube_yaml
#
# Inputs that reach new code are kept in the cache (fuzz/TARGET) and are where the next run
# begins, together with those in src/<module>/fuzz_corpus/<file>. An input that fails is kept in
# fuzz/failures; to run it again: build/fuzz/bin/TARGET_fuzz FILE.
# Environment: VK8S_FUZZ_BUILD_DIR (default build/fuzz).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

BUILD_DIR=${VK8S_FUZZ_BUILD_DIR:-$REPO/build/fuzz}
CORPUS=$CACHE/fuzz
MAX_BYTES=4096
SECONDS_EACH=60
JOBS=$(nproc)
PASSED=0 FAILED=0 SKIPPED=0 RUNNING=0

list_targets() {
  local file module name
  for file in "$REPO"/src/*/*_fuzz.cc; do
    module=$(basename "$(dirname "$file")")
    name=$(basename "$file" _fuzz.cc)
    printf '%s_%s\n' "$module" "$name"
  done
}

# seeds_of TARGET: the folder of its first inputs, if it has one.
seeds_of() {
  local module=${1%%_*}
  local folder=$REPO/src/$module/fuzz_corpus/${1#*_}
  if [[ -d $folder ]]; then printf '%s' "$folder"; fi
}

# run_target TARGET: one line for the user. Runs as a process of its own.
run_target() {
  local target=$1 log=$LOGS/fuzz-$1.log seeds rc=0 runs seconds failure
  local folders=("$CORPUS/$target")
  mkdir -p "$CORPUS/$target" "$CORPUS/failures"
  seeds=$(seeds_of "$target")
  if [[ $seeds ]]; then folders+=("$seeds"); fi
  # The time limit is for a target that no longer listens to its own.
  timeout --kill-after=10 $((SECONDS_EACH * 3 + 60)) \
    "$BUILD_DIR/bin/${target}_fuzz" -max_total_time="$SECONDS_EACH" -max_len="$MAX_BYTES" \
    -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$CORPUS/failures/$target-" "${folders[@]}" >"$log" 2>&1 </dev/null &
  # shellcheck disable=SC2064  # this very process
  trap "kill $! 2>/dev/null" TERM
  wait $! || rc=$?
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  seconds=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
  if ((rc == 0)); then
    say "$(printf '%-28s %10s runs %5s s  ok' "$target" "$runs" "$seconds")"
    return
  fi
  failure=$(sed -n 's/^.*Test unit written to //p' "$log" | tail -n 1)
  say "$(printf '%-28s %10s runs %5s s  failed' "$target" "${runs:-?}" "${seconds:-?}"): exit" \
    "status $rc, input ${failure:-not kept}, log $log"
  return 1
}

# Takes in one target that has ended.
reap() {
  if wait -n; then PASSED=$((PASSED + 1)); else FAILED=$((FAILED + 1)); fi
  RUNNING=$((RUNNING - 1))
}

run_targets() {
  local target
  # shellcheck disable=SC2046  # numbers
  trap 'kill $(jobs -p) 2>/dev/null; exit 143' INT TERM
  for target in "$@"; do
    if ((RUNNING >= JOBS)); then reap; fi
    progress "fuzz $target ..."
    run_target "$target" &
    RUNNING=$((RUNNING + 1))
  done
  while ((RUNNING > 0)); do reap; done
  trap - INT TERM
}

build_targets() {
  cmake_build "$BUILD_DIR" fuzz "build (fuzz)" "${@/%/_fuzz}"
}

main() {
  local targets=() known
  mapfile -t known < <(list_targets)
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --list) printf '%s\n' "${known[@]}" && return ;;
      --seconds | --jobs)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "$1 '${2:-}': it is no number" "use one from 1 on"
        if [[ $1 == --jobs ]]; then JOBS=$2; else SECONDS_EACH=$2; fi
        shift
        ;;
      *)
        [[ " ${known[*]} " == *" $1 "* ]] || die "'$1' is no fuzz target" "see scripts/fuzz.sh --list"
        targets+=("$1")
        ;;
    esac
    shift
  done
  if ((${#targets[@]} == 0)); then targets=("${known[@]}"); fi
  if ! command -v clang++ >/dev/null; then
    SKIPPED=${#targets[@]}
    say "skipped: no clang++, run scripts/install-prerequisites.sh --with fuzz"
  else
    phase "build (fuzz)" "the log names the file that does not compile" build_targets "${targets[@]}"
    run_targets "${targets[@]}"
  fi
  printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  ((FAILED == 0))
}

main "$@"
