#!/usr/bin/env bash
# Tests test-totals.awk: what GoogleTest and pytest write, counted.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

compare() {
  if [[ $1 == "$2" ]]; then return; fi
  diff <(printf '%s\n' "$1") <(printf '%s\n' "$2") || true
  die "test-totals.awk counts wrongly"
}

wanted='failed Queue.ForgetsAKey: a.cc:3 Expected: skipped
skipped Mount.IsRemoved: needs root & "mounts"
skipped Later.DISABLED_Test: disabled
totals 2 1 2'

counted=$(awk -f "$REPO/scripts/test-totals.awk" <<'XML'
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="5" failures="1" disabled="1" errors="0" time="0." timestamp="" name="AllTests">
  <testsuite name="Queue" tests="3" failures="1" disabled="0" skipped="1" errors="0" time="0.">
    <testcase name="AddsAKey" file="a.cc" line="1" status="run" result="completed" classname="Queue" />
    <testcase name="ForgetsAKey" file="a.cc" line="2" status="run" result="completed" classname="Queue">
      <failure message="/src/queue/a.cc:3&#x0A;Expected: skipped" type=""><![CDATA[a.cc:3]]></failure>
      <failure message="a.cc:4&#x0A;again" type=""><![CDATA[a.cc:4]]></failure>
    </testcase>
    <testcase name="IsRemoved" file="m.cc" line="9" status="run" result="skipped" classname="Mount">
      <skipped message="m.cc:10&#x0A;needs root &amp; &quot;mounts&quot;"><![CDATA[m.cc:10]]></skipped>
    </testcase>
  </testsuite>
  <testsuite name="Later" tests="2" failures="0" disabled="1" skipped="0" errors="0" time="0.">
    <testcase name="DISABLED_Test" file="a.cc" line="5" status="notrun" result="suppressed" classname="Later" />
    <testcase name="Works" file="a.cc" line="6" status="run" result="completed" classname="Later">
      <properties><property name="k" value="v"/></properties>
    </testcase>
  </testsuite>
</testsuites>
XML
)
compare "$wanted" "$counted"

# As test.sh splits it: what fails before the test itself is an error there.
wanted='failed federated.store_test.test_damaged: AssertionError: assert 1 == 2
failed federated.store_test.test_gateway: failed on setup with "no gateway"
skipped federated.store_test.test_large: test.sh builds it
totals 1 2 1'
counted=$(awk -f "$REPO/scripts/test-totals.awk" <<'XML'
<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests">
<testsuite name="pytest" errors="1" failures="1" skipped="1" tests="4" time="0.1" hostname="h">
<testcase classname="federated.store_test" name="test_kept" time="0.003" />
<testcase classname="federated.store_test" name="test_damaged" time="0.003">
<failure message="AssertionError: assert 1 == 2">def test_damaged() -&gt; None: ...
store_test.py:5: AssertionError</failure>
</testcase>
<testcase classname="federated.store_test" name="test_gateway" time="0.003">
<error message="failed on setup with &quot;no gateway&quot;">...</error>
</testcase>
<testcase classname="federated.store_test" name="test_large" time="0.000">
<skipped type="pytest.skip" message="test.sh builds it">store_test.py:9: test.sh builds it</skipped>
</testcase>
</testsuite>
</testsuites>
XML
)
compare "$wanted" "$counted"
