#include "base/fuzz.h"
#include "base/text.h"
#include "cli/document_writer.h"
#include "kube/yaml.h"

namespace {
using namespace vk8s;

void require_shown(std::string_view text) {
  for (const std::string_view line : base::split(text, '\n')) {
    fuzz::require(base::printable(line, line.size()) == line, "what is written is safe to show");
  }
}

}  // namespace

// Files of users are read, changed and written back: nothing may get lost.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = base::parse_json(fuzz::text_of(data, size), 4096);
  if (!document || document->is_null()) {
    return 0;
  }
  const std::string json = cli::to_indented_json(*document);
  require_shown(json);
  const auto from_json = base::parse_json(json);
  fuzz::require(from_json && fuzz::is_same(*from_json, *document), "JSON reads back the same");
  const std::string yaml = cli::to_yaml(*document);
  require_shown(yaml);
  if (!fuzz::has_long_key(*document)) {
    const auto from_yaml = kube::parse_yaml(yaml);
    fuzz::require(from_yaml && fuzz::is_same(*from_yaml, *document), "YAML reads back the same");
  }
  return 0;
}
