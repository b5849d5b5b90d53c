#include "e2e/host.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"
#include "e2e/traces.h"

namespace vk8s::e2e {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

// Beside a host that a user made: another name, other networks, another folder.
constexpr const char* kName = "e2e";
constexpr const char* kStateFolder = "/var/lib/vk8s-e2e";
const std::vector<std::string> kHostOptions = {
    std::string("--host-option=--name=") + kName, "--host-option=--subnet=100.64.0.0/16",
    "--host-option=--pod-network-cidr=100.65.0.0/16", "--host-option=--service-cidr=100.66.0.0/16"};

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : value;
}

// The cache of the machine, for scripts: what is built stays built.
void share_cache(std::map<std::string, std::string>& variables) {
  if (std::string cache = environment("VK8S_CACHE"); !cache.empty()) {
    variables["VK8S_CACHE"] = std::move(cache);
  }
}

}  // namespace

std::optional<std::string> missing_prerequisite() {
  if (::geteuid() != 0) {
    return "needs root";
  }
  for (const char* name : {"VK8S_CLI", "VK8S_KUBECTL"}) {
    if (environment(name).empty()) {
      return fmt::format("{} is not set: run ./test.sh e2e", name);
    }
  }
  return std::nullopt;
}

Result<std::unique_ptr<Host>> Host::start() {
  std::unique_ptr<Host> host(new Host(VK8S_TRY(sys::TempDir::create("vk8s-e2e"))));
  VK8S_TRY(host->quickstart({"--until", "operator"}, minutes(8)));
  host->kubectl_.emplace(environment("VK8S_KUBECTL"), std::string(kStateFolder) + "/kubeconfig");
  const Json status = VK8S_TRY(host->status());
  host->registry_ = base::get_string(status, "registry").value_or("");
  const JsonArray* nodes = base::get_array(status, "nodes");
  for (const Json& node : nodes == nullptr ? JsonArray() : *nodes) {
    host->node_names_.emplace_back(base::get_string(node, "name").value_or(""));
  }
  return host;
}

std::vector<std::string> Host::version_options() const {
  std::vector<std::string> out;
  const std::string versions = environment("VK8S_E2E_VERSIONS");
  for (const std::string_view version : base::split(versions, ' ')) {
    if (!version.empty()) {
      out.insert(out.end(), {"--version", std::string(version)});
    }
  }
  return out;
}

Result<std::string> Host::quickstart(const std::vector<std::string>& arguments,
                                     seconds timeout) const {
  // What a user reads is its standard error: it is the answer, and the words of a failure.
  Command command{.argv = {"bash", "-c", "set -o pipefail; \"$0\" \"$@\" 2>&1 | tee /dev/stderr",
                           std::string(VK8S_SOURCE_DIR) + "/quickstart.sh", "--nodes", "2"},
                  .environment = {{"VK8S_HOST_STATE_DIR", kStateFolder}},
                  .timeout = timeout};
  command.argv.insert(command.argv.end(), kHostOptions.begin(), kHostOptions.end());
  const std::vector<std::string> versions = version_options();
  command.argv.insert(command.argv.end(), versions.begin(), versions.end());
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  share_cache(command.environment);
  return run(command);
}

Result<Json> Host::status() const {
  return base::parse_json(VK8S_TRY(cli({"host", "status", "-o", "json"})));
}

Status Host::stop_registry() const {
  VK8S_TRY(run({.argv = {std::string(kStateFolder) + "/bin/runc", "--root",
                         fmt::format("/run/{}-host/runc", kName), "kill",
                         fmt::format("{}-registry", kName), "KILL"}}));
  return {};
}

Status Host::restart_node(const std::string& node) const {
  VK8S_TRY(run({.argv = {std::string(kStateFolder) + "/bin/runc", "--root",
                         fmt::format("/run/{}-host/runc", kName), "kill",
                         fmt::format("{}-{}", kName, node), "KILL"}}));
  VK8S_TRY(wait_until(
      [&] {
        const auto now = status();
        const JsonArray* nodes = now ? base::get_array(*now, "nodes") : nullptr;
        for (const Json& each : nodes == nullptr ? JsonArray() : *nodes) {
          const std::string state(base::get_string(each, "container").value_or(""));
          if (base::get_string(each, "name") == node && state != "running") {
            return Answer{true, state};
          }
        }
        return Answer{false, now ? base::to_string(*now) : now.error().message()};
      },
      seconds(20), node + " has ended"));
  VK8S_TRY(cli({"host", "up"}, minutes(4)));
  return {};
}

Status Host::repair() const {
  VK8S_TRY(cli({"host", "up"}));
  return {};
}

std::vector<std::string> Host::network_namespaces() const {
  std::vector<std::string> out;
  for (const std::string& node : node_names_) {
    out.push_back(fmt::format("{}-{}", kName, node));
  }
  return out;
}

std::string Host::volume_folder(const std::string& node) const {
  return fmt::format("{}/{}/volume", kStateFolder, node);
}

