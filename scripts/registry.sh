# shellcheck shell=bash
# A registry as install.sh sees it: what it has, and by which name nodes pull it. Source it after
# lib.sh, set the variables below, call check_registry_options.

REGISTRY=      # host[:port][/path]
PUSH_REGISTRY= # where to push, REGISTRY if it is empty
REGISTRY_CA=
CERT_DIR=
AUTHFILE=
PLAIN_HTTP=
LOOK_OPTIONS=() # of skopeo
PUSH_OPTIONS=() # of images/push.sh

_check_registry_name() {
  [[ $2 != *://* ]] || die "$1 \"$2\" has a scheme" "write ${2#*://}; --plain-http is for http"
  [[ $2 =~ ^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ||
    $2 =~ ^\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$ ]] ||
    die "$1 \"$2\" is no registry" "write host[:port][/path], such as registry.example:5000"
}

_check_ca() {
  grep -q -e '-----BEGIN CERTIFICATE-----' "$1" 2>/dev/null ||
    die "--registry-ca $1: no certificate in PEM form is in it" "give the file of the CA that signed the registry's certificate"
}

# A folder as container tools want it, from --registry-ca alone.
_cert_dir_of_ca() {
  CERT_DIR=$(mktemp -d)
  # shellcheck disable=SC2064  # the path is meant as it is now
  trap "rm -rf -- '$CERT_DIR'" EXIT
  cp "$REGISTRY_CA" "$CERT_DIR/ca.crt"
}

check_registry_options() {
  _check_registry_name IMAGE-REGISTRY "$REGISTRY"
  if [[ -z $PUSH_REGISTRY ]]; then PUSH_REGISTRY=$REGISTRY; fi
  _check_registry_name --push-registry "$PUSH_REGISTRY"
  if [[ -n $PLAIN_HTTP ]]; then
    [[ -z $REGISTRY_CA$CERT_DIR ]] ||
      die "--plain-http and certificates contradict each other" "leave one of them out"
    LOOK_OPTIONS+=(--tls-verify=false) PUSH_OPTIONS+=(--plain-http)
  fi
  if [[ -n $CERT_DIR ]]; then
    [[ -d $CERT_DIR ]] || die "--cert-dir $CERT_DIR: there is no such folder" "see install.sh --help"
    if [[ -z $REGISTRY_CA && -e $CERT_DIR/ca.crt ]]; then REGISTRY_CA=$CERT_DIR/ca.crt; fi
  fi
  if [[ -n $REGISTRY_CA ]]; then
    _check_ca "$REGISTRY_CA"
    if [[ -z $CERT_DIR ]]; then _cert_dir_of_ca; fi
  fi
  if [[ -n $CERT_DIR ]]; then
    LOOK_OPTIONS+=(--cert-dir "$CERT_DIR") PUSH_OPTIONS+=(--cert-dir "$CERT_DIR")
  fi
  if [[ -n $AUTHFILE ]]; then
    check_authfile --authfile "$AUTHFILE"
    LOOK_OPTIONS+=(--authfile "$AUTHFILE") PUSH_OPTIONS+=(--authfile "$AUTHFILE")
  fi
  need skopeo "run scripts/install-prerequisites.sh, or install skopeo"
}

# The registry as a mirror; a path in its name is no part of that.
registry_url() {
  local scheme=https
  if [[ -n $PLAIN_HTTP ]]; then scheme=http; fi
  printf '%s://%s' "$scheme" "${REGISTRY%%/*}"
}

image_name() { "$REPO/images/build.sh" --print-name "$1"; }

# look NAME: the digest of its image.
look() {
  skopeo inspect --no-tags --format '{{.Digest}}' "${LOOK_OPTIONS[@]}" \
    "docker://$PUSH_REGISTRY/$(image_name "$1")"
}

# is_absence WORDS: does the registry say that it has no such image? Some say "denied" of a
# repository that is not there to whoever may not see all; then the push decides.
is_absence() {
  [[ $1 == *"manifest unknown"* || $1 == *"name unknown"* || $1 == *"not found"* ||
    $1 == *"NotFound"* || $1 == *"requested access to the resource is denied"* ]]
}

# Container tools take --plain-http for "HTTP, or HTTPS of whomever"; nodes take it literally.
speaks_plain_http() {
  local host=${PUSH_REGISTRY%%/*} port=80 line='' connection
  if [[ $host =~ ^(.+):([0-9]+)$ ]]; then host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}; fi
  host=${host#[} host=${host%]}
  exec {connection}<>"/dev/tcp/$host/$port" || return 1
  printf 'GET /v2/ HTTP/1.0\r\nHost: %s\r\n\r\n' "${PUSH_REGISTRY%%/*}" >&"$connection"
  IFS= read -r -t 10 -d $'\r' -u "$connection" line || true
  exec {connection}>&-
  [[ $line =~ ^HTTP/1\.[01]\ (200|401) ]] || { echo "GET http://$host:$port/v2/: ${line:-no answer}" && return 1; }
}

# Does it answer, whatever it has?
check_registry() {
  local words
  if [[ -n $PLAIN_HTTP ]]; then speaks_plain_http || return 1; fi
  if ! words=$(look controller 2>&1) && ! is_absence "$words"; then
    echo "$words"
    return 1
  fi
}

has_image() { look "$1" >/dev/null 2>&1; }

# image_reference NAME: "registry.example/vk8s/vnode@sha256:...", as nodes pull it.
image_reference() {
  local name digest
  name=$(image_name "$1")
  digest=$(look "$1") || die "registry $PUSH_REGISTRY does not show $name, which was pushed" "run install.sh again"
  printf '%s/%s@%s' "$REGISTRY" "${name%:*}" "$digest"
}
