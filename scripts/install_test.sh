#!/usr/bin/env bash
# Tests what install.sh and uninstall.sh refuse, with a kubectl that only plays a cluster.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$REPO/scripts/testing.sh"
. "$REPO/scripts/cluster.sh"

FOLDER=$(mktemp -d)
trap 'rm -rf -- "$FOLDER"' EXIT
# Logs of these runs are not those of the user's.
export VK8S_CACHE=$FOLDER/cache KUBECTL=$FOLDER/kubectl
export FAKE_VERSION FAKE_NODES FAKE_DENIED FAKE_EVENTS FAKE_FINDINGS FAKE_CLUSTERS FAKE_BROKEN FAKE_CONFIG FAKE_RANGE FAKE_POOL

cat >"$KUBECTL" <<'EOF'
#!/usr/bin/env bash
case $* in
  *'--raw /version') printf '{"gitVersion": "%s"}' "$FAKE_VERSION" ;;
  *conditions*nodes) printf '%b' "$FAKE_NODES" ;;
  *kernelVersion*nodes) printf '%b' "$FAKE_NODES" ;;
  'auth can-i * *'*) echo no ;;
  'auth can-i '*) if [[ $FAKE_DENIED == "$3 $4" ]]; then echo no && exit 1; else echo yes; fi ;;
  *--watch*) printf '%b' "$FAKE_EVENTS" && exec sleep 60 ;;
  *terminated.message*) printf '%b' "$FAKE_FINDINGS" ;;
  'get namespace'*) echo namespace/vk8s-system ;;
  'get crd/'*) if [[ -n $FAKE_BROKEN ]]; then echo timeout >&2 && exit 1; else echo crd; fi ;;
  *vk8s.vk8s.sktelecom.com*--all-namespaces) printf '%b' "$FAKE_CLUSTERS" ;;
  *configmap/vk8s-controller-config)
    if [[ -n $FAKE_BROKEN ]]; then echo timeout >&2 && exit 1; else printf '%s' "$FAKE_CONFIG"; fi
    ;;
  *configmap/vk8s-ip-reservation) printf '%s' "$FAKE_RANGE" ;;
  *vnodeippools.vk8s.sktelecom.com/default) printf '%s' "$FAKE_POOL" ;;
  apply*' -k '*) cp "${!#}/config.toml" "${!#}/kustomization.yaml" "${KUBECTL%/*}/" ;;
  apply*) cat >>"${KUBECTL%/*}/applied" ;;
  *delete*) printf '%s\n' "$*" >>"${KUBECTL%/*}/deleted" ;;
esac
EOF
chmod +x "$KUBECTL"

check_cluster() {
  FAKE_VERSION=v1.31.0-eks-1 FAKE_DENIED=
  FAKE_NODES='a\tlinux\t5.4.0-1-generic\t10.0.0.1 fd00::1\nb\twindows\t10.0.1\t10.0.0.2\n'
  passes scripts/check-cluster.sh --range 10.0.0.2-10.0.0.9
  says 'its address 10.0.0.1 is in the range' scripts/check-cluster.sh --range 10.0.0.0/30
  says 'its address fd00::1 is in the range' scripts/check-cluster.sh --range fd00::/64
  FAKE_VERSION=v1.30.9 says 'Kubernetes is v1.30.9: 1.31 or later' scripts/check-cluster.sh
  FAKE_VERSION='' says 'of no known version' scripts/check-cluster.sh
  FAKE_NODES='a\tlinux\t4.19.0\t10.0.0.1\n' says 'node "a": its kernel is 4.19.0' scripts/check-cluster.sh
  FAKE_NODES='' says 'no Linux node' scripts/check-cluster.sh
  FAKE_DENIED='patch secrets' says 'you may not patch secrets in vk8s-system' scripts/check-cluster.sh
}

