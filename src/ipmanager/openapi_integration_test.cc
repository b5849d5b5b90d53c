// The OpenAPI document says what the service does: schemathesis sends what it describes,
// and what it does not allow, and compares the answers (tests/openapi).
#include <gtest/gtest.h>

#include <cstdlib>

#include "ipmanager/openapi.h"
#include "ipmanager/test_service.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::ipmanager {
namespace {

using testing::TestHost;
using testing::TestService;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// Nearly all there are: most addresses that are made up can be given.
Status prepare(TestHost& host) {
  VK8S_TRY(testing::install_service(host));
  VK8S_TRY(testing::add_caller(host, "admin", {"list", "create", "update", "delete"}));
  return host.put_pool("default", {"1.0.0.0-223.255.255.255", "2000::/3", "fc00::/7"});
}

Result<sys::CommandOutput> run_schemathesis(const std::string& folder, std::uint16_t port,
                                            const std::string& token) {
  const std::string tests = std::string(VK8S_SOURCE_DIR) + "/tests/openapi";
  sys::SpawnOptions options;
  options.argv = {environment("VK8S_SCHEMATHESIS"),
                  "--config-file",
                  tests + "/schemathesis.toml",
                  "run",
                  folder + "/openapi.json",
                  fmt::format("--url=https://localhost:{}", port),
                  "--tls-verify=" + folder + "/ca.crt",
                  "--no-color"};
  options.environment = sys::scrubbed_environment();
  options.environment["VK8S_TOKEN"] = token;
  options.environment["HOME"] = folder;
  options.working_directory = folder;
  return sys::run_command(std::move(options), {.timeout = std::chrono::minutes(8)});
}

TEST(OpenApi, IsWhatTheServiceDoes) {
  if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
    GTEST_SKIP() << *missing;
  }
  if (environment("VK8S_SCHEMATHESIS").empty()) {
    GTEST_SKIP() << "schemathesis is not installed: scripts/install-prerequisites.sh --with "
                    "openapi does that, and ./test.sh integration finds it then";
  }
  auto host = TestHost::start();
  ASSERT_TRUE(host) << host.error().message();
  const Status ready = prepare(**host);
  ASSERT_TRUE(ready) << ready.error().message();
  TestService service(**host);
  ASSERT_TRUE(service.wait_until_ready());
  const auto token = testing::token_of(**host, "admin");
  ASSERT_TRUE(token) << token.error().message();

  const auto folder = sys::TempDir::create("openapi");
  ASSERT_TRUE(folder) << folder.error().message();
  const std::string& path = folder->path();
  ASSERT_TRUE(sys::write_file(path + "/openapi.json", openapi_text()));
  ASSERT_TRUE(sys::write_file(path + "/ca.crt", testing::published_ca(**host)));
  const auto ran = run_schemathesis(path, service.port(), *token);
  ASSERT_TRUE(ran) << ran.error().message();
  EXPECT_TRUE(ran->status.success()) << ran->status.to_string() << "\n"
                                     << ran->standard_output << ran->standard_error;
  // It has asked, and has been given addresses.
  EXPECT_FALSE((*host)->list_allocations().empty());
}

}  // namespace
}  // namespace vk8s::ipmanager
