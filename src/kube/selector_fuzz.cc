#include "base/fuzz.h"
#include "kube/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  const auto selector = kube::Selector::parse(text);
  if (!selector) {
    return 0;
  }
  for (const std::string& key : selector->keys()) {
    fuzz::require(!key.empty() && key.find_first_of(" ,()=!<>") == std::string::npos,
                  "a key is a word");
  }
  selector->matches({});
  selector->matches({{"app", "a"}, {"tier", "b"}, {"", ""}});
  // One requirement more can only select less.
  const auto narrower = kube::Selector::parse(std::string(text) + ",app");
  if (narrower && !selector->keys().empty()) {
    const std::map<std::string, std::string> labels = {{"app", "a"}, {"tier", "b"}};
    fuzz::require(!narrower->matches(labels) || selector->matches(labels),
                  "requirements are joined by and");
  }
  return 0;
}
