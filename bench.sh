#!/usr/bin/env bash
# Measures, prints a table, and writes build/bench/results.json: a list of
# {"name", "unit", "median", "min", "max", "n"}.
#
#   bench.sh [--runs N] [--clusters N] [cluster|micro|addons]...     default: cluster and micro
#
#   cluster       whole virtual clusters on an embedded host of its own (needs root)
#   micro         parts of the programs, by themselves (as root, the CNI plugin too)
#   addons        a large manifest set on a bare API server (needs root), against kubectl in a
#                 loop; VK8S_KUBEFLOW_MANIFESTS names the file with it
#   --runs N      creations of each kind (default 10)
#   --clusters N  that one controller manages, of two simulated nodes each (default 1000)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/scripts/lib.sh"

BUILD_DIR=$REPO/build/release
OUT=$REPO/build/bench
RUNS=10
CLUSTERS=1000

build() {
  phase "benchmarks" "the log names the file that does not compile" \
    cmake_build "$BUILD_DIR" release benchmarks "$@"
}

bench_cluster() {
  local size
  "$REPO/quickstart.sh" --until images
  build vk8s_cluster_bench
  VK8S_CLI=$BUILD_DIR/bin/kubectl-vk8s
  VK8S_KUBECTL=$("$REPO/upstream/build.sh" --print-dir kubernetes)/kubectl
  export VK8S_CLI VK8S_KUBECTL
  phase "clusters, $RUNS of each kind" "the log's end says which step failed" \
    "$BUILD_DIR/bin/vk8s_cluster_bench" --runs "$RUNS" --output "$OUT/cluster.jsonl"
  size=$(du -sm --apparent-size "$("$REPO/images/build.sh" --print-dir vnode)" | cut -f 1)
  printf '{"name": "vnode_image", "unit": "MiB", "median": %d, "min": %d, "max": %d, "n": 1}\n' \
    "$size" "$size" "$size" >>"$OUT/cluster.jsonl"
}

bench_micro() {
  build vk8s_micro_bench vk8s-controller
  VK8S_UPSTREAM_KUBERNETES=$("$REPO/upstream/build.sh" --print-dir kubernetes)
  VK8S_UPSTREAM_ETCD=$("$REPO/upstream/build.sh" --print-dir etcd)
  export VK8S_UPSTREAM_KUBERNETES VK8S_UPSTREAM_ETCD
  phase "parts" "the log's end says which step failed" \
    "$BUILD_DIR/bin/vk8s_micro_bench" --controller "$BUILD_DIR/bin/vk8s-controller" \
    --clusters "$CLUSTERS" --output "$OUT/micro.jsonl"
  if ((EUID == 0)); then bench_cni; else say "CNI: left out, it needs root"; fi
}

# What the CNI plugin adds to the start of a pod.
bench_cni() {
  build vk8s_cni_bench vk8s-ipam
  phase "CNI" "the log's end says which step failed" \
    "$BUILD_DIR/bin/vk8s_cni_bench" --output "$OUT/cni.jsonl" \
    --plugins "$("$REPO/upstream/build.sh" --print-dir cni-plugins):$BUILD_DIR/bin"
}

bench_addons() {
  [[ -n ${VK8S_KUBEFLOW_MANIFESTS:-} ]] ||
    die "bench.sh addons: VK8S_KUBEFLOW_MANIFESTS is not set" "it names a file of rendered manifests"
  build vk8s_addons_bench
  VK8S_UPSTREAM_KUBERNETES=$("$REPO/upstream/build.sh" --print-dir kubernetes)
  VK8S_UPSTREAM_ETCD=$("$REPO/upstream/build.sh" --print-dir etcd)
  export VK8S_UPSTREAM_KUBERNETES VK8S_UPSTREAM_ETCD
  phase "add-ons, $RUNS installations of each kind" "the log's end says which step failed" \
    "$BUILD_DIR/bin/vk8s_addons_bench" --manifests "$VK8S_KUBEFLOW_MANIFESTS" --runs "$RUNS" \
    --kubectl "$VK8S_UPSTREAM_KUBERNETES/kubectl" --output "$OUT/addons.jsonl"
}

# results.json holds the last figures of each kind.
write_results() {
  local files=()
  for file in "$OUT"/*.jsonl; do [[ -s $file ]] && files+=("$file"); done
  { printf '[\n' && sed '$!s/$/,/' <(cat "${files[@]}") && printf ']\n'; } >"$OUT/results.json"
  sed -n 's/.*"name": "\([^"]*\)", "unit": "\([^"]*\)", "median": \([^,]*\), "min": \([^,]*\), "max": \([^,]*\), "n": \([0-9]*\).*/\1|\3|\4|\5|\6|\2/p' \
    "${files[@]}" |
    awk -F'|' 'BEGIN {printf "%-52s %12s %12s %12s %5s  %s\n", "figure", "median", "min", "max", "n", "unit"}
      {printf "%-52s %12.2f %12.2f %12.2f %5d  %s\n", $1, $2, $3, $4, $5, $6}'
}

main() {
  local kinds=() kind
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && return ;;
      --runs) RUNS=${2:?--runs needs a number} && shift ;;
      --clusters) CLUSTERS=${2:?--clusters needs a number} && shift ;;
      cluster | micro | addons) kinds+=("$1") ;;
      *) die "bench.sh: '$1' is not known" "see bench.sh --help" ;;
    esac
    shift
  done
  if ((${#kinds[@]} == 0)); then kinds=(cluster micro); fi
  mkdir -p "$OUT"
  for kind in "${kinds[@]}"; do "bench_$kind"; done
  write_results
  say "written to $OUT/results.json"
}

main "$@"
