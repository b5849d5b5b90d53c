#include <glob.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "host/host_cluster.h"
#include "sys/file.h"
#include "sys/mount.h"
#include "sys/netlink.h"
#include "sys/netns.h"

namespace vk8s::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// runc: $VK8S_RUNC, else that of the build cache, else "".
std::string find_runc() {
  if (const char* given = std::getenv("VK8S_RUNC")) {
    return given;
  }
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string folder = cache != nullptr ? cache : fmt::format("{}/.cache", home ? home : "");
  glob_t found{};
  std::string path;
  if (::glob((folder + "/gs-optops/upstream/runc-*/runc").c_str(), 0, nullptr, &found) == 0) {
    path = found.gl_pathv[0];
  }
  ::globfree(&found);
  return path;
}

void expect_ok(const Status& status) {
  EXPECT_TRUE(status) << (status ? "" : status.error().message());
}

class HostClusterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    const std::string runc = find_runc();
    if (runc.empty()) {
      GTEST_SKIP() << "needs runc: run upstream/build.sh, or set VK8S_RUNC";
    }
    const std::string programs = folder_.path() + "/image/opt/vk8s/bin";
    ASSERT_TRUE(sys::ensure_directory(programs));
    copy(VK8S_FAKE_AGENT, programs + "/vk8s-agent");
    copy(runc, programs + "/runc");
    options_.state_folder = folder_.path() + "/state";
    options_.name = name_;
    options_.subnet = fmt::format("100.127.{}.0/24", ::getpid() % 256);
    options_.rootfs = folder_.path() + "/image";
    options_.wait = false;
    options_.stop_grace = std::chrono::seconds(5);
    options_.limit_files = {.sysctl_root = folder_.path() + "/sysctl",
                            .state_file = folder_.path() + "/limits.json"};
  }

  void TearDown() override {
    if (!IsSkipped()) {
      HostOptions options = options_;
      options.stop_grace = std::chrono::seconds(0);
      expect_ok(HostCluster(options, {}).purge());
      expect_nothing_left();
    }
  }

  static void copy(const std::string& from, const std::string& to) {
    const auto content = sys::read_file(from, 256U << 20U);
    ASSERT_TRUE(content) << content.error().message();
    ASSERT_TRUE(sys::write_file(to, *content, {.mode = 0755}));
  }

  HostCluster cluster() {
    return {options_, [this](std::string_view subject, std::string_view text) {
              lines_.push_back(fmt::format("{}: {}", subject, text));
            }};
  }

  pid_t pid_of(std::string_view node) {
    const auto status = cluster().status();
    EXPECT_TRUE(status) << status.error().message();
    for (const HostNodeStatus& one : status->nodes) {
      if (one.name == node && one.container.state == ContainerState::kRunning) {
        return one.container.pid;
      }
    }
    return 0;
  }

  // What the node's first process wrote, once it is ready.
  std::string console_of(std::string_view node) {
    const std::string path = fmt::format("{}/{}/console.log", options_.state_folder, node);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::string text;
    while (std::chrono::steady_clock::now() < deadline) {
      text = sys::read_file(path).value_or("");
      if (text.find("ready=yes") != std::string::npos) {
        break;
      }
      std::this_thread::yield();
    }
    return text;
  }

  void expect_nothing_runs() {
    const auto links = *sys::Netlink::open()->list_links();
    for (const sys::Link& link : links) {
      EXPECT_THAT(link.name, Not(::testing::StartsWith(name_)));
    }
    const auto spaces = *sys::NetNs::list();
    for (const std::string& space : spaces) {
      EXPECT_THAT(space, Not(::testing::StartsWith(name_)));
    }
    const auto mounts = *sys::list_mounts();
    for (const sys::MountEntry& mount : mounts) {
      EXPECT_THAT(mount.mount_point, Not(HasSubstr(folder_.path())));
    }
    const std::string cgroup = "/sys/fs/cgroup/" + name_ + "-host";
    EXPECT_FALSE(sys::exists(cgroup));
    const auto hierarchies = *sys::list_directory("/sys/fs/cgroup");
    for (const std::string& hierarchy : hierarchies) {
      EXPECT_FALSE(sys::exists(fmt::format("/sys/fs/cgroup/{}/{}-host", hierarchy, name_)));
    }
  }

  void expect_nothing_left() {
    expect_nothing_runs();
    EXPECT_FALSE(sys::exists("/run/" + name_ + "-host"));
    EXPECT_FALSE(sys::exists(options_.state_folder));
    EXPECT_FALSE(sys::exists(options_.limit_files.state_file));
  }

  sys::TempDir folder_ = *sys::TempDir::create("vk8s-host-test");
  const std::string name_ = fmt::format("t{}", ::getpid());
  HostOptions options_;
  std::vector<std::string> lines_;
};

