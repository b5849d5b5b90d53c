#include "base/fuzz.h"
#include "base/names.h"
#include "cni/invocation.h"

// The input is CNI_ARGS, and the value of every variable.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string text(fuzz::text_of(data, size));
  if (const auto pod = cni::parse_pod(text)) {
    fuzz::require(base::is_dns_label(pod->namespace_name) && base::is_dns_subdomain(pod->name),
                  "a pod has a name");
  }
  const auto invocation = cni::read_invocation(
      [&](const char* name) { return std::string_view(name) == "CNI_COMMAND" ? "DEL" : text; });
  if (invocation) {
    fuzz::require(invocation->container_id.find('/') == std::string::npos &&
                      invocation->interface_name.size() <= 15,
                  "names are names");
  }
  return 0;
}
