#!/usr/bin/env bash
# Builds the tests and runs them. The last line is "N passed, N failed, N skipped" (test cases).
#
#   test.sh [--coverage] [--before TIME] [SET]...     default: scripts, unit, integration, root and e2e
#
#   scripts      what the shell scripts refuse and keep (scripts/*_test.sh, one case each)
#   unit         no root, no network
#   integration  a real kube-apiserver and etcd, Helm (built first if need be); schemathesis, if it
#                is installed (tests/openapi)
#   root         namespaces, mounts, cgroups
#   long         integration tests that take many minutes: 100,000 random operations on addresses, an
#                API server that is away for more than a minute
#   e2e          clusters in a cluster, by the release programs and images (built first if need be)
#   examples     the Python of examples/, each in an environment of its own (some GB the first time)
#   addons       e2e of spec.kubeflow, with training jobs by TensorFlow, and of spec.addons: builds their
#                images first (some GB the first time, and the Internet or a filled cache), many minutes
#   learning     e2e of examples/federated-learning and examples/inference on three clusters: as addons
#   versions     e2e of the Kubernetes versions beside the default (minutes to build the first time)
#   tsan         unit and integration, built with the thread sanitizer
#   vm           the main job on cgroup v2, in an emulated machine: many minutes (tests/vm)
#   fuzz         every parser of outside bytes, a minute each (scripts/fuzz.sh)
#   full         all of them, with the other sanitizers and the coverage
#   --coverage   prints the line coverage of src/ (presets coverage and asan-ubsan)
#   --before T   the sets that follow are left out, and named, if they would begin after T (seconds
#                since 1970)
#
# Environment: VK8S_PRESET (default dev; of full: asan-ubsan) and VK8S_BUILD_DIR (default
# build/<preset>) of unit, integration, long and root; VK8S_E2E_VERSIONS, Kubernetes versions of e2e
# beside the default one, as in "1.36 1.20"; VK8S_VM_MINUTES (default 25) for all of vm;
# VK8S_FUZZ_SECONDS of each fuzz target (default 60).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

PRESET=${VK8S_PRESET:-dev}
RELEASE_DIR=$REPO/build/release
RESULTS=${VK8S_TEST_RESULTS:-$REPO/build/test-results}
COVERAGE=
BEFORE=
LABELS=()
VERSIONS=${VK8S_E2E_VERSIONS:-}
PASSED=0 FAILED=0 SKIPPED=0

# The totals come last whatever happens; a build that fails is one failure.
finish() {
  local rc=$?
  if ((rc != 0 && FAILED == 0)); then FAILED=1; fi
  printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
  if ((FAILED > 0 || PASSED + SKIPPED == 0)); then exit 1; fi
}

# The tests find what they need in the environment, and skip without it.
export_upstream() {
  local name variable
  for name in "$@"; do
    variable=VK8S_UPSTREAM_${name^^}
    export "${variable//-/_}=$("$REPO/upstream/build.sh" --print-dir "$name")"
  done
}

# tests_in LABEL: the build directory of its test programs.
tests_in() { if [[ $1 =~ ^(e2e|addons|learning)$ ]]; then printf '%s' "$RELEASE_DIR"; else printf '%s' "$BUILD_DIR"; fi; }

# Whole programs, and the images that hold them.
build_release() {
  "$REPO/upstream/build.sh"
  phase "build (release)" "the log names the file that does not compile" \
    cmake_build "$RELEASE_DIR" release "build (release)" \
    vk8s-agent vk8s-ipam vk8s-controller vk8s-ip-manager vk8s-ip-node kubectl-vk8s pause "$@"
  "$REPO/images/build.sh"
}

