#include "agent/local_provisioner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/bootstrap_objects.h"
#include "agent/fake_process_runner.h"
#include "kube/fake_client.h"
#include "sys/file.h"

namespace vk8s::agent {
namespace {

using kube::resources::kEvent;
using kube::resources::kPersistentVolume;
using kube::resources::kPersistentVolumeClaim;
using kube::resources::kStorageClass;
using testing::HasSubstr;

constexpr const char* kSelectedNode = "volume.kubernetes.io/selected-node";

Json claim(const char* node, const char* uid = "0b5e-1") {
  return {{"apiVersion", "v1"},
          {"kind", "PersistentVolumeClaim"},
          {"metadata",
           {{"namespace", "team"},
            {"name", "data"},
            {"uid", uid},
            {"resourceVersion", "7"},
            {"annotations",
             {{kSelectedNode, node},
              {"volume.kubernetes.io/storage-provisioner", kLocalProvisioner}}}}},
          {"spec",
           {{"storageClassName", "mine"},
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
  EXPECT_EQ(
      base::get_string(
          volume, "spec.nodeAffinity.required.nodeSelectorTerms.0.matchExpressions.0.values.0"),
      "n1");
}

TEST(ReadClaim, KnowsItsProvisionerByTheOldAnnotationToo) {
  Json old = claim("n1");
  JsonObject& annotations = old.as_object()["metadata"].as_object()["annotations"].as_object();
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

TEST(ReschedulePatch, TakesTheNodeFromTheClaimThatWasReadAndNoLaterOne) {
  const VolumeRequest request = read_claim(claim("n1"), "n1").value();
  EXPECT_EQ(base::to_string(reschedule_patch(request)),
            R"({"metadata":{"resourceVersion":"7",)"
            R"("annotations":{"volume.kubernetes.io/selected-node":null}}})");
}

TEST(Refusal, NamesNodeClassAndLabel) {
  const VolumeRequest request = read_claim(claim("n1"), "n1").value();
  EXPECT_THAT(refusal(request, "n1"),
              testing::AllOf(HasSubstr("node n1 has no storage"), HasSubstr("StorageClass mine"),
                             HasSubstr("vk8s.sktelecom.com/volumes=true")));
}

class LocalProvisionerTest : public testing::Test {
 protected:
  LocalProvisionerTest() : folder_(sys::TempDir::create().value()) {
    paths_.state = folder_.path();
    config_.node_name = "n1";
    client_.put(kStorageClass, {{"apiVersion", "storage.k8s.io/v1"},
                                {"kind", "StorageClass"},
                                {"metadata", {{"name", "mine"}}},
                                {"reclaimPolicy", "Retain"}});
    client_.put(kPersistentVolumeClaim, claim("n1"));
  }

  // Runs the provisioner until it holds; whether it did within five seconds.
  bool run_until(const std::function<bool()>& holds) {
    provisioner_.start();
    const Registration deadline = loop_.after(std::chrono::seconds(5), [this] { loop_.stop(); });
    Registration next;
    const std::function<void()> look = [&] {
      if (holds()) {
        loop_.stop();
      } else {
        next = loop_.after(std::chrono::milliseconds(1), look);
      }
    };
    look();
    loop_.run();
    return holds();
  }

  bool is_selected() const {
    return base::to_string(*client_.peek(kPersistentVolumeClaim, {"team", "data"}))
               .find(kSelectedNode) != std::string::npos;
  }
  const Json* volume() const { return client_.peek(kPersistentVolume, {"", "pvc-0b5e-1"}); }
  std::vector<Json> events() const {
    std::vector<Json> out;
    for (const kube::FakeRequest& request : client_.requests()) {
      if (request.verb == "create" && request.resource == kEvent) {
        out.push_back(request.body);
      }
    }
    return out;
  }

  EventLoop loop_;
  sys::TempDir folder_;
  NodePaths paths_;
  api::NodeConfig config_;
  FakeProcessRunner runner_;
  kube::FakeClient client_{loop_};
  kube::EventRecorder events_{loop_, client_, "vk8s-agent", "n1", Log::silent()};
  LocalProvisioner provisioner_{loop_, runner_, client_, events_, paths_, config_, Log::silent()};
};

TEST_F(LocalProvisionerTest, MakesAVolumeWhereTheNodeOffersThem) {
  config_.offers_volumes = true;
  ASSERT_TRUE(run_until([this] { return volume() != nullptr; }));
  EXPECT_EQ(base::get_string(*volume(), "spec.local.path"), folder_.path() + "/volumes/pvc-0b5e-1");
  EXPECT_EQ(base::get_string(*volume(), "spec.persistentVolumeReclaimPolicy"), "Retain");
  EXPECT_TRUE(sys::list_directory(folder_.path() + "/volumes/pvc-0b5e-1"));
  EXPECT_TRUE(is_selected());
  EXPECT_TRUE(events().empty());
}

TEST_F(LocalProvisionerTest, SendsAClaimBackToTheSchedulerWhereTheNodeOffersNone) {
  ASSERT_TRUE(run_until([this] { return !is_selected() && !events().empty(); }));
  EXPECT_EQ(volume(), nullptr);
  EXPECT_FALSE(sys::list_directory(folder_.path() + "/volumes"));
  const Json event = events().at(0);
  EXPECT_EQ(base::get_string(event, "involvedObject.kind"), "PersistentVolumeClaim");
  EXPECT_EQ(base::get_string(event, "involvedObject.uid"), "0b5e-1");
  EXPECT_EQ(base::get_string(event, "type"), "Warning");
  EXPECT_EQ(base::get_string(event, "reason"), "ProvisioningFailed");
  EXPECT_THAT(std::string(base::get_string(event, "message").value()),
              HasSubstr("node n1 has no storage"));
}

TEST_F(LocalProvisionerTest, SendsAClaimBackAgainWhenItIsPutOnTheNodeAgain) {
  ASSERT_TRUE(run_until([this] { return !is_selected() && !events().empty(); }));
  client_.put(kPersistentVolumeClaim, claim("n1"));
  ASSERT_TRUE(is_selected());
  EXPECT_TRUE(run_until([this] { return !is_selected(); }));
}

}  // namespace
}  // namespace vk8s::agent
