#!/usr/bin/env bash
# Shows that the add-on "training" works on a real API server: its objects are taken, its controllers
# run with upstream's rights and answer as webhooks, and the samples of examples/training become pods.
# No kubelet: the controllers run here, in namespaces of their own, and pods are said to have succeeded.
#
#   addons/training_check.sh FOLDER     as root; FOLDER is what `addons/build.sh training` printed
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

# Webhooks are called at endpoints, and these may not be on loopback.
ADDRESS=10.77.0.1
# NAME, the UPSTREAM program's folder, NAMESPACE, SERVICEACCOUNT, Secret with the CERTIFICATE, webhook
# SERVICE and the name of its PORT, port of the WEBHOOK server, of the PROBE and of METRICS.
CONTROLLERS=(
  "trainer kubeflow-trainer kubeflow-system kubeflow-trainer-controller-manager kubeflow-trainer-webhook-cert kubeflow-trainer-controller-manager webhook-server 9443 8081 0"
  "jobset jobset jobset-system jobset-controller-manager jobset-webhook-server-cert jobset-webhook-service - 9444 8082 8452"
  "training-operator training-operator kubeflow training-operator training-operator-webhook-cert training-operator webhook-server 9445 8083 8453"
)

# within SECONDS COMMAND...: until it succeeds.
within() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "not in time: $*" "logs are in $WORK"
    sleep 0.5
  done
}

kubectl() { "$KUBERNETES/kubectl" "$@"; }

program_folder() { "$REPO/upstream/build.sh" --print-dir "$1"; }

# issue NAME SUBJECT EXTENSION: a certificate of the cluster's CA.
issue() {
  openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out "$1.crt" \
    -extfile <(printf '%s' "$3") 2>/dev/null
}

# write_kubeconfig FILE OPTION...: options as of `kubectl config set-credentials`.
write_kubeconfig() {
  local file=$1
  shift
  kubectl config --kubeconfig="$file" set-cluster test --server="https://$ADDRESS:6443" \
    --certificate-authority=ca.crt --embed-certs
  kubectl config --kubeconfig="$file" set-credentials user "$@"
  kubectl config --kubeconfig="$file" set-context test --cluster=test --user=user
  kubectl config --kubeconfig="$file" use-context test
}

start_cluster() {
  ip link set lo up
  ip address add "$ADDRESS/32" dev lo
  openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test 2>/dev/null
  issue server /CN=kube-apiserver "subjectAltName=IP:$ADDRESS"
  issue admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
  openssl genrsa -out sa.key 2048 2>/dev/null
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  write_kubeconfig admin.kubeconfig --client-certificate=admin.crt --client-key=admin.key --embed-certs
  "$(program_folder etcd)/etcd" --data-dir=etcd --unsafe-no-fsync --log-level=warn >etcd.log 2>&1 &
  "$KUBERNETES/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --bind-address="$ADDRESS" \
    --client-ca-file=ca.crt --tls-cert-file=server.crt --tls-private-key-file=server.key \
    --service-account-key-file=sa.pub --service-account-signing-key-file=sa.key \
    --service-account-issuer=https://kubernetes.default.svc --service-cluster-ip-range=10.96.0.0/16 \
    --authorization-mode=RBAC --enable-aggregator-routing=true >kube-apiserver.log 2>&1 &
  within 90 kubectl get --raw /readyz
  "$KUBERNETES/kube-controller-manager" --kubeconfig=admin.kubeconfig --leader-elect=false \
    --service-account-private-key-file=sa.key --root-ca-file=ca.crt >kube-controller-manager.log 2>&1 &
  within 60 kubectl get serviceaccount default
}

# apply_set: all but the webhook configurations, which wait for their servers.
apply_set() {
  awk -v RS='\n---\n' '{
    file = /\nkind: (Validating|Mutating)WebhookConfiguration\n/ ? "webhooks.yaml" : "objects.yaml"
    print $0 "\n---" >file
  }' "$FOLDER"/*/manifests.yaml
  kubectl apply --server-side -f objects.yaml
  kubectl wait --for=condition=Established crd --all --timeout=60s
}

