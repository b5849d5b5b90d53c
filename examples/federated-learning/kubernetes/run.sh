#!/usr/bin/env bash
# The example on three virtual clusters of the embedded host; ../run.sh calls it and lists the options.
# Run it again at any time: what is there stays, a training that was broken off goes on.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../env.sh"
. "$(dirname "${BASH_SOURCE[0]}")/env.sh"

CLUSTERS=(fl-core fl-edge-a fl-edge-b)
SEED=1 SEEDS=1 ROUNDS=6 EPOCHS=5 SITES=4 ALPHA=1 LEARNING_RATE=0.01 STRATEGY=fedavg ROUND_TIMEOUT=120 OUTPUT='' CLEAN=''
declare -A MISBEHAVE=()

parse_arguments() {
  while (($#)); do
    case $1 in
      --seed) SEED=${2:?--seed needs a number} && shift ;;
      --seeds) SEEDS=${2:?--seeds needs a number} && shift ;;
      --rounds) ROUNDS=${2:?--rounds needs a number} && shift ;;
      --epochs) EPOCHS=${2:?--epochs needs a number} && shift ;;
      --sites) SITES=${2:?--sites needs a number} && shift ;;
      --alpha) ALPHA=${2:?--alpha needs a number} && shift ;;
      --learning-rate) LEARNING_RATE=${2:?--learning-rate needs a number} && shift ;;
      --strategy) STRATEGY=${2:?--strategy needs a name} && shift ;;
      --round-timeout) ROUND_TIMEOUT=${2:?--round-timeout needs a number} && shift ;;
      --misbehave) MISBEHAVE[${2%%=*}]=${2#*=} && shift ;;
      --output) OUTPUT=${2:?--output needs a DIR} && shift ;;
      --clean) CLEAN=yes ;;
      *) die "'$1' is not an option" "see examples/federated-learning/run.sh --help" ;;
    esac
    shift
  done
  for number in "$SEED" "$SEEDS" "$ROUNDS" "$EPOCHS" "$SITES" "$ROUND_TIMEOUT"; do
    [[ $number =~ ^[1-9][0-9]*$ ]] || die "'$number' is not a number above 0" "see --help"
  done
}

# site_name NUMBER: as federated.local has them, two edges filled one after the other.
site_name() {
  local first=$(((SITES + 1) / 2))
  if (($1 < first)); then printf 'edge-a-%02d' $(($1 + 1)); else printf 'edge-b-%02d' $(($1 - first + 1)); fi
}

host_service_address() {
  kubectl -n "$NAMESPACE" get service "$1" -o 'jsonpath={.spec.clusterIP}'
}

make_clusters() {
  local cluster
  kubectl apply --server-side -f "$EXAMPLE/kubernetes/clusters.yaml"
  for cluster in "${CLUSTERS[@]}"; do
    "$CLI" watch "$cluster" -n "$NAMESPACE" --timeout 300
    "$CLI" kubeconfig "$cluster" -n "$NAMESPACE" --file "$STATE/$cluster.kubeconfig"
    inside "$cluster" apply --server-side -f "$EXAMPLE/kubernetes/core/namespace.yaml"
  done
}

# The clusters' way to fl-core: a Service of the host, by spec.ports.
open_ports() {
  inside fl-core apply --server-side -f "$EXAMPLE/kubernetes/core/services.yaml"
  kubectl -n "$NAMESPACE" wait service/fl-core-ports --for=create --timeout=120s
}

make_keys() {
  local number names=() address
  for ((number = 0; number < SITES; number++)); do names+=("$(site_name "$number")"); done
  address=$(host_service_address fl-core-ports)
  PYTHONPATH=$EXAMPLE "$VENV/bin/python" -m federated.identity "$STATE/keys" \
    --hosts "127.0.0.1,localhost,store.$NAMESPACE.svc,gate.$NAMESPACE.svc,$address" \
    --sites "$(IFS=,; printf '%s' "${names[*]}")"
}

