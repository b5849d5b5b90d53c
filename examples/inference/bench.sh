#!/usr/bin/env bash
# Latency of the server, as one client sees it: p50 and p99 for 1 and 32 images in a request. Without
# --url it trains a model for some seconds and serves it on loopback. More options: --help.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  ensure_inference
  exec "$VENV/bin/python" -m inference.bench "$@"
}

main "$@"