check_nodes() {
  local check=(scripts/check-nodes.sh --image registry.example/vk8s/vnode:v1 --timeout 3)
  FAKE_NODES='a|linux|True||\nb|linux|True|true|\nc|linux|True||node-role.kubernetes.io/control-plane=NoSchedule,\n'
  FAKE_EVENTS='vk8s-probe-0||Pending|ContainerCreating|\nvk8s-probe-0||Succeeded||\n'
  FAKE_FINDINGS='overlay ok\nlimit fs.inotify.max_user_instances 8192\nlimit fs.inotify.max_user_watches 1048576\nlimit kernel.keys.maxkeys 200\n'
  passes "${check[@]}"
  grep -q 'delete pods,secrets' "$FOLDER/deleted" || wrong "the probes are not deleted"
  FAKE_FINDINGS='overlay mount: permission denied\n' \
    says 'node "a": no overlay can be mounted: mount: permission denied' "${check[@]}"
  FAKE_FINDINGS='' says 'node "a": the probe has found nothing' "${check[@]}"
  FAKE_EVENTS='vk8s-probe-0||Pending|ErrImagePull|no such host\n' \
    says 'node "a": the node image cannot be run: ErrImagePull: no such host' "${check[@]}"
  FAKE_EVENTS='vk8s-probe-0|2026-01-01|Pending||\n' says 'was deleted before its end' "${check[@]}"
  FAKE_EVENTS='vk8s-probe-0||Pending||\n' says 'after 3 s 0 of 1 nodes have answered' "${check[@]}"
  FAKE_FINDINGS='overlay ok\nlimit fs.inotify.max_user_instances 128\n'
  says "sysctl -w fs.inotify.max_user_instances=8192" "${check[@]}"
  passes "${check[@]}" --ignore-limits
  [[ $OUTPUT == *'warning: node "a": fs.inotify.max_user_instances is 128'* ]] || wrong "no warning: $OUTPUT"
  FAKE_NODES='b|linux|False||\nc|windows|True||\n' says 'no node can run vnodes' "${check[@]}"
}

# configured WORDS: they are in the configuration that was applied last.
configured() {
  grep -qF -- "$1" "$FOLDER/config.toml" || wrong "config.toml has not '$1' but: $(<"$FOLDER/config.toml")"
}

# Who installs one version has not asked to take the others away.
check_node_images() {
  local digest deploy
  digest=sha256:$(printf '0%.0s' {1..64})
  deploy=(scripts/deploy.sh --controller-image "r.example/vk8s/controller@$digest")
  FAKE_CONFIG=$'vnode-image = ["1.37=r.example/old@sha256:1", "1.36=r.example/kept@sha256:2"]\nregistry-mirror = "https://r.example"\n'
  passes "${deploy[@]}" --vnode-image 1.37=r.example/new@sha256:3
  configured 'vnode-image = ["1.37=r.example/new@sha256:3", "1.36=r.example/kept@sha256:2"]'
  passes "${deploy[@]}" --vnode-image 1.37=r.example/new@sha256:3 --vnode-image 1.36=r.example/new@sha256:4
  configured 'vnode-image = ["1.37=r.example/new@sha256:3", "1.36=r.example/new@sha256:4"]'
  FAKE_BROKEN=yes says timeout "${deploy[@]}" --vnode-image 1.37=r.example/new@sha256:5
  configured 'vnode-image = ["1.37=r.example/new@sha256:3", "1.36=r.example/new@sha256:4"]'
  FAKE_CONFIG='vnode-image = []' passes "${deploy[@]}" --vnode-image 1.37=r.example/new@sha256:3
  configured 'vnode-image = ["1.37=r.example/new@sha256:3"]'
  FAKE_CONFIG=''
}

