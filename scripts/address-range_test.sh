#!/usr/bin/env bash
# Tests address-range.sh: what is a range, what is not, and why.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$REPO/scripts/testing.sh"
. "$REPO/scripts/address-range.sh"

# is RANGE FIRST LAST
is() {
  local found
  if ! parse_range "$1"; then
    wrong "$1 is refused: $RANGE_PROBLEM"
    return
  fi
  found="$(format_address "$FIRST") $(format_address "$LAST")"
  [[ $found == "$2 $3" ]] || wrong "$1: $found, wanted $2 $3"
}

# refuses RANGE WORDS
refuses() {
  if parse_range "$1"; then
    wrong "'$1' is taken"
  elif [[ $RANGE_PROBLEM != *"$2"* ]]; then
    wrong "'$1': '$RANGE_PROBLEM' does not say '$2'"
  fi
}

yes() { "$@" || wrong "not: $*"; }
no() { ! "$@" || wrong "wrongly: $*"; }

is 192.168.10.100-192.168.10.199 192.168.10.100 192.168.10.199
is 10.0.0.1-10.0.0.1 10.0.0.1 10.0.0.1
is 9.255.255.255-10.0.0.0 9.255.255.255 10.0.0.0
is 192.168.10.64/26 192.168.10.64 192.168.10.127
is 10.0.0.0/8 10.0.0.0 10.255.255.255
is 10.1.2.3/32 10.1.2.3 10.1.2.3
is 10.1.2.0/31 10.1.2.0 10.1.2.1
is fd00:1::/112 fd00:1:0:0:0:0:0:0 fd00:1:0:0:0:0:0:ffff
is fd00::10-fd00::1F fd00:0:0:0:0:0:0:10 fd00:0:0:0:0:0:0:1f
is 2001:db8:1:2:3:4:5:6-2001:db8:1:2:3:4:6:1 2001:db8:1:2:3:4:5:6 2001:db8:1:2:3:4:6:1
is fd00::/9 fd00:0:0:0:0:0:0:0 fd7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff
is fd00:1:2:3:4:5:6::/128 fd00:1:2:3:4:5:6:0 fd00:1:2:3:4:5:6:0

refuses '' 'neither FIRST-LAST nor a CIDR'
refuses 10.0.0.1 'neither FIRST-LAST nor a CIDR'
refuses '10.0.0.1 - 10.0.0.9' '"10.0.0.1 " is no IPv4 address'
refuses 10.0.0.1-10.0.0 '"10.0.0" is no IPv4 address'
refuses 10.0.0.1-10.0.0.256 '"10.0.0.256"'
refuses 10.0.0.01-10.0.0.9 '"10.0.0.01"'
refuses 010.0.0.1-10.0.0.9 '"010.0.0.1"'
refuses 10.0.0.1-10.0.0.5-10.0.0.9 '"10.0.0.5-10.0.0.9"'
refuses 10.0.0.9-10.0.0.1 'write 10.0.0.1-10.0.0.9'
refuses 10.0.0.1-fd00::1 'different families'
refuses 10.0.0.1/24 'begins at 10.0.0.0'
refuses fd00::1/64 'begins at fd00:0:0:0:0:0:0:0'
refuses 10.0.0.0/33 '/0 to /32'
refuses fd00::/129 '/0 to /128'
refuses 10.0.0.0/08 '"/08"'
refuses 10.0.0.0/ '"/"'
refuses 10.0.0.0/8/9 '"/8/9"'
refuses fd00::1::2-fd00::9 '"fd00::1::2"'
refuses fd00:::1-fd00::9 '"fd00:::1"'
refuses fd00:1-fd00::9 '"fd00:1"'
refuses :1::-fd00::9 '":1::"'
refuses fd00::12345-fd00::9 '"fd00::12345"'
refuses 1:2:3:4:5:6:7:8:9-fd00::9 '"1:2:3:4:5:6:7:8:9"'
refuses 1:2:3:4:5:6:7::8-fd00::9 '"1:2:3:4:5:6:7::8"'
refuses fe80::1%eth0-fe80::9 '"fe80::1%eth0"'
refuses ::ffff:1:2-::ffff:1:9 'write it as IPv4'
refuses '*-10.0.0.1' '"*" is no IPv4 address'
refuses 0.0.0.0/0 '0.0.0.0/8'
refuses 126.255.255.0-127.0.0.5 127.0.0.0/8
refuses 169.254.1.0/24 169.254.0.0/16
refuses 223.255.255.255-224.0.0.1 224.0.0.0/3
refuses ::-::5 ::/127
refuses fe80::/64 fe80::/10
refuses ff02::1-ff02::5 ff00::/8

yes is_same_range 10.0.0.0/30 10.0.0.0-10.0.0.3
yes is_same_range fd00::/127 FD00:0::0-fd00::1
no is_same_range 10.0.0.0/30 10.0.0.0-10.0.0.4
no is_same_range 10.0.0.0/30 nonsense

yes range_holds 10.0.0.4-10.0.0.9 10.0.0.4
yes range_holds 10.0.0.4-10.0.0.9 10.0.0.9
no range_holds 10.0.0.4-10.0.0.9 10.0.0.10
no range_holds 10.0.0.4-10.0.0.9 fd00::4
yes range_holds fd00::/64 fd00::1:0

((FAILED == 0)) || die "address-range.sh is wrong in the places above"
