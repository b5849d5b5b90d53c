#!/usr/bin/env bash
# Sends the digits that the federation kept back to a server, and prints how many it names rightly.
#
#   examples/inference/client.sh --url http://HOST:PORT --model NAME [--seed N] [--least SHARE]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

main() {
  ensure_inference
  exec "$VENV/bin/python" -m inference.client "$@"
}

main "$@"