Status Host::purge() {
  VK8S_TRY(cli({"host", "down", "--purge"}, minutes(3)));
  return {};
}

Result<std::string> Host::cli(std::vector<std::string> arguments, seconds timeout) const {
  arguments.insert(arguments.begin(), environment("VK8S_CLI"));
  return run({.argv = std::move(arguments),
              .environment = {{"VK8S_HOST_STATE_DIR", kStateFolder},
                              {"KUBECONFIG", std::string(kStateFolder) + "/kubeconfig"},
                              {"HOME", folder()}},
              .timeout = timeout});
}

Result<std::string> Host::script(std::vector<std::string> argv, seconds timeout,
                                 std::map<std::string, std::string> environment) const {
  argv.front() = fmt::format("{}/{}", VK8S_SOURCE_DIR, argv.front());
  environment.insert({{"KUBECTL", kubectl().program()},
                      {"KUBECONFIG", kubectl().kubeconfig()},
                      {"VK8S_HOST_STATE_DIR", kStateFolder}});
  Command command{
      .argv = std::move(argv), .environment = std::move(environment), .timeout = timeout};
  share_cache(command.environment);
  return run(command);
}

std::string Host::writable_registry() const {
  return registry_.substr(0, registry_.rfind(':')) + ":5001";
}

std::string Host::registry_credentials() const {
  return std::string(kStateFolder) + "/registry-credentials";
}

VirtualCluster::VirtualCluster(const Host& host, std::string namespace_name, std::string name,
                               Kubectl kubectl)
    : host_(&host),
      namespace_(std::move(namespace_name)),
      name_(std::move(name)),
      kubectl_(std::move(kubectl)) {}

Result<VirtualCluster> VirtualCluster::create(const Host& host, const std::string& namespace_name,
                                              const std::string& name,
                                              const std::string& manifest) {
  VK8S_TRY(host.kubectl().apply(manifest));
  VK8S_TRY(host.kubectl().wait({"-n", namespace_name, "vk8s/" + name},
                               "jsonpath={.status.phase}=Running", seconds(120)));
  return attach(host, namespace_name, name);
}

Result<VirtualCluster> VirtualCluster::attach(const Host& host, const std::string& namespace_name,
                                              const std::string& name) {
  const std::string text =
      VK8S_TRY(host.kubectl()({"-n", namespace_name, "get", "secret", name + "-kubeconfig", "-o",
                               "go-template={{.data.kubeconfig | base64decode}}"}));
  const std::string path = fmt::format("{}/{}-{}.kubeconfig", host.folder(), namespace_name, name);
  VK8S_TRY(sys::write_file(path, text, {.mode = 0600}));
  return VirtualCluster(host, namespace_name, name, Kubectl(host.kubectl().program(), path));
}

Status VirtualCluster::wait_for_phase(const std::string& phase, seconds limit) const {
  return host_->kubectl().wait({"-n", namespace_, "vk8s/" + name_},
                               "jsonpath={.status.phase}=" + phase, limit);
}

Status VirtualCluster::remove() const {
  const Traces traces = VK8S_TRY(Traces::of(*host_, namespace_, name_));
  VK8S_TRY(host_->cli({"delete", name_, "-n", namespace_, "--yes", "--wait", "--timeout", "180"}));
  const auto objects = [&](const std::string& kinds) {
    return host_->kubectl()(
        {"-n", namespace_, "get", kinds, "-l", "clusterName=" + name_, "-o", "name"});
  };
  const std::string owned =
      VK8S_TRY(objects("pods,statefulsets,services,secrets,networkpolicies,deployments,"
                       "endpointslices"));
  if (!owned.empty()) {
    return fail(Errc::kInternal, "delete --wait has left objects of {}: {}", name_, owned);
  }
  VK8S_TRY(wait_until(
      [&] {
        const auto claims = objects("persistentvolumeclaims");
        return claims ? Answer{claims->empty(), *claims} : Answer{false, claims.error().message()};
      },
      seconds(90), "no volume is left of " + name_));
  return wait_until(
      [&] {
        const std::vector<std::string> left = traces.left();
        return Answer{left.empty(), fmt::format("{}", fmt::join(left, "\n"))};
      },
      seconds(60), "nothing on the machine is left of " + name_);
}

std::string vk8s_manifest(const std::string& namespace_name, const std::string& name, int workers,
                          const std::string& more_spec) {
  std::string text = fmt::format(
      "apiVersion: vk8s.sktelecom.com/v1alpha1\n"
      "kind: Vk8s\n"
      "metadata: {{namespace: {0}, name: {1}}}\n"
      "spec:\n"
      "{2}"
      "  nodes:\n"
      "  - {{name: {1}-master-1, role: master}}\n",
      namespace_name, name, more_spec);
  for (int i = 1; i <= workers; ++i) {
    text += fmt::format("  - {{name: {}-worker-{}, role: worker}}\n", name, i);
  }
  return text;
}

}  // namespace vk8s::e2e
