#include <algorithm>

#include "base/fuzz.h"
#include "http/server_message.h"

namespace {
using namespace vk8s;
using http::detail::RequestParser;
using State = RequestParser::State;

constexpr std::size_t kLarge = 1U << 16U;

struct Outcome {
  State state = State::kNeedsMore;
  http::ServerRequest request;
  bool keep_alive = false;
  std::string rest;
};

// Feeds pieces of that size, as a socket would.
Outcome parse(std::string_view text, std::size_t piece, std::size_t max_header,
              std::size_t max_body) {
  RequestParser parser(max_header, max_body);
  Outcome out;
  std::string buffer;
  while (!text.empty() && out.state == State::kNeedsMore) {
    buffer += text.substr(0, piece);
    text.remove_prefix(std::min(piece, text.size()));
    out.state = parser.consume(buffer);
  }
  out.rest = buffer + std::string(text);
  if (out.state == State::kComplete) {
    out.keep_alive = parser.keep_alive();
    out.request = parser.take_request();
    fuzz::require(out.request.body.size() <= max_body, "a body is within its limit");
  } else if (out.state == State::kFailed) {
    fuzz::require(parser.failure_status() >= 400 && !parser.failure().empty(),
                  "a failure has an answer");
  }
  return out;
}

void check_request(const http::ServerRequest& request) {
  fuzz::require(request.path.starts_with('/'), "a path begins with a slash");
  fuzz::require(request.path.find_first_of("?# \r\n") == std::string::npos, "a path ends in time");
  for (const auto& [name, value] : request.headers) {
    fuzz::require(!name.empty() && name.find_first_of(" :\r\n") == std::string::npos,
                  "a header's name is a token");
    fuzz::require(value.find_first_of("\r\n") == std::string::npos, "a header's value is a line");
  }
  request.header("host");
  request.query_parameter("watch");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const Outcome whole = parse(text, kLarge, kLarge, kLarge);
  if (whole.state == State::kComplete) {
    check_request(whole.request);
  }
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, size / 2 + 1, size - size / 4,
                                  size - std::min<std::size_t>(size, 1)}) {
    const Outcome cut = parse(text, std::max<std::size_t>(piece, 1), kLarge, kLarge);
    // What is wrong may show later, when the end of the header is there.
    fuzz::require((cut.state == State::kComplete) == (whole.state == State::kComplete),
                  "it does not matter how the bytes arrive");
    if (cut.state == State::kComplete) {
      fuzz::require(cut.request.method == whole.request.method &&
                        cut.request.path == whole.request.path &&
                        cut.request.query == whole.request.query &&
                        cut.request.headers == whole.request.headers &&
                        cut.request.body == whole.request.body && cut.rest == whole.rest &&
                        cut.keep_alive == whole.keep_alive,
                    "the request is the same however the bytes arrive");
    }
  }
  parse(text, 5, 64, 16);
  return 0;
}
