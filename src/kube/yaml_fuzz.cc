#include "base/fuzz.h"
#include "kube/yaml.h"

namespace {
using namespace vk8s;

std::size_t count_values(const Json& value) {
  std::size_t count = 1;
  if (const auto* array = value.if_array()) {
    for (const Json& item : *array) {
      count += count_values(item);
    }
  } else if (const auto* object = value.if_object()) {
    for (const auto& member : *object) {
      count += 1 + count_values(member.value());
    }
  }
  return count;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  constexpr kube::YamlLimits kLimits{.max_bytes = 4096, .max_values = 64};
  const auto documents = kube::parse_yaml_documents(text, kLimits);
  if (!documents) {
    return 0;
  }
  fuzz::require(size <= kLimits.max_bytes, "what is longer than the limit is refused");
  std::size_t count = 0;
  for (const Json& document : *documents) {
    count += count_values(document);
    fuzz::require(fuzz::depth(document) <= 64, "what is too deep is refused");
    if (fuzz::has_long_key(document)) {
      continue;
    }
    // JSON is YAML: kubeconfigs are passed on as such.
    const auto again = kube::parse_yaml(base::to_string(document));
    fuzz::require(again.has_value(), "JSON can be read as YAML");
    fuzz::require(fuzz::is_same(*again, document), "a document survives the round trip");
  }
  fuzz::require(count <= kLimits.max_values, "too many values are refused");
  return 0;
}
