// What it takes to bring a large manifest set into a cluster: `./bench.sh addons`. By
// turns, in one run, on a fresh API server each: src/addons, and what users do otherwise,
// `kubectl apply --server-side --force-conflicts` until nothing is refused any more (with
// no pause between passes, in kubectl's favour). Workloads, webhook servers and
// cert-manager are simulated (addons/testing/simulated_cluster.h). Requests are counted by
// the API server, in its audit log. kubectl is done when all is applied, src/addons when
// all is ready as well.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>

#include "addons/installer.h"
#include "addons/testing/simulated_cluster.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "results.h"
#include "sys/file.h"
#include "sys/process.h"

namespace {

using namespace vk8s;
using addons::testing::SimulatedCluster;
using Clock = std::chrono::steady_clock;

constexpr auto kLimit = std::chrono::minutes(10);
constexpr const char* kUserAgent = "vk8s-controller";

struct Figures {
  std::vector<double> seconds;
  std::vector<double> requests;
  std::vector<double> passes;  // of kubectl
};

// A cluster with nothing on it, that counts who asks it how often.
class Site {
 public:
  static Result<std::unique_ptr<Site>> start() {
    std::unique_ptr<Site> site(new Site(VK8S_TRY(sys::TempDir::create("vk8s-addons-bench"))));
    VK8S_TRY(sys::write_file(site->path("audit.yaml"),
                             "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
                             "omitStages: [RequestReceived, ResponseStarted]\n"
                             "rules: [{level: Metadata}]\n"));
    std::vector<std::string> flags = SimulatedCluster::api_server_flags();
    flags.push_back("--audit-policy-file=" + site->path("audit.yaml"));
    flags.push_back("--audit-log-path=" + site->path("audit.log"));
    site->server_ = VK8S_TRY(kube::testing::ApiServer::start({.api_server_flags = flags}));
    VK8S_TRY(
        sys::write_file(site->path("kubeconfig"), site->server_->kubeconfig(), {.mode = 0600}));
    site->simulation_client_ = VK8S_TRY(site->connect("simulation"));
    site->thread_.run([&site] {
      site->simulation_ = std::make_unique<SimulatedCluster>(
          site->thread_.loop(), *site->simulation_client_, site->server_->ca(), Log::silent());
      site->simulation_->start();
    });
    return site;
  }
  ~Site() {
    thread_.run([this] {
      simulation_.reset();
      simulation_client_.reset();
    });
  }

  Result<std::unique_ptr<kube::Client>> connect(const std::string& user_agent) {
    kube::ClientConfig config = server_->admin();
    config.user_agent = user_agent;
    return thread_.run([&] { return kube::Client::create(thread_.loop(), config, Log::silent()); });
  }
  kube::testing::LoopThread& thread() { return thread_; }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }

  // Ends the API server, so that its log is whole.
  Result<double> requests_of(const std::string& user_agent) {
    server_->kill_api_server();
    std::ifstream log(path("audit.log"));
    const std::string mark = fmt::format("\"userAgent\":\"{}", user_agent);
    double number = 0;
    for (std::string line; std::getline(log, line);) {
      number += line.find(mark) != std::string::npos ? 1 : 0;
    }
    return number > 0 ? Result<double>(number) : fail(Errc::kInternal, "the audit log is empty");
  }

 private:
  explicit Site(sys::TempDir folder) : folder_(std::move(folder)) {}

