#include "base/fuzz.h"
#include "base/text.h"
#include "kube/api_error.h"
#include "kube/discovery.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  for (const int status : {400, 404, 409, 410, 500}) {
    const Error error = kube::error_from_response(status, text);
    fuzz::require(base::printable(error.message()) == error.message(),
                  "a server's words are safe to show");
  }
  if (const auto document = base::parse_json(text)) {
    const auto version = kube::parse_server_version(*document);
    fuzz::require(!version || (version->major >= 0 && version->minor >= 0 &&
                               base::printable(version->text) == version->text),
                  "a version is one");
  }
  return 0;
}
