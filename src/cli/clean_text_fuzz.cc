#include <algorithm>

#include "base/fuzz.h"
#include "base/text.h"
#include "cli/clean_text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const std::string_view text = fuzz::text_of(data, size);
  std::string line = cli::clean_line(text);
  std::replace(line.begin(), line.end(), '\t', ' ');
  fuzz::require(base::printable(line, line.size()) == line, "a line is safe to show");
  for (const std::size_t columns : {0U, 1U, 2U, 3U, 10U}) {
    fuzz::require(cli::display_width(cli::fit_to_width(line, columns)) <= columns,
                  "what is cut fits");
  }
  cli::fit_to_width(text, 5);
  const std::string escaped = cli::escape_unprintable(text);
  for (const std::string_view part : base::split(escaped, '\n')) {
    fuzz::require(base::printable(part, part.size()) == part, "what is escaped is safe to show");
  }
  if (const auto document = base::parse_json(text)) {
    const auto again = base::parse_json(cli::escape_unprintable(base::to_string(*document)));
    fuzz::require(again && fuzz::is_same(*again, *document), "escapes read back the same");
  }
  return 0;
}
