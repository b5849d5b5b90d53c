# Adds up the XML that GoogleTest programs write (one file per program), and pytest with a line for each
# element, and prints
#   totals PASSED FAILED SKIPPED
#   failed SUITE.TEST: FILE:LINE MESSAGE   (the first one's)
#   skipped SUITE.TEST: REASON
function attribute(name,    rest) {
  if (!match($0, "(^| )" name "=\"[^\"]*\"")) return ""
  rest = substr($0, RSTART, RLENGTH)
  sub(/^[^"]*"/, "", rest)
  sub(/"$/, "", rest)
  return rest
}
function decoded(text) {
  gsub(/&#x0[AaDd];/, " ", text)
  gsub(/&quot;/, "\"", text)
  gsub(/&apos;/, "'", text)
  gsub(/&lt;/, "<", text)
  gsub(/&gt;/, ">", text)
  gsub(/&amp;/, "\\&", text)
  return text
}
function finish() {
  if (name == "") return
  if (state == "failed") { failed++; print "failed " name ": " reason }
  else if (state == "skipped") { skipped++; print "skipped " name ": " reason }
  else passed++
  name = ""
}
/<testcase / {
  finish()
  name = attribute("classname") "." attribute("name")
  state = "passed"
  # A disabled test does not run.
  if (attribute("status") == "notrun") { state = "skipped"; reason = "disabled" }
}
/<(failure|error) / && state != "failed" {
  state = "failed"
  reason = decoded(attribute("message"))
  sub(/^[^ ]*\//, "", reason)
  if (length(reason) > 700) reason = substr(reason, 1, 700) " ..."
}
/<skipped/ && state != "failed" {
  state = "skipped"
  reason = decoded(attribute("message"))
  sub(/^[^ ]*:[0-9]+ /, "", reason)
}
/<\/testsuite>/ { finish() }
END { finish(); printf "totals %d %d %d\n", passed, failed, skipped }
