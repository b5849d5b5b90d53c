#include "ipnode/address_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <functional>
#include <thread>

#include "api/ip_allocation.h"
#include "base/fake_timers.h"
#include "kube/fake_client.h"
#include "sys/file.h"

namespace vk8s::ipnode {
namespace {

using kube::resources::kIPAllocation;
using std::chrono::milliseconds;
using testing::HasSubstr;

const cni::ClaimRequest kClaim{.address = *IpAddress::parse("10.1.200.7"),
                               .pod = {"team-a", "demo-0", "u"}};

Json allocation(std::optional<api::IpOwner> owner, bool releasing = false) {
  return api::to_json(
      {.address = kClaim.address, .owner = std::move(owner), .releasing = releasing});
}

std::string judged(const Result<Json>& found) {
  const auto answer = judge_claim(kClaim, found);
  return answer.granted ? "granted" : answer.reason;
}

TEST(JudgeClaim, GrantsThePodsOwnAddressAlone) {
  EXPECT_EQ(judged(allocation(api::IpOwner{.namespace_name = "team-a", .pod = "demo-0"})),
            "granted");
  EXPECT_EQ(judged(allocation(api::IpOwner{.namespace_name = "team-b", .pod = "demo-0"})),
            "it belongs to pod team-b/demo-0");
  EXPECT_EQ(judged(allocation(api::IpOwner{.namespace_name = "team-a", .pod = "demo-1"})),
            "it belongs to pod team-a/demo-1");
  EXPECT_THAT(judged(allocation(std::nullopt)), HasSubstr("reserved, and no pod's"));
  EXPECT_THAT(judged(allocation(api::IpOwner{.namespace_name = "team-a", .pod = "demo-0"}, true)),
              HasSubstr("being given back"));
}

TEST(JudgeClaim, GrantsNothingOnWhatItDoesNotKnow) {
  EXPECT_THAT(judged(fail(Errc::kNotFound, "")), HasSubstr("there is no IPAllocation 10.1.200.7"));
  EXPECT_THAT(judged(fail(Errc::kUnavailable, "refused")), HasSubstr("does not say whose it is"));
  EXPECT_THAT(judged(Json{{"metadata", {{"name", "10.1.200.7"}}}}), HasSubstr("cannot be read"));
  EXPECT_EQ(
      judged(api::to_json({.address = *IpAddress::parse("10.1.200.8"),
                           .owner = api::IpOwner{.namespace_name = "team-a", .pod = "demo-0"}})),
      "the API server gave IPAllocation 10.1.200.8 instead of 10.1.200.7");
}

class AddressServerTest : public testing::Test {
 protected:
  void serve(kube::Client& client, milliseconds limit = milliseconds(5000)) {
    auto server = AddressServer::start(loop_, client, path_, Log::silent(), limit);
    ASSERT_TRUE(server) << server.error().message();
    server_ = *std::move(server);
  }
  // Runs the client's side on a thread of its own, and the server's until that has ended.
  void meanwhile(const std::function<void()>& client_side) {
    std::thread thread([&] {
      client_side();
      loop_.stop();
    });
    loop_.run();
    thread.join();
  }
  std::string ask() {
    std::string out;
    meanwhile([&] {
      const auto answer = cni::ask(path_, kClaim);
      out = !answer ? answer.error().message() : answer->granted ? "granted" : answer->reason;
    });
    return out;
  }
  UniqueFd connect() const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(to.sun_path, path_.c_str(), sizeof to.sun_path - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to), 0)
        << std::strerror(errno);
    return fd;
  }
  static std::string read_all(int fd) {
    std::string out;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0;) {
      out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return out;
  }
  std::string say(const std::string& text) {
    std::string heard;
    meanwhile([&] {
      const UniqueFd fd = connect();
      ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL);
      heard = read_all(fd.get());
    });
    return heard;
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  std::string path_ = folder_.path() + "/ipam.sock";
  EventLoop loop_;
  kube::FakeClient api_{loop_};
  base::FakeTimers standing_;
  kube::FakeClient silent_api_{standing_};  // its answers wait for a time that does not come
  std::unique_ptr<AddressServer> server_;
};