build_tests() {
  local version addon
  if [[ $1 == e2e ]]; then
    build_release vk8s_e2e_e2e_test
    for version in $VERSIONS; do "$REPO/images/build.sh" "vnode-$version"; done
  elif [[ $1 == addons ]]; then
    build_release vk8s_e2e_addons_test
    # The add-ons themselves are rendered and pushed by quickstart.sh, which has a registry for them.
    for addon in training metrics-server local-path; do "$REPO/addons/build.sh" --print-images "$addon"; done |
      sort -u | xargs "$REPO/images/build.sh" tensorflow
  elif [[ $1 == learning ]]; then
    build_release vk8s_e2e_learning_test
    # What their scripts would build on the way, which then has the network's configuration no more.
    "$REPO/images/build.sh" inference
    env -u PYTHON "$REPO/examples/federated-learning/kubernetes/image.sh" --build
    env -u PYTHON "$REPO/examples/inference/client.sh" --help >/dev/null
  elif [[ $1 =~ ^(unit|integration|root|long)$ && ! -e $RESULTS/.built ]]; then
    phase "build ($PRESET)" "the log names the file that does not compile" \
      cmake_build "$BUILD_DIR" "$PRESET" "build ($PRESET)"
    touch "$RESULTS/.built"
  fi
}

prepare() {
  case $1 in
    unit) ;;
    integration | long)
      "$REPO/upstream/build.sh" kubernetes etcd helm
      export_upstream kubernetes etcd helm
      VK8S_SCHEMATHESIS=$("$REPO/tests/openapi/install.sh" --print)
      export VK8S_SCHEMATHESIS
      ;;
    root | vm)
      build_release
      mapfile -t names < <("$REPO/upstream/build.sh" --list)
      export_upstream "${names[@]}"
      VK8S_VNODE_ROOTFS=$("$REPO/images/build.sh" --print-dir vnode)
      VK8S_REGISTRY_ROOTFS=$("$REPO/images/build.sh" --print-dir registry)
      export VK8S_VNODE_ROOTFS VK8S_REGISTRY_ROOTFS
      ;;
    e2e | addons | learning)
      VK8S_CLI=$RELEASE_DIR/bin/kubectl-vk8s
      VK8S_KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
      # The tests run scripts, which shall find what is built already.
      VK8S_CACHE=$CACHE
      export VK8S_CACHE VK8S_CLI VK8S_KUBECTL VK8S_E2E_VERSIONS=
      if [[ $1 == e2e ]]; then VK8S_E2E_VERSIONS=$VERSIONS; fi
      ;;
  esac
}

# names_of LABEL: the test programs with it.
names_of() {
  ctest --test-dir "$(tests_in "$1")" -N -L "^$1\$" | sed -n 's/^ *Test *#[0-9]*: //p'
}

# run_ctest LABEL: results as XML in RESULTS/LABEL; its status says nothing here, add_up counts.
run_ctest() {
  local label=$1 jobs=1
  if [[ $label == unit ]]; then jobs=$(nproc); fi
  GTEST_OUTPUT="xml:$RESULTS/$label/" GTEST_COLOR=no ctest --test-dir "$(tests_in "$label")" -L "^$label\$" \
    -j "$jobs" --output-on-failure --output-junit "$RESULTS/$label.junit" 2>&1 |
    progress_tests "$label" || true
}

progress_tests() {
  local line
  while IFS= read -r line; do
    printf '%s\n' "$line"
    if [[ $line =~ ^\ *([0-9]+)/([0-9]+)\ Test ]]; then
      progress "$1: ${BASH_REMATCH[1]} of ${BASH_REMATCH[2]} programs"
    fi
  done
}

# junit_status LABEL NAME: run, fail, notrun or nothing.
junit_status() {
  sed -n "s/.*<testcase name=\"$2\" .* status=\"\([a-z]*\)\".*/\1/p" "$RESULTS/$1.junit"
}

# add_cases XML: adds its cases to the totals, and names those that did not pass. False where it has a
# failed one.
add_cases() {
  local word a b c failed=0
  while read -r word a b c; do
    case $word in
      totals) PASSED=$((PASSED + a)) FAILED=$((FAILED + b)) SKIPPED=$((SKIPPED + c)) failed=$b ;;
      *) say "  $word $a $b $c" ;;
    esac
  done < <(awk -f "$REPO/scripts/test-totals.awk" "$1")
  ((failed == 0))
}

# add_program LABEL NAME: adds NAME's cases to the totals. A program that crashed left no XML, or
# says that all passed and ended badly all the same: one failure.
add_program() {
  local label=$1 name=$2 xml=$RESULTS/$1/$2.xml status
  status=$(junit_status "$label" "$name")
  if [[ -s $xml ]]; then
    if ! add_cases "$xml" || [[ $status != fail ]]; then return; fi
  elif [[ $status == run ]]; then
    PASSED=$((PASSED + 1))
    return
  elif [[ $status == notrun || $status == disabled ]]; then
    SKIPPED=$((SKIPPED + 1))
    say "  skipped $name: not run"
    return
  fi
  FAILED=$((FAILED + 1))
  say "  failed $name: the program ended badly (crash, time limit or sanitizer)"
}

