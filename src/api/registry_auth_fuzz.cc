#include "api/registry_auth.h"
#include "base/fuzz.h"
#include "pki/pki.h"

// The input is a .dockerconfigjson, whose entry ends in a line of a TOML file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  for (const auto& auth :
       {api::registry_auth(text, "registry.example:5000"), api::check_registry_auth(text)}) {
    if (auth) {
      const auto pair = pki::base64_decode(*auth);
      fuzz::require(pair && pair->find(':') != std::string::npos, "credentials are a pair");
      fuzz::require(auth->find_first_of("\"\\\r\n \t") == std::string::npos,
                    "credentials end no string");
      fuzz::require(api::check_registry_auth(*auth).value_or("") == *auth,
                    "what is taken is taken again");
    }
  }
  return 0;
}