TEST_F(AddressServerTest, AsksTheApiServerForEachClaim) {
  serve(api_);
  EXPECT_THAT(ask(), HasSubstr("there is no IPAllocation"));
  api_.put(kIPAllocation, allocation(api::IpOwner{.namespace_name = "team-a", .pod = "demo-0"}));
  EXPECT_EQ(ask(), "granted");
  api_.put(kIPAllocation, allocation(api::IpOwner{.namespace_name = "team-b", .pod = "other-0"}));
  EXPECT_EQ(ask(), "it belongs to pod team-b/other-0");
  api_.fail_next("get", kIPAllocation, Error(Errc::kUnavailable, "connection refused"));
  EXPECT_THAT(ask(), HasSubstr("10.1.200.7: connection refused"));
  EXPECT_EQ(api_.requests().size(), 4U);
}

TEST_F(AddressServerTest, GivesUpOnAnApiServerThatDoesNotAnswer) {
  serve(silent_api_, milliseconds(20));
  EXPECT_THAT(ask(), HasSubstr("does not say whose it is: no answer within 20 ms"));
}

TEST_F(AddressServerTest, RefusesWhatIsNoClaim) {
  serve(api_);
  EXPECT_THAT(say("{}\n"), HasSubstr("the request is malformed"));
  EXPECT_THAT(say(std::string(5000, 'x')), HasSubstr("the request is too long"));
  EXPECT_TRUE(api_.requests().empty());
}

TEST_F(AddressServerTest, EndsConnectionsThatSayNothing) {
  serve(api_, milliseconds(20));
  EXPECT_EQ(say(""), "");
}

TEST_F(AddressServerTest, ServesOnWhenSomebodyGoesWithoutWaiting) {
  serve(api_);
  meanwhile([&] {
    const UniqueFd fd = connect();
    const std::string line = cni::to_line(kClaim);
    ::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
  });
  EXPECT_THAT(ask(), HasSubstr("there is no IPAllocation"));
}

TEST_F(AddressServerTest, TakesSoManyClaimsAtATime) {
  serve(silent_api_);
  std::string heard;
  meanwhile([&] {
    std::vector<UniqueFd> waiting;
    for (std::size_t i = 0; i < kMaxClaims; ++i) {
      waiting.push_back(connect());
    }
    heard = read_all(connect().get());
  });
  EXPECT_THAT(heard, HasSubstr("too many pods ask at once"));
}

TEST_F(AddressServerTest, ReplacesWhatAnEarlierProcessLeftAndIsForItsUserAlone) {
  serve(api_);
  server_.reset();
  serve(api_);
  struct stat info {};
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_THAT(ask(), HasSubstr("there is no IPAllocation"));
}

TEST_F(AddressServerTest, AnswersNoOtherUser) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root: it connects as another user";
  }
  serve(api_);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  ASSERT_EQ(::chmod(path_.c_str(), 0777), 0);
  std::string heard = "something";
  meanwhile([&] {
    // The system call changes this thread's user alone; the C library's all threads'.
    ASSERT_EQ(::syscall(SYS_setresuid, -1, 65534, -1), 0);
    const UniqueFd fd = connect();
    const std::string line = cni::to_line(kClaim);
    ::send(fd.get(), line.data(), line.size(), MSG_NOSIGNAL);
    heard = read_all(fd.get());
  });
  EXPECT_EQ(heard, "");
  EXPECT_TRUE(api_.requests().empty());
}

TEST_F(AddressServerTest, SaysWhereItCannotServe) {
  const auto server =
      AddressServer::start(loop_, api_, folder_.path() + "/no/ipam.sock", Log::silent());
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().message(), HasSubstr("/no/ipam.sock"));
}

}  // namespace
}  // namespace vk8s::ipnode