# run_controller NAMESPACE SECRET KUBECONFIG PROGRAM OPTION...: as in its pod: its account, its
# namespace, and the Secret as a volume. The programs know these paths only.
run_controller() {
  local namespace=$1 secret=$2 config=$3 volume=/tmp/k8s-webhook-server/serving-certs
  local account=/run/secrets/kubernetes.io/serviceaccount
  shift 3
  mount -t tmpfs tmpfs /tmp
  mount -t tmpfs tmpfs /run
  mkdir -p "$volume" "$account"
  printf '%s' "$namespace" >"$account/namespace"
  (
    within 60 has_certificate "$namespace" "$secret"
    for file in ca.crt tls.key tls.crt; do
      kubectl -n "$namespace" get secret "$secret" -o "go-template={{index .data \"$file\" | base64decode}}" \
        >"/tmp/$file"
      mv "/tmp/$file" "$volume/"
    done
  ) &
  KUBECONFIG=$config MY_POD_NAMESPACE=$namespace exec "$@"
}

has_certificate() { kubectl -n "$1" get secret "$2" -o yaml | grep -q tls.crt:; }

# start_controller LINE
start_controller() {
  local name upstream namespace account secret webhook probe metrics program options
  read -r name upstream namespace account secret _ _ webhook probe metrics <<<"$1"
  program=$(program_folder "$upstream")
  options=(--health-probe-bind-address="127.0.0.1:$probe" --metrics-bind-address="${metrics/#[1-9]/:&}")
  if [[ $name == jobset ]]; then
    printf 'apiVersion: config.jobset.x-k8s.io/v1alpha1\nkind: Configuration\nwebhook: {port: %s}\n' \
      "$webhook" >jobset.yaml
    options+=(--config=jobset.yaml)
  else
    options+=(--webhook-server-port="$webhook")
  fi
  write_kubeconfig "$name.kubeconfig" --token="$(kubectl -n "$namespace" create token "$account")"
  export -f run_controller has_certificate within kubectl die say _clear_progress _ui_is_terminal
  unshare -m bash -euc 'run_controller "$@"' run "$namespace" "$secret" "$PWD/$name.kubeconfig" \
    "$program"/* "${options[@]}" >"$name.log" 2>&1 &
  # Before there is any webhook configuration: else an installer that waits for servers waits for ever.
  within 120 curl -sf "http://127.0.0.1:$probe/readyz"
}

# announce LINE: the endpoint of its webhook Service, whose selector finds no pod here.
announce() {
  local namespace service port webhook
  read -r _ _ namespace _ _ service port webhook _ <<<"$1"
  kubectl -n "$namespace" patch service "$service" --type=json \
    -p '[{"op": "remove", "path": "/spec/selector"}]'
  kubectl apply --server-side -f - <<YAML
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $service-check, namespace: $namespace, labels: {kubernetes.io/service-name: $service}}
addressType: IPv4
ports: [{name: "${port#-}", port: $webhook, protocol: TCP}]
endpoints: [{addresses: [$ADDRESS], conditions: {ready: true}}]
YAML
}

all_have_a_ca() {
  local bundles
  bundles=$(kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o \
    'go-template={{range .items}}{{range .webhooks}}{{len .clientConfig.caBundle}}{{"\n"}}{{end}}{{end}}')
  [[ $bundles ]] && ! grep -qx '0\|<nil>' <<<"$bundles"
}

start_webhooks() {
  local line
  for line in "${CONTROLLERS[@]}"; do announce "$line"; done
  kubectl apply --server-side -f webhooks.yaml
  within 60 all_have_a_ca
}

# refused WORDS: the API server does not take the object on stdin, and says WORDS.
refused() {
  local answer
  if answer=$(kubectl create -f - 2>&1); then die "taken, though bad: $answer"; fi
  [[ $answer == *"$1"* ]] || die "'$answer' does not say '$1'"
}

has_pods() { (($(kubectl get pods -l "$1" -o name | wc -l) == $2)); }

run_samples() {
  local pod
  # The webhooks' first calls may come before the API server knows the endpoints.
  within 30 kubectl apply --server-side -k "$REPO/examples/training"
  within 30 kubectl apply --server-side -f "$REPO/examples/training/kubernetes/trainjob.yaml"
  within 30 kubectl apply --server-side -f "$REPO/examples/training/kubernetes/tfjob.yaml"
  within 60 has_pods jobset.sigs.k8s.io/jobset-name=digits 2
  within 60 has_pods training.kubeflow.org/job-name=digits 2
  kubectl get trainjobs,jobsets,jobs,tfjobs,pods -o wide
  refused 'must be created before the TrainJob' <<<'{"apiVersion": "trainer.kubeflow.org/v1alpha1",
    "kind": "TrainJob", "metadata": {"name": "bad"}, "spec": {"runtimeRef": {"name": "missing"}}}'
  refused 'at least one container with name tensorflow' <<<'{"apiVersion": "kubeflow.org/v1",
    "kind": "TFJob", "metadata": {"name": "bad"}, "spec": {"tfReplicaSpecs": {"Worker": {"replicas": 1,
    "template": {"spec": {"containers": [{"name": "other", "image": "busybox"}]}}}}}}'
  for pod in $(kubectl get pods -o name); do
    kubectl patch "$pod" --subresource=status --type=merge -p "{\"status\": {\"phase\": \"Succeeded\",
      \"containerStatuses\": [{\"name\": \"$(kubectl get "$pod" -o 'jsonpath={.spec.containers[0].name}')\",
      \"image\": \"-\", \"imageID\": \"-\", \"ready\": false, \"restartCount\": 0,
      \"state\": {\"terminated\": {\"exitCode\": 0}}}]}}"
  done
  kubectl wait --for=condition=Complete trainjob/digits --timeout=60s
  kubectl wait --for=condition=Succeeded tfjob/digits --timeout=60s
}

# no_right_is_missing: the controllers ran with their own accounts.
no_right_is_missing() {
  if grep -i 'is forbidden\|cannot list resource' trainer.log jobset.log training-operator.log; then
    die "a controller lacks a right" "see above; RBAC is in $FOLDER"
  fi
}

check() {
  local line hint="logs are in $WORK"
  cd "$WORK"
  export KUBECONFIG=$WORK/admin.kubeconfig
  phase "API server" "$hint" start_cluster
  phase "objects, but webhook configurations" "$hint" apply_set
  for line in "${CONTROLLERS[@]}"; do
    phase "controller ${line%% *}" "$hint" start_controller "$line"
  done
  phase "webhooks" "$hint" start_webhooks
  phase "samples" "$hint" run_samples
  phase "rights" "$hint" no_right_is_missing
}

main() {
  case ${1:-} in
    -h | --help | '') sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
  esac
  ((EUID == 0)) || die "this needs root (namespaces)" "run it with sudo -E"
  FOLDER=$(realpath "$1")
  KUBERNETES=$(program_folder kubernetes)
  export FOLDER KUBERNETES
  if [[ ${VK8S_CHECK_WORK:-} ]]; then
    export WORK=$VK8S_CHECK_WORK
    check
    return
  fi
  WORK=$(mktemp -d /var/tmp/vk8s-training-check.XXXXXX)
  # All that is started ends with this: it is PID 1 of its namespace.
  VK8S_CHECK_WORK=$WORK unshare -n -m -p --fork --mount-proc --kill-child "${BASH_SOURCE[0]}" "$FOLDER"
  rm -rf -- "$WORK"
}

main "$@"
