// Bytes <-> messages of the server side, without any socket: what the fuzzer drives.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/server.h"

namespace vk8s::http::detail {

// Takes one HTTP/1.1 request apart, stricter than the RFC where leniency lets
// two parsers disagree.
class RequestParser {
 public:
  enum class State { kNeedsMore, kComplete, kFailed };

  RequestParser(std::size_t max_header_bytes, std::size_t max_body_bytes);
  ~RequestParser();

  // Removes from the front of buffer what belongs to this request. Not called
  // again after kComplete or kFailed.
  State consume(std::string& buffer);

  bool is_header_complete() const;
  // After kComplete; peer fields are left empty.
  ServerRequest take_request();
  bool keep_alive() const;
  // After kFailed: the answer to give before the connection is closed.
  int failure_status() const { return failure_status_; }
  const std::string& failure() const { return failure_; }

 private:
  struct Impl;
  State refuse(int status, std::string message);
  State check_header();

  std::unique_ptr<Impl> impl_;
  std::size_t max_header_bytes_;
  std::size_t max_body_bytes_;
  int failure_status_ = 0;
  std::string failure_;
};

enum class Framing { kContentLength, kChunked };

// Status line and headers with the empty line. Refuses header names and values
// that would change the framing.
Result<std::string> serialize_header(const ServerResponse& response, Framing framing,
                                     bool keep_alive);

// "" for no bytes: an empty chunk would end the body.
std::string serialize_chunk(std::string_view bytes);
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace vk8s::http::detail