# overlay NAME BASE: of kubernetes/BASE, with the image as it is in the registry.
overlay() {
  local folder
  folder=$(kustomization "$1" "$EXAMPLE/kubernetes/$2" "$NAMESPACE")
  printf 'images: [{name: federated-learning, newName: %s, digest: "%s"}]\n' "${IMAGE%@*}" "${IMAGE#*@}" \
    >>"$folder/kustomization.yaml"
  printf '%s' "$folder"
}

deploy_core() {
  local folder file
  folder=$(overlay core core)
  cp "$STATE"/keys/{ca.crt,server.crt,server.key,iam/users.json,store.env} "$folder/"
  cat >>"$folder/kustomization.yaml" <<YAML
secretGenerator:
- {name: keys, files: [ca.crt, server.crt, server.key, users.json]}
- {name: store-owner, envs: [store.env]}
configMapGenerator:
- name: sites
  files:
YAML
  for file in "$STATE"/keys/sites/*.pub; do
    cp "$file" "$folder/"
    printf '  - %s\n' "${file##*/}" >>"$folder/kustomization.yaml"
  done
  inside fl-core apply --server-side --force-conflicts -k "$folder"
  rm -rf "$folder" # it holds keys
  inside fl-core rollout status deployment/store deployment/superlink --timeout=600s
}

# driver COMMAND...: federated.driver beside the SuperLink.
driver() {
  driver_exec python3 -m federated.driver --app /app --superlink 127.0.0.1:8000 --ca /keys/ca.crt "$@" </dev/null
}

# Before the sites start: a SuperNode whose key is not registered gives up.
prepare() { driver prepare --keys /sites; }

deploy_site() {
  local number=$1 name cluster folder settings
  name=$(site_name "$number")
  cluster=fl-${name%-*}
  folder=$(overlay "$name" site)
  settings="site=$number"
  if [[ ${MISBEHAVE[$name]:-} ]]; then settings+=" misbehave=\"${MISBEHAVE[$name]}\""; fi
  cp "$STATE/keys/ca.crt" "$folder/"
  cp "$STATE/keys/sites/$name.key" "$folder/site.key"
  printf 'SUPERLINK=%s:9443\nNODE_CONFIG=%s\n' "$(host_service_address fl-core-ports)" "$settings" \
    >"$folder/site.env"
  cat >>"$folder/kustomization.yaml" <<YAML
nameSuffix: "-$name"
labels: [{pairs: {site: $name}, includeSelectors: true}]
secretGenerator: [{name: site, files: [ca.crt, site.key]}]
configMapGenerator: [{name: site, envs: [site.env]}]
YAML
  inside "$cluster" apply --server-side --force-conflicts -k "$folder"
  rm -rf "$folder"
}

deploy_sites() {
  local number
  for ((number = 0; number < SITES; number++)); do deploy_site "$number"; done
  for ((number = 0; number < SITES; number++)); do
    inside "fl-$(site_name "$number" | cut -d - -f 1,2)" rollout status \
      "deployment/supernode-$(site_name "$number")" --timeout=600s
  done
}

driver_exec() { inside fl-core exec -i deployment/superlink -c driver -- "$@"; }

# federate NAME DIGITS SEED: live on the terminal. The pod may go in between: a second try goes on.
federate() {
  local attempt
  for attempt in 1 2 3 4 5; do
    if driver federate --set "name=\"$1\"" --set "digits=\"$2\"" --set "seed=$3" \
      --set "sites=$SITES" --set "alpha=$ALPHA" --set "rounds=$ROUNDS" --set "epochs=$EPOCHS" \
      --set "learning-rate=$LEARNING_RATE" --set "strategy=\"$STRATEGY\"" \
      --set "round-timeout=$ROUND_TIMEOUT" >&"$VK8S_UI"; then
      return
    fi
    say "the driver ended; attempt $attempt of 5"
    inside fl-core rollout status deployment/superlink --timeout=300s >/dev/null ||
      say "the SuperLink is not ready yet"
  done
  die "$1 is not finished" "kubectl --kubeconfig $STATE/fl-core.kubeconfig -n $NAMESPACE logs deployment/superlink -c superlink"
}

