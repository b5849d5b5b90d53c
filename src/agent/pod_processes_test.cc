#include "agent/pod_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/local_provisioner.h"
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
    ASSERT_TRUE(sys::write_file(path + "/stat", fmt::format("{} ({}) S {} 1 1", pid, name, parent)));
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

Json claim(const char* node, const char* uid = "0b5e-1") {
  return {{"metadata",
           {{"namespace", "default"},
            {"name", "data"},
            {"uid", uid},
            {"annotations",
             {{"volume.kubernetes.io/selected-node", node},
              {"volume.kubernetes.io/storage-provisioner", "vk8s.sktelecom.com/local"}}}}},
          {"spec",
           {{"storageClassName", "local"},
            {"accessModes", JsonArray{"ReadWriteOnce"}},
            {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
}

TEST(ReadClaim, ServesAClaimPutOnThisNode) {
  const auto request = read_claim(claim("n1"), "n1");
  ASSERT_TRUE(request) << request.error().message();
  EXPECT_EQ(request->volume_name, "pvc-0b5e-1");
  const Json volume = local_volume(*request, "n1", "/v/pvc-0b5e-1", "Retain");
  EXPECT_EQ(base::get_string(volume, "spec.local.path"), "/v/pvc-0b5e-1");
  EXPECT_EQ(base::get_string(volume, "spec.persistentVolumeReclaimPolicy"), "Retain");
  EXPECT_EQ(base::get_string(
                volume,
                "spec.nodeAffinity.required.nodeSelectorTerms.0.matchExpressions.0.values.0"),
            "n1");
}

TEST(ReadClaim, KnowsItsProvisionerByTheOldAnnotationToo) {
  Json old = claim("n1");
  JsonObject& annotations =
      old.as_object()["metadata"].as_object()["annotations"].as_object();
  annotations.erase("volume.kubernetes.io/storage-provisioner");
  EXPECT_FALSE(read_claim(old, "n1"));
  annotations["volume.beta.kubernetes.io/storage-provisioner"] = "vk8s.sktelecom.com/local";
  EXPECT_TRUE(read_claim(old, "n1"));
}

TEST(ReadClaim, RefusesOthersAndWhatWouldLeaveTheFolder) {
  EXPECT_EQ(read_claim(claim("n2"), "n1").error().code(), Errc::kNotFound);
  EXPECT_EQ(read_claim(claim("n1", "../../etc"), "n1").error().code(), Errc::kInvalidArgument);
  Json block = claim("n1");
  block.as_object()["spec"].as_object()["volumeMode"] = "Block";
  EXPECT_EQ(read_claim(block, "n1").error().code(), Errc::kUnsupported);
}

TEST(IsToBeDeleted, OnlyItsOwnReleasedVolumes) {
  const auto request = read_claim(claim("n1"), "n1");
  Json volume = local_volume(*request, "n1", "/v", "Delete");
  EXPECT_FALSE(is_to_be_deleted(volume, "n1"));
  volume.as_object()["status"] = {{"phase", "Released"}};
  EXPECT_TRUE(is_to_be_deleted(volume, "n1"));
  EXPECT_FALSE(is_to_be_deleted(volume, "n2"));
  volume.as_object()["metadata"].as_object()["name"] = "pvc-../..";
  EXPECT_FALSE(is_to_be_deleted(volume, "n1"));
}

}  // namespace
}  // namespace vk8s::agent
