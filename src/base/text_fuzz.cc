#include "base/fuzz.h"
#include "base/names.h"
#include "base/text.h"

namespace {
using namespace vk8s;

void check_printable(std::string_view text, std::size_t max_bytes) {
  const std::string shown = base::printable(text, max_bytes);
  fuzz::require(shown.size() <= max_bytes, "the limit holds");
  for (std::string_view rest = shown; !rest.empty();) {
    const std::size_t length = base::printable_length(rest);
    fuzz::require(length > 0 && length <= rest.size(), "all of it is safe to show");
    rest.remove_prefix(length);
  }
  fuzz::require(base::printable(shown, max_bytes) == shown, "what is safe stays as it is");
}

void check_parts(std::string_view text) {
  std::size_t bytes = 0;
  const auto parts = base::split(text, ',');
  for (const std::string_view part : parts) {
    bytes += part.size();
    fuzz::require(part.find(',') == std::string_view::npos, "a part holds no separator");
  }
  fuzz::require(text.empty() || bytes + parts.size() - 1 == text.size(), "no part is lost");
  const std::string_view trimmed = base::trim(text);
  fuzz::require(base::trim(trimmed) == trimmed, "what is trimmed stays as it is");
}

void check_names(std::string_view text) {
  const std::string shown = base::printable(text);
  if (base::is_dns_label(text)) {
    fuzz::require(base::is_dns_subdomain(text) && base::is_label_value(text) && text.size() <= 63,
                  "a label is a subdomain of one part");
  }
  if (base::is_dns_subdomain(text) || base::is_certificate_dns_name(text) ||
      base::is_qualified_name(text) || base::is_label_value(text)) {
    fuzz::require(shown == text && text.size() <= 317, "a name is safe to show");
    fuzz::require(text.find_first_of(" \"\\'\n$`;&|<>()") == std::string_view::npos,
                  "a name has no meaning to a shell");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_printable(text, 4096);
  check_printable(text, 7);
  check_parts(text);
  check_names(text);
  return 0;
}