run_label() {
  local label=$1 name names before=$FAILED
  mapfile -t names < <(names_of "$label")
  if ((${#names[@]} == 0)); then
    say "$label tests: there are none"
    return
  fi
  rm -rf "${RESULTS:?}/$label" "$RESULTS/$label.junit"
  mkdir -p "$RESULTS/$label"
  phase "$label tests: ${#names[@]} programs" "the log has the output of the tests that failed" \
    run_ctest "$label"
  for name in "${names[@]}"; do add_program "$label" "$name"; done
  if ((FAILED > before)); then say "  output: $LOGS/$(_log_name "$label tests: ${#names[@]} programs").log"; fi
}

# Of what the tests so far have run.
print_coverage() {
  need gcovr "run scripts/install-prerequisites.sh"
  # gcovr 5.2 with -j waits for ever once one of its threads has failed.
  phase "coverage" "it needs a preset with --coverage: VK8S_PRESET=coverage or asan-ubsan" \
    timeout 600 gcovr --root "$REPO" --filter "$REPO/src/" --exclude '.*_(test|fuzz)\.cc' --exclude '.*/testing/.*' \
    --exclude '.*/fake_.*' --exclude "$REPO/src/e2e/" --print-summary --output "$RESULTS/coverage.txt" \
    --object-directory "$BUILD_DIR" -j "$(nproc)" "$BUILD_DIR"
  say "  $(grep '^lines:' "$LOGS/coverage.log")"
}

# Each is one case; a failed one has said why, in its log.
run_scripts() {
  local test name log start failed=0
  start=$(now_ms)
  mkdir -p "$RESULTS/scripts"
  for test in "$REPO"/scripts/*_test.sh; do
    name=${test##*/} log=$RESULTS/scripts/${test##*/}.log
    progress "scripts: $name"
    if env -u VK8S_UI "$test" >"$log" 2>&1 </dev/null; then
      PASSED=$((PASSED + 1))
    else
      FAILED=$((FAILED + 1)) failed=$((failed + 1))
      say "  failed $name: $log"
      tail -n 15 "$log" | sed 's/^/    /' >&"$VK8S_UI"
    fi
  done
  say "$(printf '%-44s %10s' "scripts tests" "$(if ((failed)); then echo failed; else seconds_since "$start"; fi)")"
}

# pytest writes its XML in one line.
example_tests() {
  local rc=0
  "$1" --junit-xml="$2.pytest" || rc=$?
  if [[ -s $2.pytest ]]; then sed 's/></>\n</g' "$2.pytest" >"$2"; fi
  return "$rc"
}

run_examples() {
  local test name xml log start rc before
  mkdir -p "$RESULTS/examples"
  for test in "$REPO"/examples/*/test.sh; do
    name=$(basename "$(dirname "$test")")
    xml=$RESULTS/examples/$name.xml log=$RESULTS/examples/$name.log start=$(now_ms) rc=0 before=$FAILED
    progress "examples: $name"
    example_tests "$test" "$xml" >"$log" 2>&1 </dev/null || rc=$?
    if [[ -s $xml ]]; then add_cases "$xml" || true; fi
    if ((rc != 0 && FAILED == before)); then
      FAILED=$((FAILED + 1))
      tail -n 15 "$log" | sed 's/^/    /' >&"$VK8S_UI"
    fi
    say "$(printf '%-44s %10s' "example $name" "$(if ((FAILED > before)); then echo "failed: $log"; else seconds_since "$start"; fi)")"
  done
}

# count PATTERN FILE: lines; a file that is not there has none.
count() { grep -sc "$1" "$2" || [[ -e $2 ]] || echo 0; }

# One line of a check in the machine: "pass NAME SECONDS", "fail NAME: WHY".
run_vm() {
  local results=$RESULTS/vm rc=0 failed
  if ! command -v qemu-system-x86_64 >/dev/null; then
    SKIPPED=$((SKIPPED + 1))
    say "  skipped vm: no qemu-system-x86_64, run scripts/install-prerequisites.sh --with vm"
    return
  fi
  group "vm tests" "$REPO/tests/vm/run.sh" --results "$results" \
    --minutes "${VK8S_VM_MINUTES:-25}" >/dev/null || rc=$?
  failed=$(count '^fail ' "$results/checks")
  if ((rc != 0 && failed == 0)); then failed=1; fi
  PASSED=$((PASSED + $(count '^pass ' "$results/checks")))
  FAILED=$((FAILED + failed))
}

# add_run NAME COMMAND...: a script whose last line is its totals.
add_run() {
  local name=$1 log=$RESULTS/$1.log rc=0 passed failed skipped
  shift
  say "$name"
  VK8S_UI_DEPTH=$((VK8S_UI_DEPTH + 1)) "$@" >"$log" || rc=$?
  read -r passed _ failed _ skipped _ < <(tail -n 1 "$log") || true
  if [[ ! ${passed:-} =~ ^[0-9]+$ ]]; then
    FAILED=$((FAILED + 1))
    say "  failed $name: exit status $rc before anything ran"
    return
  fi
  PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
}

# The sanitizer's memory map has no room for the widest address space randomization of some kernels.
run_tsan() {
  local words=(env -u VK8S_BUILD_DIR VK8S_PRESET=tsan VK8S_TEST_RESULTS="$RESULTS/tsan")
  add_run tsan setarch --addr-no-randomize "${words[@]}" "$REPO/test.sh" unit integration
}

# e2e as a whole has run, or is not asked for.
run_versions() {
  VERSIONS=$(other_versions)
  build_tests e2e
  prepare e2e
  GTEST_FILTER='*VersionsTest*:*UpgradeTest*' run_label e2e
}

other_versions() { sed -n '/^[0-9]/s/ .*//p' "$REPO/upstream/releases" | tail -n +2 | xargs; }

run_set() {
  case $1 in
    vm)
      prepare vm
      run_vm
      ;;
    fuzz) add_run fuzz "$REPO/scripts/fuzz.sh" --seconds "${VK8S_FUZZ_SECONDS:-60}" ;;
    scripts | examples | tsan | versions) "run_$1" ;;
    *)
      build_tests "$1"
      prepare "$1"
      run_label "$1"
      ;;
  esac
}

# A set with BEFORE is written "TIME SET".
parse() {
  while (($#)); do
    case $1 in
      scripts | unit | integration | long | root | e2e | examples | addons | learning | versions | tsan | vm | fuzz)
        LABELS+=("${BEFORE:-0} $1")
        ;;
      full)
        LABELS=("0 scripts" "0 unit" "0 integration" "0 long" "0 root" "0 e2e" "0 examples" "0 addons"
          "0 learning" "0 tsan" "0 vm" "0 fuzz")
        VERSIONS=$(other_versions)
        PRESET=${VK8S_PRESET:-asan-ubsan}
        COVERAGE=yes
        ;;
      --coverage) COVERAGE=yes ;;
      --before)
        [[ ${2:-} =~ ^[0-9]+$ ]] || die "test.sh: --before '${2:-}' is no time" "use \$(date +%s)"
        BEFORE=$2
        shift
        ;;
      -h | --help)
        sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1
        exit
        ;;
      *) die "test.sh: '$1' is not a set of tests" \
        "use scripts, unit, integration, long, root, e2e, examples, addons, learning, versions, tsan, vm, fuzz or full" ;;
    esac
    shift
  done
  if ((${#LABELS[@]} == 0)); then LABELS=("0 scripts" "0 unit" "0 integration" "0 root" "0 e2e"); fi
}

main() {
  local before label
  parse "$@"
  BUILD_DIR=${VK8S_BUILD_DIR:-$REPO/build/$PRESET}
  export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
  trap finish EXIT
  rm -rf "$RESULTS"
  mkdir -p "$RESULTS"
  for label in "${LABELS[@]}"; do
    read -r before label <<<"$label"
    if ((before > 0 && EPOCHSECONDS > before)); then
      say "left out: $label (it is too late for it)"
    else
      run_set "$label"
    fi
  done
  if [[ -n $COVERAGE ]]; then print_coverage; fi
}

main "$@"
