#include "cni/invocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace vk8s::cni {
namespace {

using testing::HasSubstr;

using Variables = std::map<std::string, std::string>;

Variables add_variables() {
  return {{"CNI_COMMAND", "ADD"},
          {"CNI_CONTAINERID", "0a1b2c"},
          {"CNI_IFNAME", "eth0"},
          {"CNI_NETNS", "/run/netns/a"},
          {"CNI_ARGS", "K8S_POD_NAME=demo-0"},
          {"CNI_PATH", "/opt/cni/bin"}};
}

Result<Invocation> read(const Variables& variables) {
  return read_invocation([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
}

std::string refusal(const Variables& variables) {
  const auto invocation = read(variables);
  return invocation ? "taken" : invocation.error().message();
}

TEST(Invocation, ReadsWhatARuntimeSays) {
  const auto invocation = read(add_variables());
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_EQ(invocation->verb, Verb::kAdd);
  EXPECT_EQ(invocation->container_id, "0a1b2c");
  EXPECT_EQ(invocation->interface_name, "eth0");
  EXPECT_EQ(invocation->netns, "/run/netns/a");
  EXPECT_EQ(invocation->arguments, "K8S_POD_NAME=demo-0");
  EXPECT_EQ(invocation->plugin_path, "/opt/cni/bin");
}

TEST(Invocation, NamesWhatIsMissing) {
  for (const char* name :
       {"CNI_COMMAND", "CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_PATH"}) {
    Variables variables = add_variables();
    variables.erase(name);
    EXPECT_EQ(refusal(variables), std::string(name) + " is not set");
  }
}

TEST(Invocation, NamesWhatIsMalformed) {
  const std::pair<const char*, std::string> cases[] = {{"CNI_COMMAND", "add"},
                                                       {"CNI_CONTAINERID", "../etc"},
                                                       {"CNI_CONTAINERID", "-a"},
                                                       {"CNI_CONTAINERID", std::string(256, 'a')},
                                                       {"CNI_IFNAME", "eth0/1"},
                                                       {"CNI_IFNAME", ".."},
                                                       {"CNI_IFNAME", "eth 0"},
                                                       {"CNI_IFNAME", "sixteen-letters0"},
                                                       {"CNI_NETNS", "run/netns/a"},
                                                       {"CNI_NETNS", "/run/\x1b[2J"},
                                                       {"CNI_ARGS", std::string(8193, 'a')}};
  for (const auto& [name, value] : cases) {
    Variables variables = add_variables();
    variables[name] = value;
    EXPECT_THAT(refusal(variables), HasSubstr(name)) << value;
  }
}

TEST(Invocation, AsksOfEachVerbOnlyWhatItNeeds) {
  Variables del = add_variables();
  del["CNI_COMMAND"] = "DEL";
  del.erase("CNI_NETNS");  // the namespace may be gone
  EXPECT_EQ(refusal(del), "taken");
  for (const char* verb : {"GC", "STATUS"}) {
    EXPECT_EQ(refusal({{"CNI_COMMAND", verb}, {"CNI_PATH", "/opt/cni/bin"}}), "taken") << verb;
  }
  EXPECT_EQ(refusal({{"CNI_COMMAND", "VERSION"}}), "taken");
}

TEST(Invocation, FindsThePodAmongTheArguments) {
  const auto pod = parse_pod(
      "IgnoreUnknown=1;K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=demo-master-1-0;"
      "K8S_POD_UID=2f1c3d2e-0000-4000-8000-000000000001;K8S_POD_INFRA_CONTAINER_ID=0a1b");
  ASSERT_TRUE(pod) << pod.error().message();
  EXPECT_EQ(*pod, (Pod{"team-a", "demo-master-1-0", "2f1c3d2e-0000-4000-8000-000000000001"}));
}

TEST(Invocation, RefusesArgumentsThatNameNoPod) {
  for (const auto& [arguments, culprit] : std::map<std::string, const char*>{
           {"", "K8S_POD_NAMESPACE"},
           {"K8S_POD_NAMESPACE=team-a", "K8S_POD_NAME"},
           {"K8S_POD_NAMESPACE=a/b;K8S_POD_NAME=demo-0", "K8S_POD_NAMESPACE"},
           {"K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=../x", "K8S_POD_NAME"},
           {"K8S_POD_NAMESPACE=team-a;K8S_POD_NAME=demo-0;K8S_POD_UID=\n", "K8S_POD_UID"}}) {
    const auto pod = parse_pod(arguments);
    ASSERT_FALSE(pod) << arguments;
    EXPECT_THAT(pod.error().message(), HasSubstr(culprit));
  }
}

}  // namespace
}  // namespace vk8s::cni
