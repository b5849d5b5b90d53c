#!/usr/bin/env bash
# Tests test-totals.awk: what GoogleTest writes, counted.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

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

if [[ $counted != "$wanted" ]]; then
  diff <(printf '%s\n' "$wanted") <(printf '%s\n' "$counted") || true
  die "test-totals.awk counts wrongly"
fi