TEST_F(HostClusterTest, GivesANodeWhatItNeedsAndNoMore) {
  expect_ok(cluster().up());
  const std::string console = console_of("host-1");
  for (const char* line :
       {"first=yes", "config=yes", "config-writable=no", "volume-writable=yes", "root-writable=yes",
        "kmsg=yes", "eth0=yes", "forwarding=yes", "mount=yes", "ready=yes"}) {
    EXPECT_THAT(console, HasSubstr(line));
  }
  const std::string node = options_.state_folder + "/host-1";
  EXPECT_TRUE(sys::exists(node + "/volume/kept"));
  EXPECT_FALSE(sys::exists(options_.rootfs.value() + "/written")) << "the image stays as it was";
  const auto mounts = *sys::list_mounts();
  for (const sys::MountEntry& mount : mounts) {
    EXPECT_THAT(mount.mount_point, Not(HasSubstr("/inner"))) << "mounts stay inside";
  }
  const auto config = api::parse_node_config(*sys::read_file(node + "/config/node.json"));
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->node_name, "host-1");
  EXPECT_TRUE(sys::exists(node + "/config/ca.key"));
  EXPECT_THAT(*cluster().kubeconfig(), HasSubstr("kind: Config"));
}

TEST_F(HostClusterTest, LeavesARunningNodeAlone) {
  expect_ok(cluster().up());
  const pid_t first = pid_of("host-1");
  ASSERT_NE(first, 0);
  lines_.clear();
  expect_ok(cluster().up());
  EXPECT_EQ(pid_of("host-1"), first);
  EXPECT_THAT(lines_, Contains("host-1: runs already"));
}

TEST_F(HostClusterTest, StartsADeadNodeAgain) {
  expect_ok(cluster().up());
  console_of("host-1");
  const pid_t first = pid_of("host-1");
  ASSERT_GT(first, 1);
  ASSERT_EQ(::kill(first, SIGKILL), 0);
  expect_ok(cluster().up());
  const pid_t second = pid_of("host-1");
  EXPECT_NE(second, 0);
  EXPECT_NE(second, first);
}

TEST_F(HostClusterTest, RepairsANodeWhoseNetworkWasTakenAway) {
  expect_ok(cluster().up());
  const pid_t first = pid_of("host-1");
  sys::Netlink netlink = *sys::Netlink::open();
  expect_ok(netlink.delete_link(name_ + "n1"));
  expect_ok(cluster().up());
  EXPECT_EQ(pid_of("host-1"), first) << "a new cable is enough";
  EXPECT_TRUE(netlink.get_link(name_ + "n1"));
  expect_ok(sys::NetNs::remove(name_ + "-host-1"));
  expect_ok(cluster().up());
  EXPECT_NE(pid_of("host-1"), 0);
  EXPECT_NE(pid_of("host-1"), first) << "a process cannot change its namespace";
}

TEST_F(HostClusterTest, ComesBackAfterARebootWithItsState) {
  expect_ok(cluster().up());
  const std::string kept = options_.state_folder + "/host-1/volume/own";
  const std::string ca = *sys::read_file(options_.state_folder + "/pki/ca.crt");
  ASSERT_TRUE(sys::write_file(kept, "x"));
  expect_ok(cluster().down());
  expect_nothing_runs();
  // What else a reboot takes away.
  ASSERT_TRUE(sys::remove_tree("/run/" + name_ + "-host"));
  HostOptions bare;
  bare.state_folder = options_.state_folder;
  bare.wait = false;
  bare.limit_files = options_.limit_files;
  expect_ok(HostCluster(bare, {}).up());
  EXPECT_NE(pid_of("host-1"), 0);
  EXPECT_TRUE(sys::exists(kept));
  EXPECT_EQ(*sys::read_file(options_.state_folder + "/pki/ca.crt"), ca);
}