  sys::TempDir folder_;
  std::unique_ptr<kube::testing::ApiServer> server_;
  kube::testing::LoopThread thread_;
  std::unique_ptr<kube::Client> simulation_client_;
  std::unique_ptr<SimulatedCluster> simulation_;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Status run_engine(const std::shared_ptr<const addons::Plan>& plan, Figures& figures) {
  const auto site = VK8S_TRY(Site::start());
  const auto client = VK8S_TRY(site->connect(kUserAgent));
  std::unique_ptr<addons::Installer> installer;
  const auto begin = Clock::now();
  site->thread().run([&] {
    installer = std::make_unique<addons::Installer>(site->thread().loop(), *client, plan,
                                                    addons::InstallerOptions{.set_name = "bench"},
                                                    Log::silent(), [] {});
    installer->start();
  });
  const bool is_ready =
      site->thread().wait_until([&] { return installer->status().is_settled; }, kLimit);
  figures.seconds.push_back(seconds_since(begin));
  const std::string words =
      site->thread().run([&] { return base::to_string(to_json(installer->status())); });
  site->thread().run([&] { installer.reset(); });
  if (!is_ready) {
    return fail(Errc::kTimeout, "src/addons is not done: {}", words);
  }
  figures.requests.push_back(VK8S_TRY(site->requests_of(kUserAgent)));
  return {};
}

Status run_kubectl(const std::string& kubectl, const std::string& yaml, Figures& figures) {
  const auto site = VK8S_TRY(Site::start());
  VK8S_TRY(sys::write_file(site->path("set.yaml"), yaml));
  const auto begin = Clock::now();
  bool is_done = false;
  int passes = 0;
  while (!is_done && Clock::now() - begin < kLimit) {
    const auto pass = VK8S_TRY(sys::run_command(
        {.argv = {kubectl, "--kubeconfig=" + site->path("kubeconfig"), "apply", "--server-side",
                  "--force-conflicts", "-f", site->path("set.yaml")},
         .environment = {{"HOME", site->path("home")}}},
        {.timeout = kLimit}));
    is_done = pass.status.success();
    ++passes;
  }
  figures.seconds.push_back(seconds_since(begin));
  figures.passes.push_back(passes);
  if (!is_done) {
    return fail(Errc::kTimeout, "kubectl is not done after {} passes", passes);
  }
  figures.requests.push_back(VK8S_TRY(site->requests_of("kubectl")));
  return {};
}

Status run(const std::string& manifests, const std::string& kubectl, int runs,
           std::ostream& output) {
  const auto files = VK8S_TRY(addons::read_manifest_archive(manifests, ""));
  if (files.size() != 1) {
    return fail(Errc::kInvalidArgument, "{}: one file of manifests is needed, not {}", manifests,
                files.size());
  }
  const auto plan = addons::make_plan(
      std::make_shared<const addons::ManifestSet>(VK8S_TRY(addons::ManifestSet::create(files))));
  Figures engine;
  Figures loop;
  for (int i = 0; i < runs; ++i) {
    VK8S_TRY(run_engine(plan, engine));
    VK8S_TRY(run_kubectl(kubectl, files.front().content, loop));
  }
  bench::write_result(output, "addons_engine_ready", "s", engine.seconds);
  bench::write_result(output, "addons_engine_requests", "1", engine.requests);
  bench::write_result(output, "addons_kubectl_loop_applied", "s", loop.seconds);
  bench::write_result(output, "addons_kubectl_loop_requests", "1", loop.requests);
  bench::write_result(output, "addons_kubectl_loop_passes", "1", loop.passes);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::string file;
  std::string manifests;
  std::string kubectl;
  int runs = 3;
  CLI::App app{"Measures how a large manifest set is installed. Needs root."};
  app.add_option("--manifests", manifests, "a file with them, YAML, plain or gzip")->required();
  app.add_option("--kubectl", kubectl, "what to compare with")->required();
  app.add_option("--runs", runs, "installations of each kind")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_option("--output", file, "where the figures go, a line of JSON each")->required();
  CLI11_PARSE(app, argc, argv);
  if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
    std::cerr << *missing << "\n";
    return 2;
  }
  std::ofstream out(file);
  const Status status = run(manifests, kubectl, runs, out);
  if (!status) {
    std::cerr << status.error().message() << "\n";
  }
  return status ? 0 : 1;
}