# Nor who offers one add-on; and the controller reads them by one CA.
check_addons() {
  local digest deploy ca=$FOLDER/ca.crt
  digest=sha256:$(printf '0%.0s' {1..64})
  printf '%s\n' '-----BEGIN CERTIFICATE-----' >"$ca"
  deploy=(scripts/deploy.sh --controller-image "r.example/vk8s/controller@$digest" --vnode-image 1.37=r.example/new@sha256:3)
  FAKE_CONFIG=$'vnode-image = []\naddon = ["training=r.example/old@sha256:1", "metrics-server=r.example/kept@sha256:2"]\n'
  passes "${deploy[@]}" --registry-ca "$ca" --addon training=r.example/new@sha256:3
  configured 'addon = ["training=r.example/new@sha256:3", "metrics-server=r.example/kept@sha256:2"]'
  says 'the add-ons training metrics-server need --registry-ca' "${deploy[@]}"
  FAKE_CONFIG=''
  play_registry
  says '--addon needs --registry-ca' "${INSTALL[@]}" --addon training r.example:5000 10.0.1.0/24
  says 'no --no-mirror' "${INSTALL[@]}" --addon training --registry-ca "$ca" --no-mirror r.example:5000 10.0.1.0/24
}

# A registry that has every image: install.sh builds none. Sets DIGEST and INSTALL.
play_registry() {
  DIGEST=sha256:$(printf '0%.0s' {1..64})
  mkdir -p "$FOLDER/bin"
  printf '#!/bin/sh\necho %s\n' "$DIGEST" >"$FOLDER/bin/skopeo"
  chmod +x "$FOLDER/bin/skopeo"
  INSTALL=(env "PATH=$FOLDER/bin:$PATH" ./install.sh --skip-node-checks)
  FAKE_VERSION=v1.37.2 FAKE_NODES='a\tlinux\t6.1.0\t10.0.0.1\n' FAKE_DENIED=
}