TEST_F(HostClusterTest, AddsNodesThatReachEachOther) {
  expect_ok(cluster().up());
  options_.node_count = 2;
  expect_ok(cluster().up());
  EXPECT_NE(pid_of("host-1"), 0);
  EXPECT_NE(pid_of("host-2"), 0);
  EXPECT_FALSE(sys::exists(options_.state_folder + "/host-2/config/ca.key"))
      << "a worker has no CA key";
  // A neighbour answers ARP, or there would be no reset and no "refused".
  const auto status = cluster().status();
  const auto space = sys::NetNs::open(name_ + "-host-2");
  ASSERT_TRUE(space);
  expect_ok(space->run([&]() -> Status {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto ip = *IpAddress::parse(status->nodes[0].address);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = 0x0100;  // port 1: nobody listens
    std::memcpy(&address.sin_addr, ip.bytes().data(), 4);
    EXPECT_NE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(errno, ECONNREFUSED);
    return {};
  }));
}

TEST_F(HostClusterTest, KillsANodeThatIgnoresSigterm) {
  expect_ok(cluster().up());
  console_of("host-1");
  ASSERT_TRUE(sys::write_file(options_.state_folder + "/host-1/config/ignore-sigterm", ""));
  const pid_t first = pid_of("host-1");
  ::kill(first, SIGKILL);
  expect_ok(cluster().up());
  console_of("host-1");
  options_.stop_grace = std::chrono::seconds(0);
  expect_ok(cluster().down());
  expect_nothing_runs();
}

TEST_F(HostClusterTest, RefusesToBecomeAnotherHost) {
  expect_ok(cluster().up());
  options_.subnet = "100.126.0.0/24";
  const Status changed = cluster().up();
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code(), Errc::kConflict);
  EXPECT_THAT(changed.error().message(), HasSubstr("--subnet"));
  options_.subnet.reset();
  options_.rootfs = folder_.path() + "/absent";
  EXPECT_THAT(cluster().up().error().message(), HasSubstr("--rootfs"));
}

TEST_F(HostClusterTest, RefusesASubnetTheMachineHasARouteTo) {
  const std::string link = name_ + "x";
  sys::Netlink netlink = *sys::Netlink::open();
  ASSERT_TRUE(netlink.create_bridge(link));
  ASSERT_TRUE(netlink.add_address(link, fmt::format("100.127.{}.9/24", ::getpid() % 256)));
  ASSERT_TRUE(netlink.set_up(link));
  const Status taken = cluster().up();
  ASSERT_TRUE(netlink.delete_link(link));
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Errc::kConflict);
  EXPECT_THAT(taken.error().message(), HasSubstr("--subnet"));
}

TEST_F(HostClusterTest, PurgesAHostWhoseStateIsLost) {
  expect_ok(cluster().up());
  ASSERT_TRUE(sys::remove_tree(options_.state_folder + "/host.json"));
  options_.runc = options_.rootfs.value() + "/opt/vk8s/bin/runc";
  expect_ok(cluster().purge());
  expect_nothing_left();
}

TEST_F(HostClusterTest, KeepsWhatIsNotItsOwnInTheStateFolder) {
  expect_ok(cluster().up());
  const std::string foreign = options_.state_folder + "/foreign";
  ASSERT_TRUE(sys::write_file(foreign, "x"));
  expect_ok(cluster().purge());
  EXPECT_THAT(*sys::list_directory(options_.state_folder), ElementsAre("foreign"));
  ASSERT_TRUE(sys::remove_tree(options_.state_folder));
}

TEST_F(HostClusterTest, SaysThatThereIsNoHost) {
  const auto status = cluster().status();
  ASSERT_TRUE(status);
  EXPECT_FALSE(status->exists);
  EXPECT_EQ(cluster().kubeconfig().error().code(), Errc::kNotFound);
  expect_ok(cluster().down());
}

}  // namespace
}  // namespace vk8s::host
