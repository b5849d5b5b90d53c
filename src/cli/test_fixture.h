// For the tests of verbs: a host's API server in memory, a home folder of its own,
// and the outcome of a command line.
#pragma once

#include <gmock/gmock.h>

#include <sstream>
#include <string>
#include <vector>

#include "api/cluster_pki.h"
#include "cli/run.h"
#include "cli/session.h"
#include "cli/surroundings.h"
#include "kube/fake_client.h"
#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::cli {

struct Outcome {
  int code;
  std::string out;
  std::string err;
};

// A cluster as the API server holds it: one master, one worker.
inline Json cluster_object(const std::string& name,
                           const std::string& namespace_name = "research") {
  return JsonObject{
      {"apiVersion", "vk8s.sktelecom.com/v1alpha1"},
      {"kind", "Vk8s"},
      {"metadata", JsonObject{{"name", name},
                              {"namespace", namespace_name},
                              {"generation", 1},
                              {"creationTimestamp", "2026-05-01T09:00:00Z"}}},
      {"spec",
       JsonObject{
           {"nodes", JsonArray{JsonObject{{"name", name + "-master-1"}, {"role", "master"}},
                               JsonObject{{"name", name + "-worker-1"}, {"role", "worker"}}}}}}};
}

inline Json node_status(const std::string& name, const std::string& role, const std::string& phase,
                        int progress, const std::string& message = "") {
  return JsonObject{{"name", name},
                    {"role", role},
                    {"phase", phase},
                    {"progress", progress},
                    {"message", message},
                    {"ip", "10.0.0.7"},
                    {"kubeletVersion", "v1.37.2"}};
}

// The same with a status of that phase.
inline Json cluster_in_phase(const std::string& name, const std::string& phase,
                             const std::string& message = "",
                             const std::string& namespace_name = "research") {
  Json out = cluster_object(name, namespace_name);
  const bool running = phase == "Running";
  out.as_object()["status"] = JsonObject{
      {"phase", phase},
      {"message", message},
      {"observedGeneration", 1},
      {"version", "1.37.2"},
      {"endpoint", "https://198.18.0.10:31443"},
      {"readyNodes", running ? "2/2" : "1/2"},
      {"nodes", JsonArray{node_status(name + "-master-1", "master", "Ready", 100),
                          node_status(name + "-worker-1", "worker", running ? "Ready" : "Starting",
                                      running ? 100 : 40, running ? "" : "starting kubelet")}}};
  return out;
}

class CliTest : public ::testing::Test {
 protected:
  static constexpr const char* kHostServer = "https://host.example:6443";

  CliTest() {
    around_.variables = {
        {"HOME", home()}, {"PATH", "/usr/bin:/bin"}, {"KUBECONFIG", home() + "/host.yaml"}};
    around_.now = [] { return *base::parse_time("2026-05-01T09:05:00Z"); };
    around_.sysctl_root = home() + "/sysctl";
    around_.connect = [this](kube::ClientConfig config) -> Result<std::shared_ptr<kube::Client>> {
      kube::Client* client = config.server == kHostServer ? &host_ : &inner_;
      return std::shared_ptr<kube::Client>(std::shared_ptr<void>(), client);
    };
    around_.run_program = [this](const ForegroundCommand& command) -> Result<sys::ExitStatus> {
      programs_.push_back(command);
      return on_program_ ? on_program_(command) : sys::ExitStatus{};
    };
    write_host_kubeconfig("research");
  }

  std::string home() const { return folder_.path(); }

  void write_host_kubeconfig(const std::string& namespace_name) {
    const std::string text = fmt::format(
        "clusters: [{{name: host, cluster: {{server: \"{}\", certificate-authority-data: {}}}}}]\n"
        "users: [{{name: me, user: {{token: secret}}}}]\n"
        "contexts: [{{name: here, context: {{cluster: host, user: me, namespace: {}}}}}]\n"
        "current-context: here\n",
        kHostServer, pki::base64_encode("a certificate"), namespace_name);
    ASSERT_TRUE(sys::write_file(home() + "/host.yaml", text));
  }

  Outcome run(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = cli::run(arguments, around_, out, err);
    return {code, out.str(), err.str()};
  }

  // What a person types on the terminal.
  void type(const std::string& text) {
    typed_.str(text);
    around_.input = &typed_;
    around_.input_is_terminal = true;
  }

  void put_cluster(const Json& object) { host_.put(kube::resources::kVk8s, object); }

  // Puts these one after the other once the verb has begun to watch.
  void put_while_watching(std::vector<Json> states) {
    host_.set_hook([this, states = std::move(states), done = false](
                       const kube::FakeRequest& request) mutable -> std::optional<Error> {
      if (request.verb == "watch" && !std::exchange(done, true)) {
        for (const Json& state : states) {
          around_.loop.post([this, state] { put_cluster(state); });
        }
      }
      return std::nullopt;
    });
  }

  // The Secret that the controller makes, with a real certificate.
  void put_issued_kubeconfig(const std::string& cluster, const std::string& server) {
    const auto pki = api::create_cluster_pki(cluster);
    ASSERT_TRUE(pki);
    const auto text = api::create_kubeconfig(*pki, {.cluster_name = cluster, .server = server});
    ASSERT_TRUE(text);
    put_kubeconfig_text(cluster, *text);
  }

  void put_kubeconfig_text(const std::string& cluster, const std::string& text) {
    host_.put(kube::resources::kSecret,
              JsonObject{{"metadata",
                          JsonObject{{"name", cluster + "-kubeconfig"}, {"namespace", "research"}}},
                         {"data", JsonObject{{"kubeconfig", pki::base64_encode(text)}}}});
  }

  const Json* stored(const std::string& name, const std::string& namespace_name = "research") {
    return host_.peek(kube::resources::kVk8s, {namespace_name, name});
  }

  sys::TempDir folder_ = *sys::TempDir::create();
  Surroundings around_;
  kube::FakeClient host_{around_.loop};
  kube::FakeClient inner_{around_.loop};  // of a virtual cluster
  std::vector<ForegroundCommand> programs_;
  std::function<Result<sys::ExitStatus>(const ForegroundCommand&)> on_program_;
  std::istringstream typed_;
};

}  // namespace vk8s::cli
