// The body of a watch into events: JSON lines (API concepts, "Efficient detection
// of changes"). Pure; bytes of others.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kube/client.h"
#include "kube/decoder.h"

namespace vk8s::kube {

// One line. An ERROR event becomes its Status as an error (410: kGone).
Result<WatchEvent> parse_watch_event(std::string_view line, Decoder& decoder,
                                     bool omit_managed_fields);

// Cuts a stream of bytes into lines of at most max_line_bytes.
class LineSplitter {
 public:
  explicit LineSplitter(std::size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  // Calls back for each complete line (without its end, empty ones left out); the
  // view is valid during the call. Stops when on_line returns false. kTooLarge:
  // no further input is taken.
  Status feed(std::string_view bytes, const std::function<bool(std::string_view)>& on_line);
  // Whether an unfinished line is held.
  bool is_mid_line() const { return !partial_.empty(); }

 private:
  const std::size_t max_line_bytes_;
  std::string partial_;
};

}  // namespace vk8s::kube
