#include "host/host_registry.h"

#include <chrono>

#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

constexpr std::string_view kConfigInside = "/etc/vk8s/config";
constexpr std::string_view kStoreInside = "/var/lib/registry";
constexpr std::string_view kWriterSuffix = "-writer";

ContainerPlan writer_plan(const HostPlan& plan) {
  ContainerPlan writer = plan.registry;
  writer.name += kWriterSuffix;
  writer.id += kWriterSuffix;
  writer.cgroup += kWriterSuffix;
  writer.folder += kWriterSuffix;
  return writer;
}

std::string writer_credentials(const HostPlan& plan) {
  return plan.state_folder + "/registry-credentials";
}

bool is_due(const api::FileSet& files, const std::string& certificate) {
  const auto found = files.find(certificate);
  if (found == files.end()) {
    return true;
  }
  const auto info = pki::parse_certificate(found->second);
  return !info || pki::renewal_time(*info) <= std::chrono::system_clock::now();
}

Result<pki::KeyPair> issue_server(const pki::KeyPair& ca, const HostPlan& plan) {
  pki::LeafRequest request;
  request.subject.common_name = "registry";
  request.ip_addresses = {plan.registry.address};
  request.server = true;
  return pki::issue(ca, request);
}

// A CA that signs one certificate, and whose key is not kept: who may write is
// who holds that certificate. It lives as long as the host.
// The folder is one that container tools take as it is (docker's certs.d).
Status ensure_writer_credentials(const HostPlan& plan, const HostPki& pki) {
  if (sys::exists(writer_credentials(plan))) {
    return {};
  }
  const pki::KeyPair host_ca = VK8S_TRY(api::key_pair(pki.cluster, "ca"));
  pki::Subject subject;
  subject.common_name = "registry-writers";
  const pki::KeyPair ca = VK8S_TRY(pki::create_ca(subject));
  pki::LeafRequest request;
  request.subject.common_name = "registry-writer";
  request.client = true;
  request.lifetime = std::chrono::hours(24 * 3650);
  const pki::KeyPair writer = VK8S_TRY(pki::issue(ca, request));
  return create_files(writer_credentials(plan), {{"ca.crt", host_ca.certificate_pem},
                                                 {"writers-ca.crt", ca.certificate_pem},
                                                 {"client.cert", writer.certificate_pem},
                                                 {"client.key", writer.key_pem}});
}

Result<std::string> ensure_files(const std::string& folder, const HostPlan& plan,
                                 const HostPki& pki, bool writable) {
  auto files = read_files(folder).value_or(api::FileSet{});
  if (is_due(files, "server.crt")) {
    const pki::KeyPair ca = VK8S_TRY(api::key_pair(pki.cluster, "ca"));
    const pki::KeyPair server = VK8S_TRY(issue_server(ca, plan));
    files["server.crt"] = server.certificate_pem;
    files["server.key"] = server.key_pem;
  }
  files["config.yml"] = registry_config(writable);
  if (writable) {
    files["writers-ca.crt"] =
        VK8S_TRY(sys::read_file(writer_credentials(plan) + "/writers-ca.crt"));
  }
  VK8S_TRY(sys::ensure_directory(folder, 0700));
  std::string all;
  for (const auto& [name, content] : files) {
    VK8S_TRY(sys::write_file(fmt::format("{}/{}", folder, name), content, {.mode = 0600}));
    all += content;
  }
  return all;
}

}  // namespace

std::string registry_config(bool writable) {
  const int port = writable ? kRegistryWritePort : kRegistryReadPort;
  return fmt::format(
      "version: 0.1\n"
      "log: {{level: warn}}\n"
      "storage:\n"
      "  filesystem: {{rootdirectory: {store}}}\n"
      "  delete: {{enabled: {writable}}}\n"
      "  maintenance: {{readonly: {{enabled: {read_only}}}}}\n"
      "http:\n"
      "  addr: :{port}\n"
      "  tls:\n"
      "    certificate: {config}/server.crt\n"
      "    key: {config}/server.key\n"
      "    minimumtls: tls1.2\n"
      "{clients}",
      fmt::arg("store", kStoreInside), fmt::arg("writable", writable),
      fmt::arg("read_only", !writable), fmt::arg("port", port), fmt::arg("config", kConfigInside),
      fmt::arg("clients", writable
                              ? fmt::format("    clientcas: [{}/writers-ca.crt]\n", kConfigInside)
                              : std::string()));
}

Result<std::string> ensure_registry_files(const HostPlan& plan, const HostPki& pki) {
  VK8S_TRY(ensure_writer_credentials(plan, pki));
  const std::string reader =
      VK8S_TRY(ensure_files(plan.registry.folder + "/config", plan, pki, false));
  const std::string writer =
      VK8S_TRY(ensure_files(writer_plan(plan).folder + "/config", plan, pki, true));
  return fingerprint(reader + writer);
}

std::vector<HostContainer> registry_containers(const HostSettings& settings, const HostPlan& plan,
                                               const Runc& runc,
                                               const std::string& config_version) {
  ContainerProgram program;
  program.image_rootfs = settings.registry_rootfs;
  program.argv = {"/usr/bin/docker-registry", "serve", fmt::format("{}/config.yml", kConfigInside)};
  program.config_destination = kConfigInside;
  program.volume_destination = kStoreInside;
  program.config_version = config_version;
  ContainerProgram writing = program;
  // Laid over the writer's own, empty volume: one store for both.
  writing.binds = {{plan.registry.folder + "/volume", std::string(kStoreInside), false}};
  std::vector<HostContainer> containers;
  containers.emplace_back(plan.registry, std::move(program), runc);
  containers.emplace_back(writer_plan(plan), std::move(writing), runc);
  return containers;
}

}  // namespace vk8s::host
