#include "base/fuzz.h"
#include "kube/client.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  kube::ClientConfig::from_kubeconfig(text, "other");
  const auto config = kube::ClientConfig::from_kubeconfig(text);
  if (!config) {
    return 0;
  }
  fuzz::require(config->server.starts_with("https://"), "TLS is always spoken");
  fuzz::require(!config->ca_pem.empty(), "the server is always verified");
  fuzz::require(config->client_certificate_pem.empty() == config->client_key_pem.empty(),
                "a certificate has its key");
  return 0;
}
