// kubeconfig, logs, shell.
#include <sys/stat.h>

#include "cli/test_fixture.h"
#include "kube/yaml.h"

namespace vk8s::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kServer = "https://198.18.0.10:31443";

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777U : 0;
}

TEST_F(CliTest, KubeconfigPrintsWhatTheControllerIssued) {
  put_issued_kubeconfig("team-a", kServer);
  const Outcome outcome = run({"kubeconfig", "team-a"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  const auto config = kube::ClientConfig::from_kubeconfig(outcome.out);
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->server, kServer);
  EXPECT_FALSE(config->client_key_pem.empty());
  EXPECT_THAT(outcome.out, HasSubstr("current-context: vk8s-research-team-a\n"));
}

TEST_F(CliTest, KubeconfigGoesIntoAPrivateFile) {
  put_issued_kubeconfig("team-a", kServer);
  const std::string path = home() + "/out.yaml";
  EXPECT_EQ(run({"kubeconfig", "team-a", "--file", path}).out, "");
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_TRUE(kube::ClientConfig::from_kubeconfig_file(path));
}

TEST_F(CliTest, KubeconfigMergesIntoTheOneInUse) {
  put_issued_kubeconfig("team-a", kServer);
  const std::string path = home() + "/host.yaml";
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = run({"kubeconfig", "team-a", "--merge"});
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("kubectl --context vk8s-research-team-a"));
  }
  const auto document = kube::parse_yaml(*sys::read_file(path));
  ASSERT_TRUE(document);
  EXPECT_EQ(base::get_array(*document, "contexts")->size(), 2U);
  EXPECT_EQ(base::get_string(*document, "current-context"), "here");
  EXPECT_EQ(base::get_string(*document, "users.0.user.token"), "secret");
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_FALSE(sys::exists(path + ".lock"));
  // The host is still reached by it.
  EXPECT_EQ(run({"list"}).code, kExitOk);
}

TEST_F(CliTest, KubeconfigMergeLeavesAFileAloneThatItCannotRead) {
  put_issued_kubeconfig("team-a", kServer);
  const std::string path = home() + "/broken.yaml";
  ASSERT_TRUE(sys::write_file(path, "clusters: [}"));
  const Outcome outcome = run({"kubeconfig", "team-a", "--merge", "--file", path});
  EXPECT_EQ(outcome.code, kExitUsage);
  EXPECT_THAT(outcome.err, HasSubstr("is left as it is"));
  EXPECT_EQ(*sys::read_file(path), "clusters: [}");
  EXPECT_FALSE(sys::exists(path + ".lock"));
}

TEST_F(CliTest, KubeconfigMergeWaitsForNobodysLock) {
  put_issued_kubeconfig("team-a", kServer);
  ASSERT_TRUE(sys::write_file(home() + "/host.yaml.lock", ""));
  const Outcome outcome = run({"kubeconfig", "team-a", "--merge"});
  EXPECT_EQ(outcome.code, kExitConflict);
  EXPECT_TRUE(sys::exists(home() + "/host.yaml.lock"));
}

