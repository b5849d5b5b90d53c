#include "base/fuzz.h"
#include "kube/yaml.h"
#include "kube/yaml_writer.h"

using namespace vk8s;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto document = base::parse_json(fuzz::text_of(data, size), 4096);
  if (!document || document->is_null() || fuzz::has_long_key(*document)) {
    return 0;
  }
  const auto again = kube::parse_yaml(kube::to_yaml(*document));
  fuzz::require(again && fuzz::is_same(*again, *document), "YAML reads back the same");
  return 0;
}
