// What vk8s-ipam adds to the start of a pod: `./bench.sh micro`, as root. Three kinds of
// pods by turns, in one run: one whose IPAM plugin is host-local, one whose plugin is
// vk8s-ipam but that has no address of its own, and one that has, which the node's
// server confirms by asking a real API server.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>

#include "api/ip_allocation.h"
#include "cni/network_config.h"
#include "cni/testing/runtime.h"
#include "controller/manifests.h"
#include "ipnode/address_server.h"
#include "kube/testing/api_server.h"
#include "kube/testing/loop_thread.h"
#include "results.h"
#include "sys/file.h"

namespace {

using namespace vk8s;
using cni::Verb;
using cni::testing::Container;
using cni::testing::Runtime;
using Clock = std::chrono::steady_clock;
namespace resources = kube::resources;

constexpr const char* kAddress = "10.1.200.7";
const cni::Pod kPod = {"team-a", "demo-0", "2f1c3d2e-0000-4000-8000-000000000001"};

enum class Kind { kHostLocal, kWithoutAddress, kWithAddress };
constexpr std::array<std::pair<Kind, const char*>, 3> kKinds = {
    {{Kind::kHostLocal, "host_local"},
     {Kind::kWithoutAddress, "vk8s_ipam"},
     {Kind::kWithAddress, "vk8s_ipam_static"}}};

struct Samples {
  std::vector<double> add;  // ms
  std::vector<double> del;
};

double p99(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return samples[samples.size() * 99 / 100];
}

template <class Function>
double milliseconds_of(Function function) {
  const auto begin = Clock::now();
  function();
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// A node: its network namespace, what serves its plugin, and the API server behind that.
class Node {
 public:
  ~Node() {
    thread_.run([this] {
      server_.reset();
      client_.reset();
    });
    if (space_) {
      [[maybe_unused]] const Status removed = sys::NetNs::remove(name_);
    }
  }

  Status start(const std::string& plugins) {
    folder_.emplace(VK8S_TRY(sys::TempDir::create()));
    space_.emplace(VK8S_TRY(sys::NetNs::create(name_)));
    runtime_.emplace(*space_, plugins);
    api_ = VK8S_TRY(kube::testing::ApiServer::start());
    client_ = VK8S_TRY(kube::Client::create(thread_.loop(), api_->admin(), Log::silent()));
    VK8S_TRY_CONTEXT(give_the_address(), "give the pod its address");
    server_ = VK8S_TRY(thread_.run([this] {
      return ipnode::AddressServer::start(thread_.loop(), *client_, folder_->path() + "/ipam.sock",
                                          Log::silent());
    }));
    return {};
  }

  // One pod's ADD and DEL.
  Status run(Kind kind, int number, Samples& samples) {
    const Container container = VK8S_TRY(Container::create(fmt::format("c{}", number), kPod));
    const Json config = config_of(kind);
    cni::testing::Answer answer;
    samples.add.push_back(
        milliseconds_of([&] { answer = runtime_->call(Verb::kAdd, container, config); }));
    if (!answer.ok()) {
      return fail(Errc::kInternal, "ADD: {}{}", answer.message(), answer.words);
    }
    if ((answer.address().substr(0, answer.address().find('/')) == kAddress) !=
        (kind == Kind::kWithAddress)) {
      return fail(Errc::kInternal, "ADD gave {}", answer.address());
    }
    samples.del.push_back(
        milliseconds_of([&] { answer = runtime_->call(Verb::kDel, container, config); }));
    return answer.ok() ? Status() : fail(Errc::kInternal, "DEL: {}", answer.message());
  }

 private:
  Status give_the_address() {
    kube::BlockingClient api(thread_.loop(), *client_);
    VK8S_TRY(api.create(resources::kCustomResourceDefinition, "",
                        controller::ip_allocation_crd_manifest()));
    const Json allocation = api::to_json(
        {.address = *IpAddress::parse(kAddress),
         .owner = api::IpOwner{.namespace_name = kPod.namespace_name, .pod = kPod.name}});
    const auto deadline = Clock::now() + std::chrono::seconds(30);
    Result<Json> created = api.create(resources::kIPAllocation, "", allocation);
    while (!created && Clock::now() < deadline) {
      thread_.tick(std::chrono::milliseconds(50));
      created = api.create(resources::kIPAllocation, "", allocation);
    }
    VK8S_TRY(std::move(created));
    return {};
  }

  Json config_of(Kind kind) const {
    JsonObject ipam{{"type", "host-local"},
                    {"dataDir", folder_->path() + "/host-local"},
                    {"ranges", JsonArray{JsonArray{JsonObject{{"subnet", "10.1.5.0/24"}}}}},
                    {"routes", JsonArray{JsonObject{{"dst", "0.0.0.0/0"}}}}};
    JsonObject config{{"cniVersion", "1.0.0"}, {"name", "vk8s"}, {"type", "ptp"}};
    if (kind != Kind::kHostLocal) {
      ipam["type"] = cni::kPluginName;
      ipam["socket"] = folder_->path() + "/ipam.sock";
      ipam["store"] = folder_->path() + "/static-ips";
      JsonObject annotations;
      if (kind == Kind::kWithAddress) {
        annotations[api::kIpAnnotation] = kAddress;
      }
      config["runtimeConfig"] = JsonObject{{cni::kAnnotationsCapability, std::move(annotations)}};
    }
    config["ipam"] = std::move(ipam);
    return config;
  }

  kube::testing::LoopThread thread_;
  std::optional<sys::TempDir> folder_;
  std::string name_ = fmt::format("vk8s-b-{}", ::getpid());
  std::optional<sys::NetNs> space_;
  std::optional<Runtime> runtime_;
  std::unique_ptr<kube::testing::ApiServer> api_;
  std::unique_ptr<kube::Client> client_;
  std::unique_ptr<ipnode::AddressServer> server_;
};

void write(const std::map<Kind, Samples>& all, std::ostream& out) {
  const Samples& base = all.at(Kind::kHostLocal);
  for (const auto& [kind, name] : kKinds) {
    const Samples& samples = all.at(kind);
    bench::write_result(out, fmt::format("cni_add_{}", name), "ms", samples.add);
    bench::write_result(out, fmt::format("cni_add_{}_p99", name), "ms", {p99(samples.add)});
    bench::write_result(out, fmt::format("cni_del_{}", name), "ms", samples.del);
    bench::write_result(out, fmt::format("cni_del_{}_p99", name), "ms", {p99(samples.del)});
    if (kind != Kind::kHostLocal) {
      bench::write_result(out, fmt::format("cni_add_{}_adds_p99", name), "ms",
                          {p99(samples.add) - p99(base.add)});
    }
  }
}

Status run(const std::string& plugins, int pods, std::ostream& out) {
  std::cerr << "CNI: " << pods << " pods of each kind" << std::endl;
  Node node;
  VK8S_TRY(node.start(plugins));
  std::map<Kind, Samples> samples;
  for (int i = 0; i < pods; ++i) {
    for (const auto& [kind, name] : kKinds) {
      VK8S_TRY_CONTEXT(node.run(kind, i, samples[kind]), "{}", name);
    }
  }
  write(samples, out);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  std::string file;
  std::string plugins;
  int pods = 300;
  CLI::App app{"Measures what vk8s-ipam adds to the start of a pod. Needs root."};
  app.add_option("--plugins", plugins, "folders of vk8s-ipam, ptp and host-local, with ':' between")
      ->required();
  app.add_option("--pods", pods, "of each kind")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--output", file, "where the figures go, a line of JSON each")->required();
  CLI11_PARSE(app, argc, argv);
  if (const auto missing = kube::testing::ApiServer::missing_prerequisite()) {
    std::cerr << *missing << "\n";
    return 2;
  }
  std::ofstream out(file);
  const Status status = run(plugins, pods, out);
  if (!status) {
    std::cerr << status.error().message() << "\n";
  }
  return status ? 0 : 1;
}
