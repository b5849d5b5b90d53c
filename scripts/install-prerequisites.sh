#!/usr/bin/env bash
# Installs the Debian packages that building, testing and running need. Does nothing, quickly, when
# all are there.
#
#   scripts/install-prerequisites.sh [--with vm|fuzz|openapi]... [--list]
#
#   --with vm       what the tests in a virtual machine need as well (./test.sh vm)
#   --with fuzz     what fuzzing needs as well (./test.sh fuzz)
#   --with openapi  schemathesis, from Python's package index, for a part of ./test.sh integration
#   --list          print the names, install nothing
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PACKAGES=(
  # compilers and tools
  binutils ca-certificates ccache clang-format cmake curl g++ gcovr git make ninja-build pkg-config shellcheck
  # libraries of the C++ programs
  libboost-json1.81-dev libboost1.81-dev libcli11-dev libcrypt-dev libcurl4-openssl-dev libexpected-dev
  libfmt-dev libmnl-dev libsimdjson-dev libspdlog-dev libsqlite3-dev libssl-dev libyaml-cpp-dev
  prometheus-cpp-dev zlib1g-dev
  # their tests
  libbenchmark-dev libgmock-dev libgtest-dev librapidcheck-dev
  # upstream programs (runc; Kubernetes 1.20) and images
  buildah libseccomp-dev mmdebstrap rsync skopeo
  # nodes
  conntrack iproute2 iptables nftables procps util-linux
)

# More, when asked for.
VM_PACKAGES=(cpio e2fsprogs qemu-system-x86)
FUZZ_PACKAGES=(clang libclang-rt-14-dev)
OPENAPI_PACKAGES=(python3 python3-venv)

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

missing_packages() {
  local package
  for package in "${PACKAGES[@]}"; do
    is_installed "$package" || printf '%s\n' "$package"
  done
}

install_packages() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get update
  apt-get install -y --no-install-recommends "$@"
}

main() {
  local missing list='' openapi=
  while (($#)); do
    case $1 in
      -h | --help) sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" | head -n -1 && return ;;
      --list) list=yes ;;
      --with)
        case ${2:-} in
          vm) PACKAGES+=("${VM_PACKAGES[@]}") ;;
          fuzz) PACKAGES+=("${FUZZ_PACKAGES[@]}") ;;
          openapi) PACKAGES+=("${OPENAPI_PACKAGES[@]}") openapi=yes ;;
          *) die "--with '${2:-}': there is no such list" "use vm, fuzz or openapi" ;;
        esac
        shift
        ;;
      *) die "scripts/install-prerequisites.sh: '$1' is not an option" "see --help" ;;
    esac
    shift
  done
  if [[ $list ]]; then
    printf '%s\n' "${PACKAGES[@]}"
    return
  fi
  need dpkg-query "this project builds on Debian 12"
  mapfile -t missing < <(missing_packages)
  if ((${#missing[@]})); then
    if ((EUID != 0)); then
      die "these packages are not installed: ${missing[*]}" \
        "run 'sudo apt-get install ${missing[*]}', or this script as root"
    fi
    phase "Debian packages: ${#missing[@]} to install" "the log's end is apt's own message" \
      install_packages "${missing[@]}"
  fi
  if [[ $openapi ]]; then "$REPO/tests/openapi/install.sh" >/dev/null; fi
}

main "$@"
