#include "host/oci_spec.h"

#include <gmock/gmock.h>

#include "host/runc.h"

namespace vk8s::host {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

ContainerSpec node_spec() {
  ContainerSpec spec;
  spec.argv = {"/opt/vk8s/bin/vk8s-agent"};
  spec.environment = {{"PATH", "/bin"}};
  spec.host_name = "host-1";
  spec.root = "/state/host-1/root/merged";
  spec.netns_path = "/run/netns/vk8s-host-1";
  spec.cgroup = "/vk8s-host/host-1";
  spec.binds = {{"/a", "/b", true}};
  spec.is_node = true;
  spec.capabilities = {"CAP_CHOWN"};
  spec.open_files = 1024;
  return spec;
}

const JsonObject* mount_at(const Json& spec, std::string_view destination) {
  for (const Json& mount : *base::get_array(spec, "mounts")) {
    if (base::get_string(mount, "destination") == destination) {
      return mount.if_object();
    }
  }
  return nullptr;
}

TEST(OciSpec, GivesANodeNamespacesDevicesAndCgroups) {
  const Json spec = make_oci_spec(node_spec());
  EXPECT_EQ(base::get_string(spec, "process.args.0"), "/opt/vk8s/bin/vk8s-agent");
  EXPECT_EQ(base::get_string(spec, "process.env.0"), "PATH=/bin");
  EXPECT_EQ(base::get_string(spec, "process.capabilities.bounding.0"), "CAP_CHOWN");
  EXPECT_EQ(base::get_int(spec, "process.user.uid"), 0);
  EXPECT_EQ(base::get_string(spec, "root.path"), "/state/host-1/root/merged");
  EXPECT_EQ(base::get_bool(spec, "linux.resources.devices.0.allow"), true);
  EXPECT_EQ(base::get_string(spec, "linux.cgroupsPath"), "/vk8s-host/host-1");
  EXPECT_EQ(base::get_string(spec, "linux.rootfsPropagation"), "rslave");
  std::vector<std::string> types;
  for (const Json& name_space : *base::get_array(spec, "linux.namespaces")) {
    types.emplace_back(*base::get_string(name_space, "type"));
  }
  EXPECT_THAT(types, ElementsAre("pid", "ipc", "uts", "mount", "cgroup", "network"));
  EXPECT_EQ(base::get_string(spec, "linux.namespaces.5.path"), "/run/netns/vk8s-host-1");
  EXPECT_EQ(base::find(spec, "linux.maskedPaths"), nullptr);
  EXPECT_NE(mount_at(spec, "/dev/kmsg"), nullptr);
  EXPECT_NE(mount_at(spec, "/sys/fs/cgroup"), nullptr);
  ASSERT_NE(mount_at(spec, "/b"), nullptr);
  EXPECT_EQ(base::to_string(mount_at(spec, "/b")->at("options")), R"(["rbind","rslave","ro"])");
}

TEST(OciSpec, KeepsOtherContainersNarrow) {
  ContainerSpec narrow = node_spec();
  narrow.is_node = false;
  const Json spec = make_oci_spec(narrow);
  EXPECT_EQ(base::get_bool(spec, "linux.resources.devices.0.allow"), false);
  EXPECT_EQ(base::get_bool(spec, "process.noNewPrivileges"), true);
  EXPECT_NE(base::find(spec, "linux.maskedPaths"), nullptr);
  EXPECT_NE(base::find(spec, "linux.readonlyPaths"), nullptr);
  EXPECT_EQ(mount_at(spec, "/dev/kmsg"), nullptr);
  EXPECT_EQ(base::to_string(mount_at(spec, "/sys")->at("options")),
            R"(["nosuid","noexec","nodev","ro"])");
}

TEST(Capabilities, AreThoseOfTheMask) {
  EXPECT_THAT(capability_names(0), ElementsAre());
  EXPECT_THAT(capability_names(3), ElementsAre("CAP_CHOWN", "CAP_DAC_OVERRIDE"));
  const auto all_but_one = capability_names(0x000001fffeffffff);
  EXPECT_EQ(all_but_one.size(), 40U);
  EXPECT_THAT(all_but_one, Not(Contains("CAP_SYS_RESOURCE")));
  EXPECT_THAT(all_but_one, Contains("CAP_CHECKPOINT_RESTORE"));
  EXPECT_EQ(capability_names(~std::uint64_t{0}).size(), 41U);
}

TEST(Capabilities, AreReadFromProcStatus) {
  EXPECT_EQ(*parse_bounding_set("Name:\tx\nCapEff:\t0\nCapBnd:\t000001fffeffffff\n"),
            0x000001fffeffffffU);
  EXPECT_FALSE(parse_bounding_set("Name:\tx\n"));
  EXPECT_FALSE(parse_bounding_set("CapBnd:\tzz\n"));
}

TEST(RuncState, TellsWhatRuns) {
  const auto running = parse_runc_state(R"({"id":"a","pid":42,"status":"running"})");
  ASSERT_TRUE(running);
  EXPECT_EQ(running->state, ContainerState::kRunning);
  EXPECT_EQ(running->pid, 42);
  EXPECT_EQ(parse_runc_state(R"({"pid":0,"status":"stopped"})")->state, ContainerState::kStopped);
  // Signals go to this number: a negative one is a group, -1 is every process.
  EXPECT_FALSE(parse_runc_state(R"({"pid":-1,"status":"running"})"));
  EXPECT_FALSE(parse_runc_state(R"({"pid":4294967295,"status":"running"})"));
  for (const char* text : {"", "[]", "{}", R"({"status":"running"})", R"({"pid":1})"}) {
    EXPECT_FALSE(parse_runc_state(text)) << text;
  }
}

TEST(RuncLog, GivesTheLastMessage) {
  EXPECT_EQ(last_runc_message("{\"level\":\"warning\",\"msg\":\"first\"}\nnonsense\n"
                              "{\"level\":\"error\",\"msg\":\"second\"}\n"),
            "second");
  EXPECT_EQ(last_runc_message(""), "");
}

}  // namespace
}  // namespace vk8s::host
