#!/usr/bin/env bash
# Serves the best version of a federated model in the cluster fl-core, opens it to the host's network by
# spec.ports, and asks it for digits. ../federated-learning/run.sh comes before. Run it again at any time.
#
#   sudo -E examples/inference/run.sh [--model NAME]     (default digits-fedavg-seed1)
#   sudo -E examples/inference/run.sh --clean            take server and port away, and end
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../federated-learning/kubernetes/env.sh"

MODEL=digits-fedavg-seed1 CLEAN=

parse_arguments() {
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" && exit ;;
      --model) MODEL=${2:?--model needs a NAME} && shift ;;
      --clean) CLEAN=yes ;;
      *) die "'$1' is not an option" "see examples/inference/run.sh --help" ;;
    esac
    shift
  done
  [[ $MODEL =~ ^[A-Za-z0-9.-]+$ ]] || die "--model $MODEL: no such name" "it has letters, digits, '-' and '.'"
}

push_image() {
  "$REPO/images/build.sh" inference
  "$REPO/images/push.sh" --cert-dir "$(registry_credentials)" "$(push_registry)" inference
}

# ports LIST: the part of spec.ports that is this script's.
ports() {
  kubectl apply --server-side --field-manager=inference-example -f - <<YAML
apiVersion: vk8s.sktelecom.com/v1alpha1
kind: Vk8s
metadata: {name: fl-core, namespace: $NAMESPACE}
spec: {ports: $1}
YAML
}

deploy() {
  local folder
  inside fl-core apply --server-side -f "$INFERENCE/kubernetes/namespace.yaml"
  folder=$(kustomization inference "$INFERENCE/kubernetes" inference)
  cp "$STATE/keys/ca.crt" "$folder/"
  {
    echo '[default]'
    sed 's/^AWS_ACCESS_KEY_ID/aws_access_key_id/; s/^AWS_SECRET_ACCESS_KEY/aws_secret_access_key/' \
      "$STATE/keys/reader.env"
  } | install -m 600 /dev/stdin "$folder/credentials"
  cat >>"$folder/kustomization.yaml" <<YAML
secretGenerator: [{name: store, files: [ca.crt, credentials]}]
configMapGenerator: [{name: inference, behavior: merge, literals: [MODEL=$MODEL]}]
YAML
  inside fl-core -n inference apply --server-side --force-conflicts -k "$folder"
  rm -rf "$folder" # it holds keys
  inside fl-core -n inference rollout status deployment/inference --timeout=600s
}

# url: of the server from outside the host cluster: a host node, and the port that it got there.
url() {
  local endpoint port
  endpoint=$(kubectl -n "$NAMESPACE" get vk8s fl-core -o 'jsonpath={.status.endpoint}')
  port=$(kubectl -n "$NAMESPACE" get service fl-core-ports \
    -o 'jsonpath={.spec.ports[?(@.name=="inference")].nodePort}')
  [[ $port ]] || return 1
  endpoint=${endpoint#https://}
  printf 'http://%s:%s' "${endpoint%:*}" "$port"
}

# The controller finds the Service inside within seconds of its coming.
open_port() {
  local deadline=$((SECONDS + 120))
  ports '[{name: inference, port: 8080, service: inference/inference}]'
  until url && curl --silent --fail --noproxy '*' --max-time 5 "$(url)/v2/health/ready"; do
    ((SECONDS < deadline)) || return 1
    sleep 1
  done
}

clean() {
  ports '[]'
  inside fl-core delete namespace inference --ignore-not-found
}

main() {
  parse_arguments "$@"
  find_host
  [[ -e $STATE/fl-core.kubeconfig && -e $STATE/keys/reader.env ]] ||
    die "there is no cluster fl-core" "run examples/federated-learning/run.sh first"
  if [[ $CLEAN ]]; then
    phase "delete the server" "'$CLI doctor fl-core -n $NAMESPACE' says what is wrong" clean
    return
  fi
  ensure_inference
  group "image inference" push_image >/dev/null
  phase "two servers in fl-core" "the log has the rollout's state; $MODEL has to be in the store" deploy
  phase "port to the host's network" "'$CLI get fl-core -n $NAMESPACE' says what is missing" open_port
  say "$("$INFERENCE/client.sh" --url "$(url)" --model "$MODEL")"
  say "ask it: curl $(url)/v2/models/$MODEL; 'run.sh --clean' takes it away"
}

main "$@"
