#!/usr/bin/env bash
# The main job on cgroup v2 and an ordinary distribution kernel, in a virtual machine that is
# emulated in software: no KVM, no network. Prints a line a check; the last one is the totals.
#
#   tests/vm/run.sh [--build-dir DIR] [--results DIR] [--minutes N] [--memory MIB] [--shell]
#
#   --results DIR   where console.log, checks and what the machine kept go (default <cache>/log/vm)
#   --minutes N     after which the machine is switched off (default 25)
#   --memory MIB    of the machine (default 7168)
#   --shell         no job: a shell on the machine's console, here
#
# Environment: VK8S_VM_NICE (default 15), niceness of the emulator.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

BUILD_DIR=$REPO/build/release
RESULTS=$LOGS/vm
MINUTES=25
MEMORY=7168
JOB=
QEMU=qemu-system-x86_64
QEMU_PID=
PASSED=0 FAILED=0

parse_arguments() {
  while (($#)); do
    case $1 in
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit 0
        ;;
      --build-dir) BUILD_DIR=$(realpath -m "${2:?--build-dir needs a DIR}") && shift ;;
      --results) RESULTS=$(realpath -m "${2:?--results needs a DIR}") && shift ;;
      --minutes) MINUTES=${2:?--minutes needs a number} && shift ;;
      --memory) MEMORY=${2:?--memory needs a number of MiB} && shift ;;
      --shell) JOB=shell ;;
      *) die "tests/vm/run.sh: '$1' is not an option" "see tests/vm/run.sh --help" ;;
    esac
    shift
  done
  [[ $MINUTES$MEMORY =~ ^[1-9][0-9]*$ ]] || die "--minutes and --memory are whole numbers"
}

# The second disk: an archive of what the job needs. The third: room for what it leaves.
make_job_disks() {
  local disk=$1 tree=$RESULTS/job
  rm -rf "$tree"
  mkdir -p "$tree/bin"
  cp -r "$REPO"/{config,scripts} "$tree/"
  mkdir "$tree/tests"
  cp -r "$REPO/tests/vm" "$tree/tests/"
  strip -o "$tree/bin/kubectl-vk8s" "$BUILD_DIR/bin/kubectl-vk8s"
  cp "$disk/images" "$tree/images.names"
  tar -c -f "$RESULTS/job.tar" --owner=0 --group=0 -C "$tree" .
  rm -r "$tree"
  rm -f "$RESULTS/kept.tar"
  truncate -s 256M "$RESULTS/kept.tar"
}

# start_machine KERNEL DISK: the first disk is written to beside, never changed.
# Time in the machine is counted by instructions (one a nanosecond) while it works, so that no time
# limit inside is hit because this machine is slow or busy. That goes with one processor only.
start_machine() {
  local kernel=$1 disk=$2 serial=(-serial "file:$RESULTS/console.log" -serial "file:$RESULTS/checks")
  local options="console=ttyS0 panic=-1 quiet cgroup_no_v1=all"
  # What costs an emulator much: the first is for processors, the others are slow devices and zeroing.
  options+=" mitigations=off tsc=reliable clocksource=tsc transparent_hugepage=madvise"
  if [[ $JOB ]]; then options+=" vk8s.job=$JOB" serial=(-serial stdio); fi
  export TMPDIR=$RESULTS
  exec nice -n "${VK8S_VM_NICE:-15}" "$QEMU" -accel tcg,thread=single -icount shift=0,sleep=on \
    -cpu max,la57=off -smp 1 -m "$MEMORY" -nodefaults -display none -no-reboot "${serial[@]}" \
    -kernel "$kernel/vmlinuz" -initrd "$kernel/initrd" -append "$options" \
    -drive "file=$disk/disk.img,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -drive "file=$RESULTS/job.tar,format=raw,if=virtio,readonly=on" \
    -drive "file=$RESULTS/kept.tar,format=raw,if=virtio,cache=unsafe"
}

stop_machine() {
  if [[ -n $QEMU_PID ]]; then kill "$QEMU_PID" 2>/dev/null || true; fi
  rm -f "$RESULTS/job.tar"
}

# take LINE: one line of results: "step TEXT", "pass NAME SECONDS", "fail NAME: WHY", "end".
take() {
  local rest=${1#* }
  case ${1%% *} in
    step) progress "machine, $((SECONDS / 60)) min: $rest" ;;
    pass) PASSED=$((PASSED + 1)) && say "$(printf '%-54s %6s s' "${rest% *}" "${rest##* }")" ;;
    fail) FAILED=$((FAILED + 1)) && say "failed: $rest" ;;
    end) ENDED=yes ;;
  esac
}

# The machine itself failed: a check of this script's.
fail() {
  printf 'fail %s\n' "$1" >>"$RESULTS/checks"
  take "fail $1"
}

# Takes the results as they come until the machine is off or its time is up.
follow() {
  local taken=0 lines alive=yes deadline=$((SECONDS + MINUTES * 60))
  while [[ $alive ]]; do
    sleep 1
    if ! kill -0 "$QEMU_PID" 2>/dev/null; then alive=; fi
    # Whole lines only: the last may be half written.
    mapfile -t lines < <(head -n "$(wc -l <"$RESULTS/checks")" "$RESULTS/checks" | tr -d '\r')
    for ((; taken < ${#lines[@]}; taken++)); do take "${lines[taken]}"; done
    if [[ $alive ]] && ((SECONDS > deadline)); then
      fail "machine: not finished in $MINUTES min: --minutes gives it more"
      return
    fi
  done
  [[ $ENDED ]] || fail "machine: off before the end: $RESULTS/console.log says why"
}

run_job() {
  start_machine "$@" </dev/null >"$RESULTS/qemu.log" 2>&1 &
  QEMU_PID=$!
  ENDED=
  follow
  if tar -x -f "$RESULTS/kept.tar" -C "$RESULTS" 2>/dev/null && [[ -d $RESULTS/kept ]]; then
    say "logs of both Kubernetes: $RESULTS/kept"
  fi
  rm -f "$RESULTS/kept.tar"
}

main() {
  local parts
  parse_arguments "$@"
  need "$QEMU" "run scripts/install-prerequisites.sh --with vm"
  mkdir -p "$RESULTS"
  rm -rf "$RESULTS"/{console.log,qemu.log,kept}
  : >"$RESULTS/checks"
  parts=$("$REPO/tests/vm/machine.sh" --build-dir "$BUILD_DIR")
  mapfile -t parts <<<"$parts"
  make_job_disks "${parts[1]}"
  trap stop_machine EXIT
  if [[ $JOB == shell ]]; then
    (start_machine "${parts[@]}")
    return
  fi
  run_job "${parts[@]}"
  printf '%d passed, %d failed, 0 skipped\n' "$PASSED" "$FAILED"
  ((FAILED == 0))
}

main "$@"
