#!/usr/bin/env bash
# Federated learning across virtual clusters, then transfer to a new site; ends with a table and a
# picture. README.md says what it does.
#
#   examples/federated-learning/run.sh [OPTION...]           on the embedded host, three clusters
#   examples/federated-learning/run.sh --local [OPTION...]   processes on loopback, no Kubernetes
#   examples/federated-learning/run.sh --tune [OPTION...]    which learning rate? On validation images,
#                     of seeds from 101 on; --alpha and --learning-rate take several values
#
#   --seed N          of the first run (default 1): splits, shards, weights and shuffles follow from it
#   --seeds N         how many seeds, counted up (default 1)
#   --rounds N        (default 6)
#   --epochs N        over a site's own images, each round (default 5)
#   --sites N         SuperNodes, half of them in each edge cluster (default 4)
#   --alpha X         how equal the sites' shares are: 0.1 hardly, 100 nearly (default 1)
#   --learning-rate X (default 0.01)
#   --strategy NAME   fedavg, median, trimmed or krum (default fedavg)
#   --round-timeout N seconds until a silent site counts as missing (default 120): more where the
#                     machine has other work, since a round goes on without who is missing
#   --misbehave SITE=KIND   let a site send nan, shape or reverse, as in edge-b-02=nan
#   --output DIR      for results.json, report.txt and report.png (default build/federated-learning)
#   --state DIR       --local: keep keys, store and logs here; run again to go on
#   --clean           not --local: delete the three clusters and their namespace, and end
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  local mode=kubernetes program output=$REPO/build/federated-learning options=()
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && return ;;
      --local | --tune) mode=${1#--} ;;
      --output) output=$(realpath -m "${2:?--output needs a DIR}") && shift ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  if [[ $mode == kubernetes ]]; then
    exec "$EXAMPLE/kubernetes/run.sh" --output "$output" "${options[@]}"
  fi
  ensure_python
  program=(federated.tune)
  if [[ $mode == local ]]; then
    ensure_store
    program=(federated.local --output "$output")
  fi
  PYTHONPATH=$EXAMPLE PYTHONUNBUFFERED=1 \
    exec nice "$VENV/bin/python" -m "${program[@]}" "${options[@]}"
}

main "$@"
