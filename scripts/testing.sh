# shellcheck shell=bash disable=SC2034  # FAILED is for who sources it
# Sourced by *_test.sh after lib.sh: what goes wrong is said and counted, and the test goes on. A test
# ends with a look at FAILED.
FAILED=0

wrong() {
  say "$1"
  FAILED=1
}

# says WORDS COMMAND...: COMMAND fails and says so.
says() {
  local words=$1 output rc=0
  shift
  output=$(env -u VK8S_UI "$@" 2>&1 </dev/null) || rc=$?
  ((rc != 0)) || wrong "'$*' succeeds, wanted: $words"
  [[ $output == *"$words"* ]] || wrong "'$*' does not say '$words' but: $output"
}

# passes COMMAND...: sets OUTPUT.
passes() {
  OUTPUT=$(env -u VK8S_UI "$@" 2>&1 </dev/null) || wrong "'$*' fails: $OUTPUT"
}
