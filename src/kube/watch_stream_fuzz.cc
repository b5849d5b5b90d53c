#include "base/fuzz.h"
#include "kube/watch_stream.h"

namespace {
using namespace vk8s;

struct Lines {
  std::vector<std::string> lines;
  bool failed = false;
  bool is_mid_line = false;
  bool operator==(const Lines&) const = default;
};

Lines split(std::string_view text, std::size_t piece, std::size_t max_line_bytes) {
  kube::LineSplitter splitter(max_line_bytes);
  Lines out;
  while (!text.empty() && !out.failed) {
    out.failed = !splitter.feed(text.substr(0, piece), [&](std::string_view line) {
      fuzz::require(!line.empty() && line.size() <= max_line_bytes, "a line is within its limit");
      out.lines.emplace_back(line);
      return true;
    });
    text.remove_prefix(std::min(piece, text.size()));
  }
  out.is_mid_line = !out.failed && splitter.is_mid_line();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static kube::Decoder decoder;
  const std::string_view text = fuzz::text_of(data, size);
  const Lines whole = split(text, size + 1, size + 1);
  for (const std::size_t piece : {1U, 3U, 64U}) {
    fuzz::require(split(text, piece, size + 1) == whole,
                  "the lines are the same however the bytes arrive");
  }
  fuzz::require(split(text, 3, 16).failed == split(text, size + 1, 16).failed,
                "so is what is too long");
  for (const std::string& line : whole.lines) {
    const auto event = kube::parse_watch_event(line, decoder, true);
    fuzz::require(!event || event->object.is_object(), "an event has an object");
  }
  return 0;
}
