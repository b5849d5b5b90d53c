#include "http/server_message.h"

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <ctime>

namespace vk8s::http::detail {
namespace beast = boost::beast;
using Field = beast::http::field;

// "0\r\n\r\n": with so many bytes or more each chunked body ends. The parser insists on having them
// when it goes on with a last chunk.
constexpr std::size_t kLeastOfChunkedBody = 5;

struct RequestParser::Impl {
  beast::http::request_parser<beast::http::string_body> parser;
  ServerRequest request;  // its header; the parser adds a chunked body's trailers to its own
  bool header_complete = false;
  bool keep_alive = false;
};

namespace {

int status_of(const beast::error_code& error) {
  if (error == beast::http::error::header_limit || error == beast::http::error::buffer_overflow) {
    return 431;
  }
  if (error == beast::http::error::body_limit) {
    return 413;
  }
  return error == beast::http::error::bad_version ? 505 : 400;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != std::string_view::npos;
  });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7F;
  });
}

bool has_folded_line(std::string_view raw_header) {
  return raw_header.find("\r\n ") != std::string_view::npos ||
         raw_header.find("\r\n\t") != std::string_view::npos;
}

std::string http_date() {
  const std::time_t now = std::time(nullptr);
  std::tm fields{};
  ::gmtime_r(&now, &fields);
  char text[40];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &fields)};
}

}  // namespace

RequestParser::RequestParser(std::size_t max_header_bytes, std::size_t max_body_bytes)
    : impl_(std::make_unique<Impl>()),
      max_header_bytes_(max_header_bytes),
      max_body_bytes_(max_body_bytes) {
  impl_->parser.header_limit(static_cast<std::uint32_t>(max_header_bytes));
  impl_->parser.body_limit(max_body_bytes);
  // Stops after the header, so that it is judged before a body is read by it.
  impl_->parser.eager(false);
}

RequestParser::~RequestParser() = default;

bool RequestParser::is_header_complete() const { return impl_->header_complete; }
bool RequestParser::keep_alive() const { return impl_->keep_alive; }

ServerRequest RequestParser::take_request() {
  impl_->request.body = std::move(impl_->parser.get().body());
  return std::move(impl_->request);
}

RequestParser::State RequestParser::refuse(int status, std::string message) {
  failure_status_ = status;
  failure_ = std::move(message);
  return State::kFailed;
}

RequestParser::State RequestParser::consume(std::string& buffer) {
  auto& parser = impl_->parser;
  while (!parser.is_done()) {
    const bool in_chunks = impl_->header_complete && parser.chunked();
    if (buffer.size() < (in_chunks ? kLeastOfChunkedBody : 1)) {
      return State::kNeedsMore;
    }
    beast::error_code error;
    const std::size_t used = parser.put(boost::asio::buffer(buffer), error);
    // The parser unfolds a line and takes it before the header's end is there.
    if (!impl_->header_complete && has_folded_line(std::string_view(buffer).substr(0, used))) {
      return refuse(400, "folded header line");
    }
    const bool header_ended = !impl_->header_complete && parser.is_header_done();
    if (header_ended && check_header() == State::kFailed) {
      return State::kFailed;
    }
    buffer.erase(0, used);
    if (parser.get().body().size() > max_body_bytes_) {
      return refuse(413, fmt::format("the body is larger than {} bytes", max_body_bytes_));
    }
    if (error == beast::http::error::need_more) {
      // A chunk's extension or a trailer that never ends.
      return buffer.size() > max_header_bytes_ ? refuse(431, "a header line is too long")
                                               : State::kNeedsMore;
    }
    if (error) {
      return refuse(status_of(error), error.message());
    }
    if (used == 0 && !header_ended && !parser.is_done()) {
      return State::kNeedsMore;
    }
  }
  return State::kComplete;
}

RequestParser::State RequestParser::check_header() {
  const auto& message = impl_->parser.get();
  const std::string_view target(message.target().data(), message.target().size());
  if (message.version() != 11) {
    return refuse(505, "HTTP/1.1 is spoken here");
  }
  if (message.count(Field::host) != 1) {
    return refuse(400, "exactly one Host header is needed");
  }
  const auto codings = message.count(Field::transfer_encoding);
  const auto lengths = message.count(Field::content_length);
  if (codings > 1 || lengths > 1 || (codings > 0 && lengths > 0)) {
    return refuse(400, "more than one length of the body is given");
  }
  if (lengths == 1 &&
      message[Field::content_length].find_first_not_of("0123456789") != beast::string_view::npos) {
    return refuse(400, "Content-Length is no number");
  }
  if (codings == 1 && !beast::iequals(message[Field::transfer_encoding], "chunked")) {
    return refuse(400, "Transfer-Encoding other than chunked");
  }
  if (message.count(Field::expect) > 0) {
    return refuse(417, "Expect is not supported");
  }
  if (!target.starts_with('/') || target.find('#') != std::string_view::npos) {
    return refuse(400, "the request target must be a path");
  }
  const std::size_t question = target.find('?');
  ServerRequest& request = impl_->request;
  request.method = std::string(message.method_string());
  request.path = std::string(target.substr(0, question));
  request.query =
      question == std::string_view::npos ? std::string() : std::string(target.substr(question + 1));
  for (const auto& field : message) {
    request.headers.emplace_back(lower({field.name_string().data(), field.name_string().size()}),
                                 std::string(field.value()));
  }
  impl_->keep_alive = message.keep_alive();
  impl_->header_complete = true;
  return State::kNeedsMore;
}

Result<std::string> serialize_header(const ServerResponse& response, Framing framing,
                                     bool keep_alive) {
  const auto reason = beast::http::obsolete_reason(
      beast::http::int_to_status(static_cast<unsigned>(response.status)));
  std::string out = fmt::format("HTTP/1.1 {} {}\r\nDate: {}\r\n", response.status,
                                std::string_view(reason.data(), reason.size()), http_date());
  HeaderList headers = response.headers;
  if (!response.content_type.empty()) {
    headers.emplace_back("Content-Type", response.content_type);
  }
  for (const auto& [name, value] : headers) {
    if (!is_token(name) || has_control_character(value)) {
      return fail(Errc::kInvalidArgument, "response header of {} bytes may not be sent",
                  name.size() + value.size());
    }
    const std::string key = lower(name);
    if (key == "content-length" || key == "transfer-encoding" || key == "connection") {
      return fail(Errc::kInvalidArgument, "response header {} is the server's to set", key);
    }
    out += fmt::format("{}: {}\r\n", name, value);
  }
  if (framing == Framing::kChunked) {
    out += "Transfer-Encoding: chunked\r\n";
  } else if (response.status != 204 && response.status != 304) {
    out += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  out += keep_alive ? "\r\n" : "Connection: close\r\n\r\n";
  return out;
}

std::string serialize_chunk(std::string_view bytes) {
  return bytes.empty() ? std::string() : fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes);
}

}  // namespace vk8s::http::detail

namespace vk8s::http {

std::string_view ServerRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

std::string_view ServerRequest::query_parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
    if (pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=') {
      return pair.substr(name.size() + 1);
    }
  }
  return {};
}

}  // namespace vk8s::http
