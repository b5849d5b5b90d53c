#include "controller/program_flags.h"

#include <CLI/CLI.hpp>
#include <map>
#include <utility>

#include "addons/oci_artifact.h"
#include "base/names.h"
#include "base/text.h"
#include "controller/addon_wish.h"
#include "pki/pki.h"
#include "sys/file.h"

namespace vk8s::controller {
namespace {

constexpr std::size_t kMaxAddonName = 40;
constexpr std::size_t kMaxCaBytes = 256U << 10U;

Status add_vnode_image(std::string_view text, Settings& settings) {
  const std::size_t equals = text.find('=');
  const std::string_view version = text.substr(0, equals);
  const std::string_view image =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  const api::KubernetesRelease* release = api::find_release(version);
  if (image.empty() || release == nullptr) {
    return fail(Errc::kInvalidArgument,
                "--vnode-image \"{}\": VERSION=REFERENCE is needed, with a VERSION of the "
                "catalogue, such as {}=registry.example/vk8s/vnode@sha256:...",
                base::printable(text, 200), api::releases().front().minor);
  }
  settings.vnode_images.insert_or_assign(std::string(release->minor), std::string(image));
  return {};
}

Status add_addon(std::string_view text, Settings& settings) {
  const std::size_t equals = text.find('=');
  const std::string name(text.substr(0, equals));
  const std::string_view reference =
      equals == std::string_view::npos ? std::string_view() : text.substr(equals + 1);
  if (!base::is_dns_label(name) || name.size() > kMaxAddonName || name == kKubeflowSet) {
    return fail(Errc::kInvalidArgument,
                "--addon \"{}\": NAME=REFERENCE is needed, with a NAME of at most 40 characters",
                base::printable(text, 300));
  }
  VK8S_TRY_CONTEXT(addons::ArtifactReference::parse(reference), "--addon {}", name);
  settings.addons.insert_or_assign(name, std::string(reference));
  return {};
}

Status check_registry(const Settings& settings) {
  const std::string_view url = settings.registry_mirror;
  if (!url.empty() && !url.starts_with("https://") && !url.starts_with("http://")) {
    return fail(Errc::kInvalidArgument,
                "--registry-mirror \"{}\": a URL is needed, such as https://registry.example:5000",
                base::printable(url, 200));
  }
  if (url.empty() && settings.addons.empty() && !settings.registry_ca_pem.empty()) {
    return fail(Errc::kInvalidArgument, "--registry-ca: --registry-mirror is missing");
  }
  if (!settings.addons.empty() && settings.registry_ca_pem.empty() && !url.starts_with("http://")) {
    return fail(Errc::kInvalidArgument,
                "--addon: --registry-ca is missing: the registry is "
                "trusted by no other CA");
  }
  return {};
}

Result<StaticIpMethod> parse_static_ip_method(std::string_view text) {
  static constexpr std::pair<std::string_view, StaticIpMethod> kMethods[] = {
      {"auto", StaticIpMethod::kAuto},
      {"calico", StaticIpMethod::kCalico},
      {"vk8s-ipam", StaticIpMethod::kVk8s},
      {"none", StaticIpMethod::kNone}};
  for (const auto& [name, method] : kMethods) {
    if (name == text) {
      return method;
    }
  }
  return fail(Errc::kInvalidArgument,
              "--static-ip-method \"{}\": there are auto, calico, vk8s-ipam and none",
              base::printable(text, 64));
}

}  // namespace

void add_flags(CLI::App& app, ProgramFlags& flags) {
  ProgramOptions& options = flags.options;
  app.set_config("--config", "", "read these flags from a file too");
  app.add_option("--kubeconfig", options.kubeconfig,
                 "the host cluster; without it: the one this runs in");
  app.add_flag("--leader-elect", options.leader_elect, "let one of several replicas act");
  app.add_option("--metrics-address", options.metrics_address, "of /metrics, /healthz, /readyz")
      ->capture_default_str();
  app.add_option("--image-registry", options.settings.image_registry,
                 "registry of the catalogue's node images");
  app.add_option("--vnode-image", flags.vnode_images,
                 "VERSION=REFERENCE: node image instead of the catalogue's (repeatable)");
  app.add_option("--vnode-image-prefix", options.settings.vnode_image_prefixes,
                 "allow other node images that begin so (repeatable)");
  app.add_option("--registry-mirror", options.settings.registry_mirror,
                 "URL of the registry that nodes ask first for the images of their pods");
  app.add_option("--registry-ca", flags.registry_ca_file, "PEM file of who signed its certificate");
  app.add_option("--addon", flags.addons,
                 "NAME=REFERENCE, by digest: what users may install by spec.kubeflow and "
                 "spec.addons (repeatable)");
  app.add_option("--addon-pull-secret", options.settings.addon_pull_secret,
                 "Secret of the controller's namespace to read them from the registry with");
  app.add_flag("--tolerate-control-plane", options.settings.tolerate_control_plane,
               "let nodes tolerate the taints of the host's control plane");
  app.add_option("--static-ip-method", flags.static_ip_method,
                 "how this host gives pods fixed addresses: auto, calico, vk8s-ipam or none")
      ->capture_default_str();
}

Result<ProgramOptions> check_flags(ProgramFlags flags) {
  Settings& settings = flags.options.settings;
  for (const std::string& image : flags.vnode_images) {
    VK8S_TRY(add_vnode_image(image, settings));
  }
  for (const std::string& addon : flags.addons) {
    VK8S_TRY(add_addon(addon, settings));
  }
  if (!flags.registry_ca_file.empty()) {
    settings.registry_ca_pem = VK8S_TRY_CONTEXT(sys::read_file(flags.registry_ca_file, kMaxCaBytes),
                                                "--registry-ca {}", flags.registry_ca_file);
    VK8S_TRY_CONTEXT(pki::parse_certificate(settings.registry_ca_pem), "--registry-ca {}",
                     flags.registry_ca_file);
  }
  VK8S_TRY(check_registry(settings));
  settings.static_ip_method = VK8S_TRY(parse_static_ip_method(flags.static_ip_method));
  return std::move(flags.options);
}

}  // namespace vk8s::controller
