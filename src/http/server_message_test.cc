#include "http/server_message.h"

#include <gmock/gmock.h>

namespace vk8s::http::detail {
namespace {

using State = RequestParser::State;
using ::testing::HasSubstr;
using ::testing::Not;

// Status that a request is refused with, or 0 if it is complete.
int refusal(std::string text) {
  RequestParser parser(8192, 65536);
  switch (parser.consume(text)) {
    case State::kComplete:
      return 0;
    case State::kFailed:
      return parser.failure_status();
    case State::kNeedsMore:
      return -1;
  }
  return -2;
}

TEST(RequestParser, TakesAPlainRequestApart) {
  RequestParser parser(8192, 65536);
  std::string text = "GET /v1/status?watch=1&x=2 HTTP/1.1\r\nHost: a\r\nX-Thing: b\r\n\r\nREST";
  ASSERT_EQ(parser.consume(text), State::kComplete);
  EXPECT_EQ(text, "REST");
  EXPECT_TRUE(parser.keep_alive());
  const ServerRequest request = parser.take_request();
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.path, "/v1/status");
  EXPECT_EQ(request.query, "watch=1&x=2");
  EXPECT_EQ(request.query_parameter("x"), "2");
  EXPECT_EQ(request.query_parameter("y"), "");
  EXPECT_EQ(request.header("x-thing"), "b");
}

TEST(RequestParser, TakesTheSameRequestByteByByte) {
  RequestParser parser(8192, 65536);
  const std::string text =
      "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
  std::string buffer;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    buffer += text[i];
    ASSERT_EQ(parser.consume(buffer), State::kNeedsMore) << i;
  }
  buffer += text.back();
  ASSERT_EQ(parser.consume(buffer), State::kComplete);
  EXPECT_EQ(parser.take_request().body, "hello");
}

TEST(RequestParser, RefusesAmbiguousFraming) {
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(refusal(head + "Content-Length: 2\r\n\r\nhi"), 0);
  EXPECT_EQ(refusal(head + "Transfer-Encoding: xchunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(refusal(head + "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"), 400);
  EXPECT_EQ(refusal(head + "Transfer-Encoding: identity\r\n\r\n"), 400);
  EXPECT_EQ(refusal(head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
                           "\r\n"),
            400);
  EXPECT_EQ(refusal(head + "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(refusal(head + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(refusal(head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"), 400);
  EXPECT_EQ(refusal(head + "Content-Length: -2\r\n\r\nhi"), 400);
  EXPECT_EQ(refusal(head + "Content-Length: 2, 2\r\n\r\nhi"), 400);
}

TEST(RequestParser, RefusesMalformedRequests) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\n\r\n"), 400);  // no Host
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"), 400);  // folded
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
  EXPECT_EQ(refusal("GET / HTTP/1.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(refusal("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), 505);
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"), 417);
  EXPECT_EQ(refusal("\x16\x03\x01 / HTTP/1.1\r\n\r\n"), 400);
  EXPECT_EQ(refusal(std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28)), 400);
}

TEST(RequestParser, RefusesAFoldedHeaderHoweverTheBytesArrive) {
  const std::string text = "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\nD: e\r\n\r\n";
  for (std::size_t cut = 1; cut < text.size(); ++cut) {
    RequestParser parser(8192, 65536);
    std::string buffer = text.substr(0, cut);
    State state = parser.consume(buffer);
    if (state == State::kNeedsMore) {
      buffer += text.substr(cut);
      state = parser.consume(buffer);
    }
    EXPECT_EQ(state, State::kFailed) << "cut after " << cut << " bytes";
  }
}

TEST(RequestParser, RefusesWhatIsTooLarge) {
  EXPECT_EQ(refusal("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(9000, 'x')), 431);
  EXPECT_EQ(refusal("GET /" + std::string(9000, 'x')), 431);
  const std::string post = "POST / HTTP/1.1\r\nHost: a\r\n";
  EXPECT_EQ(refusal(post + "Content-Length: 70000\r\n\r\n"), 413);
  EXPECT_EQ(refusal(post + "Content-Length: 99999999999999999999999\r\n\r\n"), 400);
  EXPECT_EQ(refusal(post + "Transfer-Encoding: chunked\r\n\r\n11170\r\n" + std::string(70000, 'x')),
            413);
  std::string chunks = post + "Transfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 40; ++i) {
    chunks += "7d0\r\n" + std::string(2000, 'x') + "\r\n";
  }
  EXPECT_EQ(refusal(chunks), 413);
  EXPECT_EQ(refusal(post + "Transfer-Encoding: chunked\r\n\r\n2;a=" + std::string(9000, 'x')), 431);
}

// What libFuzzer found: the parser asserts that it has five bytes of a last chunk.
TEST(RequestParser, TakesAnEmptyChunkedBodyByteByByte) {
  RequestParser parser(8192, 65536);
  const std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
  std::string buffer;
  for (std::size_t i = 0; i + 1 < text.size(); ++i) {
    buffer += text[i];
    ASSERT_EQ(parser.consume(buffer), State::kNeedsMore) << i;
  }
  buffer += text.back();
  EXPECT_EQ(parser.consume(buffer), State::kComplete);
  EXPECT_EQ(parser.take_request().body, "");
}

TEST(RequestParser, LeavesTrailersOutOfTheHeaders) {
  RequestParser parser(8192, 65536);
  std::string text =
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Forged: 1\r\n\r\n";
  ASSERT_EQ(parser.consume(text), State::kComplete);
  EXPECT_EQ(parser.take_request().header("x-forged"), "");
}

TEST(SerializeHeader, StatesTheFraming) {
  const auto whole = serialize_header({.body = "abc"}, Framing::kContentLength, true);
  ASSERT_TRUE(whole);
  EXPECT_THAT(*whole, HasSubstr("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(*whole, HasSubstr("Content-Length: 3\r\n"));
  EXPECT_THAT(*whole, Not(HasSubstr("Connection")));
  const auto chunked = serialize_header({}, Framing::kChunked, false);
  ASSERT_TRUE(chunked);
  EXPECT_THAT(*chunked, HasSubstr("Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"));
}

TEST(SerializeHeader, RefusesHeadersThatForgeOthers) {
  const auto refused = [](std::string name, std::string value) {
    return !serialize_header({.headers = {{std::move(name), std::move(value)}}},
                             Framing::kContentLength, true);
  };
  EXPECT_FALSE(refused("X-Fine", "yes\tindeed"));
  EXPECT_TRUE(refused("X-A", "b\r\nSet-Cookie: c"));
  EXPECT_TRUE(refused("X-A", "b\nc"));
  EXPECT_TRUE(refused("X-A", std::string("b\0c", 3)));
  EXPECT_TRUE(refused("X A", "b"));
  EXPECT_TRUE(refused("X-A:", "b"));
  EXPECT_TRUE(refused("", "b"));
  EXPECT_TRUE(refused("content-length", "5"));
  EXPECT_TRUE(refused("Transfer-Encoding", "chunked"));
}

TEST(SerializeChunk, NeverEndsTheBodyByAccident) {
  EXPECT_EQ(serialize_chunk(""), "");
  EXPECT_EQ(serialize_chunk(std::string(26, 'a')), "1a\r\n" + std::string(26, 'a') + "\r\n");
}

}  // namespace
}  // namespace vk8s::http::detail
