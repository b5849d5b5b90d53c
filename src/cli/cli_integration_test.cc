// The verbs on a real API server with the real CRD; its status is written as the
// controller would.
#include <gmock/gmock.h>

#include <sstream>

#include "cli/host_api.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/surroundings.h"
#include "kube/testing/api_server.h"
#include "kube/yaml.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
namespace resources = kube::resources;

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

// One API server for all tests: it takes seconds to start.
class Host {
 public:
  static Result<std::unique_ptr<Host>> start() {
    auto host = std::make_unique<Host>();
    host->server_ = VK8S_TRY(kube::testing::ApiServer::start());
    host->folder_.emplace(VK8S_TRY(sys::TempDir::create()));
    const std::string path = host->folder_->path() + "/kubeconfig";
    VK8S_TRY(sys::write_file(path, host->server_->kubeconfig(), {.mode = 0600}));
    host->around_ = Surroundings::of_process();
    host->around_->variables["KUBECONFIG"] = path;
    host->around_->input = nullptr;
    host->around_->input_is_terminal = false;
    host->around_->output_size = [] { return std::optional<TerminalSize>(); };
    host->api_.emplace(VK8S_TRY(HostApi::connect(*host->around_, {})));
    const std::string manifest =
        VK8S_TRY(sys::read_file(std::string(VK8S_SOURCE_DIR) + "/config/crd/vk8s.yaml"));
    VK8S_TRY(host->api_->create(resources::kCustomResourceDefinition,
                                VK8S_TRY(kube::parse_yaml(manifest))));
    VK8S_TRY(host->wait_until_served());
    return host;
  }

  ~Host() { status_write.cancel(); }

  Surroundings& around() { return *around_; }
  HostApi& api() { return *api_; }
  kube::Call status_write;

 private:
  Status wait_until_served() {
    const auto deadline = api_->loop().now() + 30s;
    Result<Json> list = api_->list(resources::kVk8s, "");
    while (!list && api_->loop().now() < deadline) {
      const Registration pause = api_->loop().after(50ms, [this] { api_->loop().stop(); });
      api_->loop().run();
      list = api_->list(resources::kVk8s, "");
    }
    return list ? Status() : tl::unexpected<Error>(list.error());
  }

  std::unique_ptr<kube::testing::ApiServer> server_;
  std::optional<sys::TempDir> folder_;
  std::unique_ptr<Surroundings> around_;
  std::optional<HostApi> api_;
};

class CliOnRealServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!kube::testing::ApiServer::missing_prerequisite()) {
      auto started = Host::start();
      ASSERT_TRUE(started) << started.error().message();
      host_ = std::move(*started);
    }
  }
  static void TearDownTestSuite() { host_.reset(); }

  void SetUp() override {
    if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
      GTEST_SKIP() << *missing;
    }
    ASSERT_TRUE(host_);
  }

  static Outcome run(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = cli::run(arguments, host_->around(), out, err);
    return {code, out.str(), err.str()};
  }

  // As the controller does, while a verb runs the loop.
  static void write_status(const std::string& name, const std::string& phase) {
    const Json patch = {
        {"status", JsonObject{{"phase", phase}, {"observedGeneration", 1}, {"readyNodes", "1/1"}}}};
    host_->around().loop.post([name, patch] {
      host_->status_write = host_->api().client().merge_patch(
          resources::kVk8s, host_->api().key_of(name), patch,
          [](const Result<Json>& result) { EXPECT_TRUE(result) << result.error().message(); },
          "status");
    });
  }

  static inline std::unique_ptr<Host> host_;
};

TEST_F(CliOnRealServer, EveryFlagOfCreateIsAcceptedByTheSchema) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"create", "plain"},
           {"create", "full", "--workers", "2", "--cpu", "1500m", "--memory", "2Gi", "--storage",
            "20Gi", "--storage-class", "fast", "--version", "1.37"},
           {"create", "brief", "--ephemeral", "--workers", "1", "-o", "name"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  }
  EXPECT_THAT(run({"list"}).out, HasSubstr("full    Waiting   1.37      0/3"));
  EXPECT_THAT(run({"list", "-A", "-o", "yaml"}).out, HasSubstr("storageClassName: fast\n"));
  EXPECT_THAT(run({"get", "brief"}).out, HasSubstr("brief-worker-1   worker   Waiting"));
  EXPECT_EQ(run({"create", "plain"}).code, kExitConflict);
  EXPECT_THAT(run({"__complete", "get", "f"}).out, HasSubstr("full\tWaiting"));
}

TEST_F(CliOnRealServer, PausesResumesAndDeletes) {
  ASSERT_EQ(run({"create", "paused"}).code, kExitOk);
  EXPECT_EQ(run({"pause", "paused"}).code, kExitOk);
  EXPECT_THAT(run({"get", "paused", "-o", "yaml"}).out, HasSubstr("paused: true\n"));
  EXPECT_EQ(run({"resume", "paused"}).code, kExitOk);
  EXPECT_THAT(run({"get", "paused", "-o", "yaml"}).out, HasSubstr("paused: false\n"));
  const Outcome deleted = run({"delete", "paused", "--yes"});
  EXPECT_EQ(deleted.code, kExitOk) << deleted.err;
  EXPECT_EQ(run({"get", "paused"}).code, kExitNotFound);
}

// No garbage collector runs here: what it would have to remove first is still there.
TEST_F(CliOnRealServer, DeleteWaitsForWhatTheClusterOwns) {
  ASSERT_EQ(run({"create", "owner"}).code, kExitOk);
  const Outcome waited = run({"delete", "owner", "--yes", "--wait", "--timeout", "1"});
  EXPECT_EQ(waited.code, kExitTimeout);
  EXPECT_THAT(run({"get", "owner", "-o", "yaml"}).out, HasSubstr("foregroundDeletion"));
}

TEST_F(CliOnRealServer, WaitsForTheControllersWord) {
  ASSERT_EQ(run({"create", "waited"}).code, kExitOk);
  write_status("waited", "Installing");
  EXPECT_EQ(run({"watch", "waited", "--timeout", "1"}).code, kExitTimeout);
  write_status("waited", "Running");
  const Outcome outcome = run({"watch", "waited", "--timeout", "30"});
  EXPECT_EQ(outcome.code, kExitOk) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("waited: Running 1/1\n"));
}

TEST_F(CliOnRealServer, DoctorFindsAHostWithoutControllerAndNodes) {
  const Outcome outcome = run({"doctor"});
  EXPECT_EQ(outcome.code, kExitFailed);
  EXPECT_THAT(outcome.out, HasSubstr("OK    host API server"));
  EXPECT_THAT(outcome.out, HasSubstr("OK    Vk8s resource"));
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  controller"));
  EXPECT_THAT(outcome.out, HasSubstr("FAIL  host nodes"));
  EXPECT_THAT(run({"version"}).out, HasSubstr("host v1."));
}

TEST_F(CliOnRealServer, SaysWhatIsNotThereYet) {
  ASSERT_EQ(run({"create", "early"}).code, kExitOk);
  EXPECT_THAT(run({"kubeconfig", "early"}).err, HasSubstr("has no kubeconfig yet"));
  EXPECT_THAT(run({"logs", "early"}).err, HasSubstr("node \"early-master-1\" has no pod now"));
}

}  // namespace
}  // namespace vk8s::cli