# applied WORDS...: what the last install.sh has applied holds each of them, and no WORDS = nothing
# of a pool or a range.
applied() {
  local words
  if (($# == 0)) && grep -q -e VNodeIPPool -e 'range:' "$FOLDER/applied"; then
    wrong "applied: $(<"$FOLDER/applied")"
  fi
  for words in "$@"; do
    grep -qF "$words" "$FOLDER/applied" || wrong "not applied: $words; but $(<"$FOLDER/applied")"
  done
  : >"$FOLDER/applied"
}

check_range_installed() {
  local pool='spec: {ranges: ["10.0.1.0/24"]}' range='data: {range: "10.0.1.0/24"}'
  play_registry
  : >"$FOLDER/applied"
  passes "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  applied "$pool" "$range"
  FAKE_RANGE=10.0.1.0-10.0.1.255 FAKE_POOL='10.0.1.0/25 10.0.9.7'
  passes "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  applied
  # An installation of before there were pools.
  FAKE_POOL='' passes "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  applied "$pool"
  FAKE_RANGE=10.0.2.0/24 FAKE_POOL=10.0.2.0/24
  says '"10.0.2.0/24" is stored' "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  applied
  passes "${INSTALL[@]}" --replace-range r.example:5000 10.0.1.0/24
  applied "$pool" "$range"
  # A pool that somebody else has made.
  FAKE_RANGE=
  says '"10.0.2.0/24" is stored' "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  FAKE_POOL='10.0.1.0/25 10.0.1.128/25' says 'is stored' "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  FAKE_BROKEN=yes says 'cannot be read' "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  FAKE_POOL=
}

check_versions_installed() {
  play_registry
  passes "${INSTALL[@]}" --version 1.36 --version 1.37 --version 1.36 r.example:5000 10.0.1.0/24
  configured "vnode-image = [\"1.37=r.example:5000/vk8s/vnode@$DIGEST\", \"1.36=r.example:5000/vk8s/vnode@$DIGEST\"]"
  says "Kubernetes '1.2' is not in upstream/releases" "${INSTALL[@]}" --version 1.2 r.example:5000 10.0.1.0/24
}

# Only who asks for vk8s-ip-node gets it, with the routes that he asks for.
check_ip_node() {
  play_registry
  passes "${INSTALL[@]}" r.example:5000 10.0.1.0/24
  grep -qx 'resources: \[config\]' "$FOLDER/kustomization.yaml" || wrong "not asked for: $(<"$FOLDER/kustomization.yaml")"
  passes "${INSTALL[@]}" --ip-node none r.example:5000 10.0.1.0/24
  grep -qF '[config, config/ip-node/ip-node.yaml]' "$FOLDER/kustomization.yaml" || wrong "--ip-node none"
  passes "${INSTALL[@]}" --ip-node host-gateway r.example:5000 10.0.1.0/24
  grep -qF '[config, config/ip-node/host-gateway.yaml]' "$FOLDER/kustomization.yaml" || wrong "--ip-node host-gateway"
  says '--ip-node vxlan: not a kind of routes' "${INSTALL[@]}" --ip-node vxlan r.example:5000 10.0.1.0/24
}

check_arguments() {
  says 'takes two arguments, not 1' ./install.sh registry.example
  says 'write 10.0.0.1-10.0.0.9' ./install.sh registry.example 10.0.0.9-10.0.0.1
  says 'has a scheme' ./install.sh https://registry.example 10.0.0.0/24
  says 'is no registry' ./install.sh 'registry example' 10.0.0.0/24
  says 'contradict each other' ./install.sh registry.example 10.0.0.0/24 --plain-http --cert-dir /
  says 'no certificate in PEM form' ./install.sh registry.example 10.0.0.0/24 --registry-ca /dev/null
  says 'there is no such file' ./install.sh registry.example 10.0.0.0/24 --pull-authfile "$FOLDER/none"
  printf '{"auths": {"registry.example": {}}, "credsStore": "desktop"}' >"$FOLDER/config.json"
  says 'it holds no credentials' ./install.sh registry.example 10.0.0.0/24 --authfile "$FOLDER/config.json"
  says "'--nonsense' is not an option" ./install.sh --nonsense
  passes ./install.sh --help
  passes ./uninstall.sh --help
}

check_uninstall() {
  local file
  FAKE_VERSION=v1.37.2 FAKE_CLUSTERS='team-a/one (Running)\n'
  : >"$FOLDER/deleted"
  says 'virtual cluster team-a/one (Running)' ./uninstall.sh
  [[ ! -s $FOLDER/deleted ]] || wrong "uninstall.sh deletes what it refuses to: $(<"$FOLDER/deleted")"
  FAKE_BROKEN=yes FAKE_CLUSTERS='' says 'cannot be listed' ./uninstall.sh --force
  [[ ! -s $FOLDER/deleted ]] || wrong "uninstall.sh takes an error for 'no clusters'"
  FAKE_CLUSTERS='' passes ./uninstall.sh --keep-crds
  ! grep -q config/crd/ "$FOLDER/deleted" || wrong "--keep-crds deletes a CRD"
  FAKE_CLUSTERS='' passes ./uninstall.sh
  for file in config/crd/*.yaml config/ip-manager/ip-manager.yaml config/ip-node/ip-node.yaml config/rbac/rbac.yaml; do
    grep -q "$file" "$FOLDER/deleted" || wrong "uninstall.sh leaves what is in $file"
  done
}

# What `host up` raises is what an installation asks for.
check_limits() {
  local key
  for key in fs.inotify.max_user_instances fs.inotify.max_user_watches; do
    [[ $(sed -n "s/.*{\"$key\", \([0-9]*\)}.*/\1/p" src/host/machine_limits.cc) == \
      $(sed -n "s/.*\[$key\]=\([0-9]*\).*/\1/p" scripts/check-nodes.sh) ]] ||
      wrong "$key differs between src/host/machine_limits.cc and scripts/check-nodes.sh"
  done
}

check_versions() {
  is_at_least v1.31.0 1.31 || wrong "1.31.0"
  is_at_least v1.100.0 1.31 || wrong "1.100"
  ! is_at_least v1.9.9 1.31 || wrong "1.9.9"
  is_at_least 6.18.44-fc-v669 5.4 || wrong "6.18"
  ! is_at_least 5.3.99 5.4 || wrong "5.3"
  ! is_at_least nonsense 5.4 || wrong "nonsense"
}

cd "$REPO"
check_versions
check_limits
check_arguments
check_cluster
check_nodes
check_node_images
check_addons
check_versions_installed
check_range_installed
check_ip_node
check_uninstall
((FAILED == 0)) || die "install.sh, uninstall.sh or their scripts are wrong in the places above"
