# shellcheck shell=bash
# Ranges of IP addresses, "FIRST-LAST" or a CIDR block, IPv4 or IPv6. Source it after lib.sh.
#
# Strict as src/base/cidr.h is, because other programs read again what is accepted: no leading
# zeros, no zones, no IPv4-mapped IPv6, no host bits in a block. An address is compared as its
# hexadecimal digits, 8 for IPv4 and 32 for IPv6.
#
# A function that refuses sets RANGE_PROBLEM to what is wrong and returns 1.

RANGE_PROBLEM=

_refuse_range() {
  RANGE_PROBLEM=$1
  return 1
}

# _ipv4_digits TEXT: sets DIGITS.
_ipv4_digits() {
  local part parts
  DIGITS=
  [[ $1 =~ ^[0-9]{1,3}(\.[0-9]{1,3}){3}$ ]] || return 1
  IFS=. read -r -a parts <<<"$1"
  for part in "${parts[@]}"; do
    [[ $part == 0 || $part != 0* ]] && ((part <= 255)) || return 1
    printf -v part '%02x' "$part"
    DIGITS+=$part
  done
}

# _ipv6_digits TEXT: sets DIGITS.
_ipv6_digits() {
  local text=$1 group groups=() before after missing
  DIGITS=
  [[ $text =~ ^[0-9A-Fa-f:]+$ && $text == *:* && $text != *:::* && $text != *::*::* ]] || return 1
  [[ $text != :[!:]* && $text != *[!:]: ]] || return 1
  if [[ $text == *::* ]]; then
    before=${text%%::*} after=${text#*::}
    IFS=: read -r -a groups <<<"$before"
    missing=$((8 - ${#groups[@]}))
    local tail=()
    IFS=: read -r -a tail <<<"$after"
    missing=$((missing - ${#tail[@]}))
    ((missing >= 1)) || return 1
    for ((; missing > 0; missing--)); do groups+=(0); done
    groups+=("${tail[@]}")
  else
    IFS=: read -r -a groups <<<"$text"
  fi
  ((${#groups[@]} == 8)) || return 1
  for group in "${groups[@]}"; do
    [[ $group =~ ^[0-9A-Fa-f]{1,4}$ ]] || return 1
    printf -v group '%04x' "$((16#$group))"
    DIGITS+=$group
  done
}

# parse_address TEXT: sets DIGITS.
parse_address() {
  if [[ $1 != *:* ]]; then
    _ipv4_digits "$1" || _refuse_range "\"$1\" is no IPv4 address, such as 192.0.2.1"
  elif ! _ipv6_digits "$1"; then
    _refuse_range "\"$1\" is no IPv6 address"
  elif [[ $DIGITS == 00000000000000000000ffff* ]]; then
    _refuse_range "\"$1\" is an IPv4 address written as IPv6: write it as IPv4"
  fi
}

# _parse_block ADDRESS LENGTH: sets FIRST and LAST.
_parse_block() {
  local length=$2 bits kept nibble
  parse_address "$1" || return 1
  bits=$((${#DIGITS} * 4))
  if ! [[ $length =~ ^(0|[1-9][0-9]{0,2})$ ]] || ((length > bits)); then
    _refuse_range "\"/$length\" is no prefix length: write /0 to /$bits" || return 1
  fi
  kept=$((length / 4))
  FIRST=${DIGITS:0:kept} LAST=$FIRST
  if ((length % 4)); then
    nibble=$((16#${DIGITS:kept:1}))
    printf -v FIRST '%s%x' "$FIRST" $((nibble & (15 << (4 - length % 4)) & 15))
    printf -v LAST '%s%x' "$LAST" $((nibble | (15 >> (length % 4))))
  fi
  while ((${#FIRST} < ${#DIGITS})); do FIRST+=0 LAST+=f; done
  [[ $FIRST == "$DIGITS" ]] ||
    _refuse_range "\"$1/$length\" is not a block: it begins at $(format_address "$FIRST")"
}

# format_address DIGITS: as text; IPv6 without "::".
format_address() {
  local digits=$1 group out=
  if ((${#digits} == 8)); then
    printf '%d.%d.%d.%d' "0x${digits:0:2}" "0x${digits:2:2}" "0x${digits:4:2}" "0x${digits:6:2}"
    return
  fi
  for ((group = 0; group < 32; group += 4)); do
    printf -v out '%s:%x' "$out" "$((16#${digits:group:4}))"
  done
  printf '%s' "${out#:}"
}

# What no pod can have: "this network", loopback, link-local, multicast and beyond.
_RESERVED=(0.0.0.0/8 127.0.0.0/8 169.254.0.0/16 224.0.0.0/3 ::/127 fe80::/10 ff00::/8)

_touches_reserved() {
  local first=$1 last=$2 block FIRST LAST DIGITS
  for block in "${_RESERVED[@]}"; do
    _parse_block "${block%/*}" "${block#*/}"
    if ((${#FIRST} == ${#first})) && [[ ! $LAST < $first && ! $FIRST > $last ]]; then
      _refuse_range "it holds addresses of $block, which no pod can have"
      return 0
    fi
  done
  return 1
}

# parse_range TEXT: sets FIRST and LAST, the digits of the first and last address.
parse_range() {
  local text=$1 DIGITS=
  FIRST='' LAST=''
  case $text in
    */*) _parse_block "${text%%/*}" "${text#*/}" || return 1 ;;
    *-*)
      parse_address "${text%%-*}" || return 1
      FIRST=$DIGITS
      parse_address "${text#*-}" || return 1
      LAST=$DIGITS
      if ((${#FIRST} != ${#LAST})); then
        _refuse_range "its ends are of different families" || return 1
      elif [[ $FIRST > $LAST ]]; then
        _refuse_range "it begins after its end: write ${text#*-}-${text%%-*}" || return 1
      fi
      ;;
    *) _refuse_range "it is neither FIRST-LAST nor a CIDR block" || return 1 ;;
  esac
  ! _touches_reserved "$FIRST" "$LAST"
}

# check_range TEXT: ends the script where it is no range.
check_range() {
  local FIRST LAST
  parse_range "$1" || die "address range \"$1\": $RANGE_PROBLEM" \
    "give one such as 192.168.10.100-192.168.10.199, 192.168.10.64/26 or fd00:1::/112"
}

# is_same_range ONE OTHER: do they hold the same addresses?
is_same_range() {
  local FIRST LAST first last
  parse_range "$1" && first=$FIRST last=$LAST && parse_range "$2" &&
    [[ $FIRST == "$first" && $LAST == "$last" ]]
}

# range_holds RANGE ADDRESS
range_holds() {
  local FIRST LAST DIGITS
  parse_range "$1" && parse_address "$2" && ((${#DIGITS} == ${#FIRST})) &&
    [[ ! $DIGITS < $FIRST && ! $DIGITS > $LAST ]]
}
