#include "agent/component_log.h"
#include "base/fuzz.h"

namespace {
using namespace vk8s;

void check_lines(const std::vector<std::string>& lines) {
  fuzz::require(lines.size() <= agent::ComponentLog::kKeptLines, "lines are few");
  for (const std::string& line : lines) {
    fuzz::require(line.size() <= agent::ComponentLog::kMaxLineBytes, "lines are short");
    for (const char c : line) {
      fuzz::require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f,
                    "a line has no control characters");
    }
  }
}

}  // namespace

// The input is what a program wrote, which repeats words of whoever it serves. There is no such
// folder: a log that cannot be written keeps its last lines all the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  agent::ComponentLog whole("/nonexistent", "whole");
  whole.write(text);
  check_lines(whole.last_lines());
  agent::ComponentLog pieces("/nonexistent", "pieces");
  for (std::size_t at = 0; at < text.size(); at += 7) {
    pieces.write(text.substr(at, 7));
  }
  fuzz::require(pieces.last_lines() == whole.last_lines(), "it does not matter how bytes arrive");
  return 0;
}
