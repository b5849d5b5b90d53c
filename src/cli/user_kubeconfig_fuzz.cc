#include "base/fuzz.h"
#include "cli/document_writer.h"
#include "cli/user_kubeconfig.h"
#include "kube/yaml.h"

namespace {
using namespace vk8s;

Json own_entries() {
  const auto list = [](const char* part) {
    return JsonArray{JsonObject{{"name", "mine"}, {part, JsonObject{{"token", "t"}}}}};
  };
  return JsonObject{{"clusters", list("cluster")},
                    {"users", list("user")},
                    {"contexts", list("context")},
                    {"current-context", "mine"}};
}

bool holds(const Json& document, const char* list, std::string_view name) {
  const JsonArray* entries = base::get_array(document, list);
  for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
    if (base::get_string((*entries)[i], "name") == name) {
      return true;
    }
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto renamed = cli::rename_kubeconfig(text, "mine")) {
    const std::string written = cli::to_yaml(*renamed);
    const auto read = kube::ClientConfig::from_foreign_kubeconfig(written);
    fuzz::require(read.has_value(), "a renamed kubeconfig can be used");
    fuzz::require(read->token_file.empty(), "it names no file");
    fuzz::require(read->server == kube::ClientConfig::from_foreign_kubeconfig(text)->server,
                  "it names the same server");
  }
  const auto existing = kube::parse_yaml(text);
  if (!existing) {
    return 0;
  }
  const auto merged = cli::merge_kubeconfigs(*existing, own_entries());
  if (merged) {
    fuzz::require(holds(*merged, "clusters", "mine") && holds(*merged, "users", "mine") &&
                      holds(*merged, "contexts", "mine"),
                  "what was added is there");
    fuzz::require(cli::merge_kubeconfigs(*merged, own_entries()).value() == *merged,
                  "to merge twice changes nothing");
  }
  return 0;
}
