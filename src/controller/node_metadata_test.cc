#include "controller/node_metadata.h"

#include <gtest/gtest.h>

namespace vk8s::controller {
namespace {

Json parse(const std::string& json) { return base::parse_json(json).value(); }

// A Node of version 7 with these labels, annotation and taints, all as JSON.
Json node(const std::string& labels, const std::string& from_spec = "",
          const std::string& taints = "[]") {
  Json out = parse(R"({"metadata":{"name":"w","resourceVersion":"7","labels":)" + labels +
                   R"(},"spec":{"podCIDR":"100.72.1.0/24","taints":)" + taints + "}}");
  if (!from_spec.empty()) {
    out.get_object()["metadata"].get_object()["annotations"] =
        JsonObject{{"vk8s.sktelecom.com/from-spec", Json(from_spec)}, {"theirs", "x"}};
  }
  return out;
}

std::string patch(const api::NodeSpec& wanted, const Json& of) {
  const auto out = node_metadata_patch(wanted, of);
  return out ? base::to_string(*out) : "none";
}

api::NodeSpec labelled(std::map<std::string, std::string> labels) {
  api::NodeSpec out;
  out.labels = std::move(labels);
  return out;
}

api::NodeSpec tainted(std::vector<api::Taint> taints) {
  api::NodeSpec out;
  out.taints = std::move(taints);
  return out;
}

TEST(NodeMetadata, LeavesANodeAloneThatIsRight) {
  EXPECT_EQ(patch({}, node(R"({"theirs":"x"})")), "none");
  EXPECT_EQ(patch(labelled({{"a", "1"}}),
                  node(R"({"a":"1","theirs":"x"})", R"({"labels":["a"],"taints":[]})")),
            "none");
  EXPECT_EQ(patch(tainted({{"gpu", "", "NoSchedule"}}),
                  node("{}", R"({"labels":[],"taints":["gpu:NoSchedule"]})",
                       R"([{"key":"gpu","effect":"NoSchedule"}])")),
            "none");
}

TEST(NodeMetadata, NotesWhatTheKubeletRegistered) {
  EXPECT_EQ(patch(labelled({{"a", "1"}}), node(R"({"a":"1"})")),
            R"({"metadata":{"annotations":{"vk8s.sktelecom.com/from-spec":)"
            R"("{\"labels\":[\"a\"],\"taints\":[]}"},"resourceVersion":"7"}})");
}

TEST(NodeMetadata, SetsAndRemovesLabelsOfTheSpecOnly) {
  EXPECT_EQ(patch(labelled({{"a", "2"}, {"b", "1"}}),
                  node(R"({"a":"1","b":"1","gone":"x","theirs":"x"})",
                       R"({"labels":["a","b","gone","gone-already"],"taints":[]})")),
            R"({"metadata":{"labels":{"a":"2","gone":null},"annotations":)"
            R"({"vk8s.sktelecom.com/from-spec":"{\"labels\":[\"a\",\"b\"],\"taints\":[]}"},)"
            R"("resourceVersion":"7"}})");
}

TEST(NodeMetadata, EndsItsNoteWithTheLastOfThem) {
  EXPECT_EQ(patch({}, node(R"({"a":"1"})", R"({"labels":["a"],"taints":[]})")),
            R"({"metadata":{"labels":{"a":null},"annotations":)"
            R"({"vk8s.sktelecom.com/from-spec":null},"resourceVersion":"7"}})");
}

TEST(NodeMetadata, KeepsTheTaintsOfOthers) {
  const std::string theirs =
      R"({"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule","timeAdded":"t"},)"
      R"({"key":"mine","value":"x","effect":"NoExecute"})";
  const auto patched = node_metadata_patch(
      tainted({{"gpu", "b", "NoSchedule"}, {"new", "", "NoExecute"}}),
      node("{}", R"({"labels":[],"taints":["gpu:NoSchedule","old:NoSchedule"]})",
           "[" + theirs +
               R"(,{"key":"gpu","value":"a","effect":"NoSchedule","timeAdded":"t"},
                   {"key":"gpu","value":"a","effect":"NoExecute"},
                   {"key":"old","effect":"NoSchedule"}])"));
  ASSERT_TRUE(patched);
  EXPECT_EQ(*base::find(*patched, "spec.taints"),
            parse("[" + theirs +
                  R"(,{"key":"gpu","value":"b","effect":"NoSchedule","timeAdded":"t"},
                      {"key":"gpu","value":"a","effect":"NoExecute"},
                      {"key":"new","effect":"NoExecute"}])"));
  EXPECT_EQ(base::get_string(*patched, "metadata.resourceVersion"), "7");
}

TEST(NodeMetadata, IsDoneAfterOnePatchWhateverTheNodeHas) {
  const auto patched =
      node_metadata_patch(tainted({{"gpu", "", "NoSchedule"}}),
                          node("{}", "", R"([{"key":"gpu","value":"a","effect":"NoSchedule"},
                         {"key":"gpu","value":"b","effect":"NoSchedule"}])"));
  ASSERT_TRUE(patched);
  EXPECT_EQ(base::get_array(*patched, "spec.taints")->size(), 1U);
}

TEST(NodeMetadata, RemovesTheLastTaint) {
  const auto patched =
      node_metadata_patch({}, node("{}", R"({"labels":[],"taints":["gpu:NoSchedule"]})",
                                   R"([{"key":"gpu","effect":"NoSchedule"}])"));
  ASSERT_TRUE(patched);
  EXPECT_TRUE(base::find(*patched, "spec.taints")->is_null());
}

// Who may write the Node may write the annotation.
TEST(NodeMetadata, IsNotTalkedIntoRemovingWhatKubernetesAndAgentsKeep) {
  EXPECT_EQ(
      patch(labelled({{"a", "1"}}),
            node(R"({"a":"1","kubernetes.io/hostname":"w","vk8s.sktelecom.com/volumes":"true"})",
                 R"({"labels":["a","kubernetes.io/hostname","vk8s.sktelecom.com/volumes"],)"
                 R"("taints":["node.kubernetes.io/not-ready:NoExecute"]})",
                 R"([{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}])")),
      R"({"metadata":{"annotations":{"vk8s.sktelecom.com/from-spec":)"
      R"("{\"labels\":[\"a\"],\"taints\":[]}"},"resourceVersion":"7"}})");
}

TEST(NodeMetadata, StartsItsNoteAnewWhereItCannotBeRead) {
  EXPECT_EQ(patch(labelled({{"a", "1"}}), node(R"({"a":"1","b":"1"})", "no JSON")),
            patch(labelled({{"a", "1"}}), node(R"({"a":"1","b":"1"})")));
}

}  // namespace
}  // namespace vk8s::controller