# transfer MODEL PARTIAL_MODEL SEED: the Job at the second edge; its line of JSON to the file.
transfer() {
  local folder job=transfer-$3
  folder=$(overlay "$job" transfer)
  cp "$STATE"/keys/{ca.crt,reader.env} "$folder/"
  printf 'STORE_ENDPOINT=https://%s:7070\nMODEL=%s\nPARTIAL_MODEL=%s\nSEED=%s\n' \
    "$(host_service_address fl-core-ports)" "$1" "$2" "$3" >"$folder/transfer.env"
  cat >>"$folder/kustomization.yaml" <<YAML
nameSuffix: "-$3"
secretGenerator: [{name: store-reader, files: [ca.crt], envs: [reader.env]}]
configMapGenerator: [{name: transfer, envs: [transfer.env]}]
YAML
  inside fl-edge-b delete job "$job" --ignore-not-found --wait
  inside fl-edge-b apply --server-side --force-conflicts -k "$folder"
  rm -rf "$folder"
  inside fl-edge-b wait "job/$job" --for=condition=Complete --timeout=900s
  inside fl-edge-b logs "job/$job" --tail=1 >"$STATE/transfer.json"
}

evaluate() {
  driver_exec python3 -m federated.report evaluate --model "$1" <"$STATE/transfer.json" \
    >"$STATE/result.json"
  tail -n 1 "$STATE/result.json" >>"$STATE/results.jsonl"
}

run_seed() {
  local seed=$1 name=digits-$STRATEGY-seed$1
  say "seed $seed: federating $name (digits 0 to 9)"
  federate "$name" 0123456789 "$seed"
  say "seed $seed: federating $name-low (digits 0 to 4)"
  federate "$name-low" 01234 "$seed"
  phase "seed $seed: new site in fl-edge-b" "the log has the Job's state" \
    transfer "$name" "$name-low" "$seed"
  phase "seed $seed: evaluation" "the log's end says why" evaluate "$name"
}

clean() {
  local cluster
  for cluster in "${CLUSTERS[@]}"; do
    phase "delete $cluster" "'$CLI doctor $cluster -n $NAMESPACE' says what is wrong" \
      "$CLI" delete "$cluster" -n "$NAMESPACE" --yes --wait
  done
  phase "delete namespace $NAMESPACE" "the log has the API server's answer" \
    kubectl delete namespace "$NAMESPACE"
  rm -rf "$STATE"
}

main() {
  local seed
  parse_arguments "$@"
  find_host
  mkdir -p "$STATE"
  chmod 700 "$STATE"
  if [[ $CLEAN ]]; then
    clean
    return
  fi
  ensure_python
  ensure_store
  IMAGE=$("$EXAMPLE/kubernetes/image.sh" "$(push_registry)" "$(registry_credentials)")
  phase "clusters ${CLUSTERS[*]}" "'$CLI doctor fl-core -n $NAMESPACE' says what is wrong" make_clusters
  phase "ports of fl-core" "'$CLI get fl-core -n $NAMESPACE' says what is missing" open_ports
  phase "certificates and keys" "the log's end says why" make_keys
  phase "store, SuperLink and gate in fl-core" "the log has the rollout's state" deploy_core
  phase "bucket; keys of the sites registered" "the log's end says why" prepare
  phase "$SITES SuperNodes in fl-edge-a and fl-edge-b" "the log has the rollout's state" deploy_sites
  rm -f "$STATE/results.jsonl"
  for ((seed = SEED; seed < SEED + SEEDS; seed++)); do run_seed "$seed"; done
  PYTHONPATH=$EXAMPLE "$VENV/bin/python" -m federated.report write "$OUTPUT" <"$STATE/results.jsonl" |
    while IFS= read -r line; do say "$line"; done
  say "picture: $OUTPUT/report.png; clusters stay: 'run.sh --clean' deletes them"
}

main "$@"
