// The hosts files of a node, as a real containerd reads them, against a real registry that lets
// nobody in without a password. Loopback only.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <thread>

#include "agent/component_config.h"
#include "agent/registry_auth.h"
#include "pki/pki.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::agent {
namespace {

using testing::HasSubstr;

// What `htpasswd -B` writes for reader with the password s3cret.
constexpr const char* kUsers =
    "reader:$2b$04$uFeA0eYwODg9.mF4jZNXh.GUCZXkbk1u88kAkGB0/us7gGwQnV3Hq\n";
// The mirror fails or not; the registry of that name does not exist, nearby.
constexpr const char* kImage = "127.0.0.1:1/library/x:1";

std::string given(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

bool wait_until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

class RegistryAuthOnContainerd : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) {
      GTEST_SKIP() << "needs root";
    }
    containerd_ = given("VK8S_UPSTREAM_CONTAINERD");
    const std::string registry = given("VK8S_REGISTRY_ROOTFS") + "/usr/bin/docker-registry";
    const std::string pause = given("VK8S_VNODE_ROOTFS") + "/opt/vk8s/images/pause.tar";
    if (containerd_.empty() || !sys::exists(registry) || !sys::exists(pause)) {
      GTEST_SKIP() << "needs VK8S_UPSTREAM_CONTAINERD, VK8S_REGISTRY_ROOTFS and VK8S_VNODE_ROOTFS";
    }
    ASSERT_NO_FATAL_FAILURE(start_registry(registry));
    ASSERT_NO_FATAL_FAILURE(start_containerd());
    ASSERT_NO_FATAL_FAILURE(push(pause));
  }

  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  void spawn(std::vector<std::string> argv, const std::string& log) {
    const UniqueFd output(::open(path(log).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    auto child = sys::ChildProcess::spawn({.argv = std::move(argv),
                                           .environment = sys::scrubbed_environment(),
                                           .stdout_fd = output.get(),
                                           .stderr_fd = output.get(),
                                           .die_with_parent = true});
    ASSERT_TRUE(child) << child.error().message();
    children_.push_back(*std::move(child));
  }

  void start_registry(const std::string& program) {
    ASSERT_TRUE(sys::write_file(path("users"), kUsers));
    ASSERT_TRUE(sys::write_file(
        path("registry.yml"), fmt::format("version: 0.1\nlog: {{level: info}}\n"
                                          "storage: {{filesystem: {{rootdirectory: {0}/store}}}}\n"
                                          "http: {{addr: \"127.0.0.1:0\"}}\n"
                                          "auth: {{htpasswd: {{realm: test, path: {0}/users}}}}\n",
                                          folder_.path())));
    ASSERT_NO_FATAL_FAILURE(spawn({program, "serve", path("registry.yml")}, "registry.log"));
    const std::string_view words = "listening on 127.0.0.1:";
    ASSERT_TRUE(wait_until([&] {
      const std::string log = sys::read_file(path("registry.log")).value_or("");
      const std::size_t at = log.find(words);
      port_ = at == std::string::npos ? 0 : std::atoi(log.c_str() + at + words.size());
      return port_ != 0 && log.find('\n', at) != std::string::npos;
    })) << sys::read_file(path("registry.log")).value_or("");
  }

  void start_containerd() {
    ASSERT_TRUE(sys::write_file(
        path("containerd.toml"),
        fmt::format("version = 3\nroot = \"{0}/root\"\nstate = \"{0}/state\"\n"
                    "disabled_plugins = [\"io.containerd.cri.v1.images\", "
                    "\"io.containerd.cri.v1.runtime\", \"io.containerd.grpc.v1.cri\"]\n"
                    "[grpc]\n  address = \"{0}/socket\"\n",
                    folder_.path())));
    ASSERT_NO_FATAL_FAILURE(spawn(
        {containerd_ + "/containerd", "--config", path("containerd.toml")}, "containerd.log"));
    ASSERT_TRUE(wait_until([this] { return ctr({"version"}).has_value(); }))
        << sys::read_file(path("containerd.log")).value_or("");
  }

  Result<std::string> ctr(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {containerd_ + "/ctr", "--address", path("socket")});
    return sys::check_command(
        {.argv = std::move(arguments), .environment = sys::scrubbed_environment()});
  }

  void push(const std::string& image) {
    const std::string name = fmt::format("127.0.0.1:{}/library/x:1", port_);
    for (const std::vector<std::string>& step : std::vector<std::vector<std::string>>{
             {"images", "import", "--local", "--no-unpack", image},
             {"images", "tag", "docker.io/vk8s/pause:1", name},
             {"images", "push", "--plain-http", "--user", "reader:s3cret", name}}) {
      const auto done = ctr(step);
      ASSERT_TRUE(done) << done.error().message();
    }
  }

  // Of a node that was given these credentials.
  Result<std::string> pull(const std::string& pair) const {
    const NodePaths paths = {.config = path("config"), .run = path("run")};
    const api::NodeConfig config = {
        .mirrors = {{"*", fmt::format("http://127.0.0.1:{}", port_), ""}}};
    VK8S_TRY(sys::ensure_directory(paths.config));
    VK8S_TRY(sys::write_file(paths.given(api::kRegistryAuthFile), pki::base64_encode(pair)));
    NodeFacts facts;
    facts.registry_auth = VK8S_TRY(read_registry_auth(paths));
    for (const ConfigFile& file : registry_files(config, paths, facts)) {
      VK8S_TRY(sys::ensure_directory(file.path.substr(0, file.path.rfind('/'))));
      VK8S_TRY(sys::write_file(file.path, file.content, {.mode = file.mode}));
    }
    return ctr({"content", "fetch", "--hosts-dir", paths.run + "/certs.d", kImage});
  }

  sys::TempDir folder_ = sys::TempDir::create().value();
  std::string containerd_;
  int port_ = 0;
  std::vector<sys::ChildProcess> children_;
};

TEST_F(RegistryAuthOnContainerd, PullsFromAMirrorThatWantsAPassword) {
  const auto wrong = pull("reader:guess");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message(), HasSubstr("authorization failed"));
  const auto right = pull("reader:s3cret");
  EXPECT_TRUE(right) << right.error().message();
}

}  // namespace
}  // namespace vk8s::agent
