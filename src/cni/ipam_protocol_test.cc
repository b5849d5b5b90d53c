#include "cni/ipam_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "base/unique_fd.h"
#include "sys/file.h"

namespace vk8s::cni {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

const ClaimRequest kRequest{.address = *IpAddress::parse("10.1.0.7"),
                            .pod = {"team-a", "demo-0", "uid-1"}};

// Takes one connection, reads what comes and says what it is told to; then holds the
// connection until the other end has gone.
class Peer {
 public:
  explicit Peer(std::string answer) : answer_(std::move(answer)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::strncpy(at.sun_path, path().c_str(), sizeof at.sun_path - 1);
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
    EXPECT_EQ(::listen(listener_.get(), 1), 0);
    thread_ = std::thread([this] { serve(); });
  }
  ~Peer() { thread_.join(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  std::string path() const { return folder_.path() + "/socket"; }
  // After the conversation.
  const std::string& received() const { return received_; }

 private:
  void serve() {
    const UniqueFd fd(::accept(listener_.get(), nullptr, nullptr));
    std::array<char, 8192> buffer{};
    const ssize_t got = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    received_.assign(buffer.data(), static_cast<std::size_t>(got > 0 ? got : 0));
    if (answer_ == "close") {
      return;
    }
    ::send(fd.get(), answer_.data(), answer_.size(), MSG_NOSIGNAL);
    while (::recv(fd.get(), buffer.data(), buffer.size(), 0) > 0) {
    }
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  std::string answer_;
  std::string received_;
  UniqueFd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::thread thread_;
};

std::string failure(const std::string& answer, milliseconds limit = milliseconds(5000)) {
  const Peer peer(answer);
  const auto asked = ask(peer.path(), kRequest, limit);
  return asked ? "answered" : asked.error().message();
}

TEST(IpamProtocol, AsksAndHearsTheAnswer) {
  ClaimAnswer heard;
  std::string said;
  {
    Peer peer("{\"granted\":false,\"reason\":\"it is team-b/other-0's\"}\n");
    const auto answer = ask(peer.path(), kRequest);
    ASSERT_TRUE(answer) << answer.error().message();
    EXPECT_EQ(*answer, (ClaimAnswer{false, "it is team-b/other-0's"}));
    said = peer.received();
  }
  EXPECT_EQ(said, R"({"address":"10.1.0.7","namespace":"team-a","pod":"demo-0","uid":"uid-1"})"
                  "\n");
}

TEST(IpamProtocol, SaysWhoShouldServeWhereNobodyDoes) {
  const auto answer = ask("/nonexistent/ipam.sock", kRequest);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), Errc::kUnavailable);
  EXPECT_THAT(answer.error().message(),
              HasSubstr("ask /nonexistent/ipam.sock whether 10.1.0.7 is team-a/demo-0's: No such "
                        "file or directory: the node's agent"));
  EXPECT_FALSE(ask("/" + std::string(200, 'a'), kRequest)) << "longer than a socket's path may be";
}

TEST(IpamProtocol, GivesUpOnWhoSaysNothing) {
  EXPECT_THAT(failure("", milliseconds(20)), HasSubstr("no answer in time"));
  EXPECT_THAT(failure("{\"granted\":", milliseconds(20)), HasSubstr("no answer in time"));
}

TEST(IpamProtocol, BelievesNoAnswerThatIsNone) {
  EXPECT_THAT(failure("close"), HasSubstr("was closed before an answer"));
  EXPECT_THAT(failure(std::string(5000, 'x')), HasSubstr("longer than 4096 bytes"));
  EXPECT_THAT(failure("{}\n"), HasSubstr("does not say \"granted\""));
  EXPECT_THAT(failure("{\"granted\":\"true\"}\n"), HasSubstr("does not say \"granted\""));
}

TEST(IpamProtocol, BringsLinesBack) {
  const auto without_newline = [](std::string line) {
    line.pop_back();
    return line;
  };
  EXPECT_EQ(*parse_claim_request(without_newline(to_line(kRequest))), kRequest);
  for (const ClaimAnswer& answer : {ClaimAnswer{true, ""}, ClaimAnswer{false, "why\nnot"}}) {
    const std::string line = to_line(answer);
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    EXPECT_EQ(parse_claim_answer(without_newline(line))->granted, answer.granted);
  }
}

TEST(IpamProtocol, RefusesRequestsOfNoPod) {
  for (const char* line :
       {"", "{}", R"({"address":"10.1.0.7","namespace":"team-a"})",
        R"({"address":"10.1.0.07","namespace":"team-a","pod":"demo-0"})",
        R"({"address":"::ffff:10.1.0.7","namespace":"team-a","pod":"demo-0"})",
        R"({"address":"10.1.0.7","namespace":"team a","pod":"demo-0"})",
        R"({"address":"10.1.0.7","namespace":"team-a","pod":"../demo-0"})",
        R"({"address":"10.1.0.7","namespace":"team-a","pod":"demo-0","uid":"a/b"})"}) {
    EXPECT_FALSE(parse_claim_request(line)) << line;
  }
}

TEST(IpamProtocol, KnowsWhoIsAtTheOtherEnd) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
  const UniqueFd left(ends[0]);
  const UniqueFd right(ends[1]);
  EXPECT_EQ(*peer_user(left.get()), ::geteuid());
  EXPECT_FALSE(peer_user(-1));
}

}  // namespace
}  // namespace vk8s::cni
