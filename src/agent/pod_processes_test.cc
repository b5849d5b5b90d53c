#include "agent/pod_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/node_setup.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FakeProc : public testing::Test {
 protected:
  FakeProc() : folder_(std::move(*sys::TempDir::create())) {}
  void add(int pid, int parent, const std::string& name, const std::string& cgroup) {
    const std::string path = fmt::format("{}/{}", folder_.path(), pid);
    ASSERT_TRUE(sys::ensure_directory(path));
    ASSERT_TRUE(
        sys::write_file(path + "/stat", fmt::format("{} ({}) S {} 1 1", pid, name, parent)));
    ASSERT_TRUE(sys::write_file(path + "/cgroup", cgroup));
  }
  sys::TempDir folder_;
};

TEST_F(FakeProc, ListsOnlyProcessesOfPods) {
  add(1, 0, "vk8s-agent", "4:memory:/vk8s\n0::/\n");
  add(50, 1, "shim", "4:memory:/vk8s\n0::/\n");
  add(60, 50, "odd) name", "4:memory:/kubepods/besteffort/pod1/c1\n0::/\n");
  add(70, 50, "app", "0::/kubepods/pod2/c2\n");
  const auto processes = list_pod_processes(folder_.path());
  ASSERT_EQ(processes.size(), 2U);
  EXPECT_EQ(processes[0].name, "odd) name");
  EXPECT_EQ(processes[0].parent, 50);
}

TEST(ChooseToTerminate, AsksTheFirstProcessOfEachContainer) {
  EXPECT_THAT(choose_to_terminate({{60, 50, "pause"}, {61, 51, "sh"}, {62, 61, "server"}}),
              ElementsAre(61));
}

TEST(ChooseToTerminate, AsksTheSandboxesLast) {
  EXPECT_THAT(choose_to_terminate({{60, 50, "pause"}}), ElementsAre(60));
  EXPECT_THAT(choose_to_terminate({}), IsEmpty());
}

TEST(ParseNameServers, LeavesLoopbackAndNonsenseOut) {
  EXPECT_THAT(parse_name_servers("search a.b\nnameserver 127.0.0.53\nnameserver 10.0.0.1\n"
                                 "nameserver not-an-address\n nameserver\t10.0.0.2\n"),
              ElementsAre("10.0.0.1", "10.0.0.2"));
}

TEST(ParseMemoryTotal, ReadsKibibytes) {
  EXPECT_EQ(*parse_memory_total("MemTotal:       24689712 kB\nMemFree: 1 kB\n"), 25282265088);
  EXPECT_FALSE(parse_memory_total("MemFree: 1 kB\n"));
  EXPECT_FALSE(parse_memory_total("MemTotal: 9223372036854775807 kB\n"));
  EXPECT_FALSE(parse_memory_total("MemTotal: -1 kB\n"));
}

}  // namespace
}  // namespace vk8s::agent
