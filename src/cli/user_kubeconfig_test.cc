#include "cli/user_kubeconfig.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "cli/clean_text.h"
#include "cli/document_writer.h"
#include "kube/yaml.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

class UserKubeconfig : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string path = folder_.path() + "/" + name;
    EXPECT_TRUE(sys::write_file(path, text));
    return path;
  }

  static std::string kubeconfig(const std::string& name, const std::string& extra = "") {
    return fmt::format(
        "clusters: [{{name: {0}, cluster: {{server: 'https://{0}:6443', "
        "certificate-authority: ca.pem}}}}]\n"
        "users: [{{name: {0}, user: {{token: token-{0}}}}}]\n"
        "contexts: [{{name: {0}, context: {{cluster: {0}, user: {0}, namespace: ns-{0}}}}}]\n{1}",
        name, extra);
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  Surroundings around_;
};

TEST_F(UserKubeconfig, TakesServerAndNamespaceOfTheCurrentContext) {
  write("ca.pem", "authority");
  around_.variables["KUBECONFIG"] = write("a", kubeconfig("one", "current-context: one\n"));
  const auto host = find_host(around_, {});
  ASSERT_TRUE(host) << host.error().message();
  EXPECT_EQ(host->config.server, "https://one:6443");
  EXPECT_EQ(host->config.ca_pem, "authority");  // relative to the kubeconfig's folder
  EXPECT_EQ(host->namespace_name, "ns-one");
  EXPECT_EQ(find_host(around_, {.namespace_name = "mine"})->namespace_name, "mine");
}

TEST_F(UserKubeconfig, JoinsTheFilesOfTheListTheFirstWins) {
  write("ca.pem", "authority");
  around_.variables["KUBECONFIG"] =
      write("a", kubeconfig("one")) + ":" + folder_.path() +
      "/absent:" + write("b", kubeconfig("two", "current-context: two\n"));
  EXPECT_EQ(find_host(around_, {})->config.server, "https://two:6443");
  EXPECT_EQ(find_host(around_, {.context = "one"})->namespace_name, "ns-one");
  const auto unknown = find_host(around_, {.context = "three"});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Errc::kInvalidArgument);
}

TEST_F(UserKubeconfig, LooksIntoTheHomeFolderLast) {
  write("ca.pem", "authority");
  around_.variables["HOME"] = folder_.path();
  EXPECT_EQ(find_host(around_, {}).error().code(), Errc::kNotFound);
  ASSERT_TRUE(sys::ensure_directory(folder_.path() + "/.kube"));
  write(".kube/ca.pem", "authority");
  write(".kube/config", kubeconfig("home", "current-context: home\n"));
  EXPECT_EQ(find_host(around_, {})->config.server, "https://home:6443");
  const auto absent = find_host(around_, {.kubeconfig = folder_.path() + "/no"});
  EXPECT_EQ(absent.error().code(), Errc::kNotFound);
}

TEST_F(UserKubeconfig, MergesThroughALinkAndKeepsTheRest) {
  const std::string real =
      write("real", "preferences: {colors: true}\nusers:\ncurrent-context: ''\n");
  const std::string link = folder_.path() + "/link";
  ASSERT_EQ(::symlink(real.c_str(), link.c_str()), 0);
  const Json added = *kube::parse_yaml(
      "clusters: [{name: n}]\nusers: [{name: n}]\ncontexts: [{name: n}]\ncurrent-context: n\n");
  ASSERT_TRUE(merge_into_file(link, added));
  const auto merged = kube::parse_yaml(*sys::read_file(real));
  ASSERT_TRUE(merged);
  EXPECT_EQ(base::get_bool(*merged, "preferences.colors"), true);
  EXPECT_EQ(base::get_string(*merged, "users.0.name"), "n");
  EXPECT_EQ(base::get_string(*merged, "current-context"), "n");
  EXPECT_FALSE(merge_kubeconfigs(*base::parse_json(R"({"users":3})"), added));
}

TEST(DocumentWriter, WritesWhatReadsBackTheSame) {
  const auto document = base::parse_json(
      R"({"a":[],"b":{},"c":[[1,2],[{"x":null}],{"y":"yes","z":"1.30"}],"d":"l1\nl2\u0007\u009b",)"
      R"("e":{"f.g/h":"~","i j":true},"k":"","l":"\ud83d\ude00","m":-1.5})");
  ASSERT_TRUE(document);
  const auto yaml = kube::parse_yaml(to_yaml(*document));
  ASSERT_TRUE(yaml) << to_yaml(*document);
  EXPECT_EQ(*yaml, *document);
  const auto json = base::parse_json(to_indented_json(*document));
  ASSERT_TRUE(json) << to_indented_json(*document);
  EXPECT_EQ(*json, *document);
  EXPECT_EQ(to_indented_json(JsonObject{{"a", JsonArray{1}}}), "{\n  \"a\": [\n    1\n  ]\n}\n");
}

TEST(CleanText, CutsByColumnsNotByBytes) {
  EXPECT_EQ(display_width("n\xc3\xa4he"), 4U);
  EXPECT_EQ(fit_to_width("n\xc3\xa4he", 4), "n\xc3\xa4he");
  EXPECT_EQ(fit_to_width("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4", 4), "\xc3\xa4\xc3\xa4..");
  EXPECT_EQ(fit_to_width("abc", 0), "");
  EXPECT_EQ(clean_line("a\tb\x1b\r"), "a\tb?");
}

}  // namespace
}  // namespace vk8s::cli
