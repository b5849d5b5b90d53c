#include "addons/registry_challenge.h"
#include "base/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  if (const auto challenge = addons::parse_bearer_challenge(text)) {
    fuzz::require(!challenge->realm.empty(), "a challenge has a realm");
    const std::string url = addons::token_url(*challenge);
    fuzz::require(url.starts_with(challenge->realm), "a token comes from the realm");
    const std::string query = url.substr(challenge->realm.size());
    fuzz::require(query.find_first_of(" \r\n#\"") == std::string::npos, "a query is encoded");
  }
  if (const auto token = addons::parse_token(text)) {
    fuzz::require(!token->empty() && token->find_first_of(" \r\n") == std::string::npos,
                  "a token fits into a header");
  }
  const std::string_view origin = addons::origin_of(text);
  fuzz::require(text.starts_with(origin), "an origin is the front of its URL");
  if (const auto target = addons::redirect_target("https://registry.example/v2/a", text)) {
    fuzz::require(!addons::origin_of(*target).empty(), "what is followed has an origin");
    fuzz::require(target->find_first_of(" \r\n") == std::string::npos, "it is one word");
  }
  return 0;
}
