// A connection whose packets vanish, in a network namespace of the test's own.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <set>

#include "base/text.h"
#include "kube/informer.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::kube {
namespace {

using std::chrono::seconds;

constexpr const char* kNft = "/usr/sbin/nft";

// The calling thread, and all that it starts, moves to a new network namespace
// that holds nothing but loopback.
Status enter_new_network() {
  if (::unshare(CLONE_NEWNET) != 0) {
    return fail_errno(errno, "unshare the network namespace");
  }
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  request.ifr_name[0] = 'l';
  request.ifr_name[1] = 'o';
  request.ifr_flags = IFF_UP;
  if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return fail_errno(errno, "set lo up");
  }
  return {};
}

std::set<std::string> own_sockets() {
  std::set<std::string> inodes;
  const auto names = sys::list_directory("/proc/self/fd");
  for (const std::string& name : names.value_or(std::vector<std::string>())) {
    std::array<char, 64> target{};
    const auto size = ::readlink(("/proc/self/fd/" + name).c_str(), target.data(), target.size());
    const std::string_view text(target.data(),
                                static_cast<std::size_t>(std::max(size, ssize_t{0})));
    if (text.starts_with("socket:[")) {
      inodes.emplace(text.substr(8, text.size() - 9));
    }
  }
  return inodes;
}

// Local ports of this process's connections to `port`. Source: proc_net_tcp.rst.
std::vector<int> connections_to(int port) {
  std::vector<int> ports;
  const std::string table = sys::read_file("/proc/thread-self/net/tcp").value_or("");
  const auto sockets = own_sockets();
  for (const std::string_view line : base::split(table, '\n')) {
    std::vector<std::string> words;
    for (const std::string_view word : base::split(line, ' ')) {
      if (!word.empty()) {
        words.emplace_back(word);
      }
    }
    if (words.size() < 10 || words[3] != "01" || !sockets.contains(words[9])) {
      continue;
    }
    const auto port_of = [](const std::string& address) {
      return std::stoi(address.substr(address.find(':') + 1), nullptr, 16);
    };
    if (port_of(words[2]) == port) {
      ports.push_back(port_of(words[1]));
    }
  }
  return ports;
}

Status drop_packets_of(int port) {
  const std::string rules = fmt::format(
      "add table inet lost\n"
      "add chain inet lost input {{ type filter hook input priority 0; }}\n"
      "add rule inet lost input tcp sport {} drop\n"
      "add rule inet lost input tcp dport {} drop\n",
      port, port);
  VK8S_TRY(sys::check_command({.argv = {kNft, "-f", "-"}, .environment = {}},
                              {.standard_input = rules}));
  return {};
}

TEST(DroppedPackets, InformerResumesWithin45Seconds) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root for a network namespace";
  }
  if (const auto missing = testing::ApiServer::missing_prerequisite()) {
    GTEST_SKIP() << *missing;
  }
  if (!sys::exists(kNft)) {
    GTEST_SKIP() << kNft << " is not installed";
  }
  const Status entered = enter_new_network();
  ASSERT_TRUE(entered) << entered.error().message();
  auto server = testing::ApiServer::start();
  ASSERT_TRUE(server) << server.error().message();
  testing::LoopThread thread;
  auto client = Client::create(thread.loop(), (*server)->admin(), Log::to_stderr("test"));
  ASSERT_TRUE(client);
  std::optional<Informer> informer;
  thread.run([&] {
    informer.emplace(
        thread.loop(), **client,
        InformerOptions{.resource = resources::kConfigMap, .namespace_name = "default"},
        Log::to_stderr("test"));
    informer->start();
  });
  ASSERT_TRUE(thread.wait_until([&] { return informer->has_synced(); }, seconds(20)));
  thread.tick(std::chrono::milliseconds(500));  // the watch is on its way

  const std::vector<int> ports = connections_to((*server)->port());
  ASSERT_FALSE(ports.empty());
  for (const int port : ports) {
    const Status dropped = drop_packets_of(port);
    ASSERT_TRUE(dropped) << dropped.error().message();
  }
  const auto start = std::chrono::steady_clock::now();
  // Written through another client, whose connection works.
  auto other = Client::create(thread.loop(), (*server)->admin(), Log::silent());
  ASSERT_TRUE(other);
  const Json object{{"metadata", JsonObject{{"name", "unseen"}}}};
  const auto written =
      BlockingClient(thread.loop(), **other).create(resources::kConfigMap, "default", object);
  ASSERT_TRUE(written) << written.error().message();
  EXPECT_TRUE(thread.wait_until(
      [&] {
        return informer->store().get({"default", "unseen"}) != nullptr;
      },
      seconds(60)));
  const auto passed = std::chrono::steady_clock::now() - start;
  EXPECT_LE(passed, seconds(45));
  RecordProperty("seconds", static_cast<int>(std::chrono::duration_cast<seconds>(passed).count()));
  thread.run([&] {
    informer.reset();
    client->reset();
    other->reset();
  });
}

}  // namespace
}  // namespace vk8s::kube