TEST_F(CliTest, KubeconfigRefusesOneThatRunsPrograms) {
  put_kubeconfig_text("team-a",
                      "clusters: [{name: c, cluster: {server: 'https://a', "
                      "certificate-authority-data: YQ==}}]\n"
                      "users: [{name: u, user: {exec: {command: evil}}}]\n"
                      "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
                      "current-context: x\n");
  const Outcome outcome = run({"kubeconfig", "team-a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_EQ(outcome.out, "");
  EXPECT_THAT(outcome.err, HasSubstr("exec is not supported"));
}

TEST_F(CliTest, KubeconfigSaysWhyThereIsNoneYet) {
  EXPECT_EQ(run({"kubeconfig", "team-a"}).code, kExitNotFound);
  put_cluster(cluster_in_phase("team-a", "Installing"));
  const Outcome outcome = run({"kubeconfig", "team-a"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.err, HasSubstr("its phase is Installing"));
}

TEST_F(CliTest, LogsPrintsTheMastersPodLogCleaned) {
  put_cluster(cluster_object("team-a"));
  std::string asked;
  host_.set_raw([&](const kube::RawRequest& request) {
    asked = request.path;
    return kube::RawResponse{200, "one\ttab\ntwo \x1b[2J\n"};
  });
  const Outcome outcome = run({"logs", "team-a", "--tail", "7"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(asked,
            "/api/v1/namespaces/research/pods/team-a-master-1-0/log?container=vnode&tailLines=7");
  EXPECT_EQ(outcome.out, "one\ttab\ntwo ?[2J\n");
}

TEST_F(CliTest, LogsOfANodeWithoutAPodSaysSo) {
  put_cluster(cluster_object("team-a"));
  const Outcome outcome = run({"logs", "team-a", "--node", "worker-1"});
  EXPECT_EQ(outcome.code, kExitNotFound);
  EXPECT_THAT(outcome.err, HasSubstr("node \"team-a-worker-1\" has no pod now"));
  const Outcome unknown = run({"logs", "team-a", "--node", "worker-9"});
  EXPECT_EQ(unknown.code, kExitNotFound);
  EXPECT_THAT(unknown.err, HasSubstr("has the nodes team-a-master-1, team-a-worker-1"));
}

TEST_F(CliTest, LogsOfAComponentAreReadByKubectlWithoutAShell) {
  put_cluster(cluster_object("team-a"));
  on_program_ = [](const ForegroundCommand& command) {
    command.on_line("a line");
    return sys::ExitStatus{};
  };
  const Outcome outcome = run({"logs", "team-a", "--component", "kube-apiserver", "--node",
                               "team-a-worker-1", "--context", "here", "-f"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_EQ(outcome.out, "a line\n");
  ASSERT_EQ(programs_.size(), 1U);
  EXPECT_THAT(programs_[0].argv,
              ElementsAre("kubectl", "--context=here", "--namespace=research", "exec",
                          "team-a-worker-1-0", "-c", "vnode", "--", "tail", "-n", "500", "-F",
                          "/var/lib/vk8s/log/vk8s/kube-apiserver.log"));
}

TEST_F(CliTest, LogsRefusesWhatIsNoComponent) {
  put_cluster(cluster_object("team-a"));
  for (const char* name : {"../../etc/shadow", "-f", "Etcd", "a b", "x;y"}) {
    const Outcome outcome = run({"logs", "team-a", std::string("--component=") + name});
    EXPECT_EQ(outcome.code, kExitUsage) << name;
    EXPECT_THAT(outcome.err, HasSubstr("kube-apiserver"));
  }
  EXPECT_TRUE(programs_.empty());
}

TEST_F(CliTest, LogsSaysThatKubectlIsMissingOrFailed) {
  put_cluster(cluster_object("team-a"));
  on_program_ = [](const ForegroundCommand&) -> Result<sys::ExitStatus> {
    return fail(Errc::kNotFound, "program kubectl is not in PATH (/bin)");
  };
  const Outcome missing = run({"logs", "team-a", "--component", "etcd"});
  EXPECT_EQ(missing.code, kExitFailed);
  EXPECT_THAT(missing.err, HasSubstr("this needs kubectl"));
  on_program_ = [](const ForegroundCommand&) { return sys::ExitStatus{.code = 1}; };
  const Outcome failed = run({"logs", "team-a", "-f"});
  EXPECT_EQ(failed.code, kExitFailed);
  EXPECT_THAT(failed.err, HasSubstr("kubectl ended with exit code 1"));
}

TEST_F(CliTest, ShellHasThePrivateKubeconfigOnlyWhileItRuns) {
  put_issued_kubeconfig("team-a", kServer);
  around_.variables["SHELL"] = "/bin/some-shell";
  std::string path;
  on_program_ = [&](const ForegroundCommand& command) {
    path = command.environment.at("KUBECONFIG");
    EXPECT_EQ(mode_of(path), 0600U);
    EXPECT_TRUE(kube::ClientConfig::from_kubeconfig_file(path));
    EXPECT_THAT(command.argv, ElementsAre("/bin/some-shell"));
    EXPECT_EQ(command.environment.at("PATH"), "/usr/bin:/bin");
    return sys::ExitStatus{.code = 42};
  };
  EXPECT_EQ(run({"shell", "team-a"}).code, 42);
  EXPECT_FALSE(path.empty());
  EXPECT_FALSE(sys::exists(path));
}

TEST_F(CliTest, ShellOnANodeIsKubectlExec) {
  put_cluster(cluster_object("team-a"));
  type("");
  EXPECT_EQ(run({"shell", "team-a", "--node", "worker-1"}).code, kExitOk);
  ASSERT_EQ(programs_.size(), 1U);
  EXPECT_THAT(programs_[0].argv, ElementsAre("kubectl", "--namespace=research", "exec", "-it",
                                             "team-a-worker-1-0", "-c", "vnode", "--", "/bin/sh"));
}

}  // namespace
}  // namespace vk8s::cli
