#include "controller/addon_wish.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace vk8s::controller {
namespace {

// "1.37" of "v1.37.2": the parts that are compared; nothing for what is no version.
std::optional<std::pair<int, int>> minor_version(std::string_view text) {
  text.remove_prefix(text.starts_with('v') ? 1 : 0);
  const auto parts = base::split(text, '.');
  if (parts.size() < 2) {
    return std::nullopt;
  }
  std::pair<int, int> out;
  for (const auto& [part, number] : {std::pair(parts[0], &out.first), {parts[1], &out.second}}) {
    if (part.size() > 4 ||
        std::from_chars(part.data(), part.data() + part.size(), *number).ec != std::errc()) {
      return std::nullopt;
    }
  }
  return out;
}

AddonWish wish_of(const api::Vk8s& vk8s, std::string_view set_name, const api::AddonStatus* known) {
  AddonWish out;
  out.set_name = set_name;
  out.field = set_name == kKubeflowSet ? "spec.kubeflow" : fmt::format("spec.addons[{}]", set_name);
  out.kubernetes = vk8s.status.version;
  out.is_recorded = known != nullptr;
  if (known != nullptr) {
    out.known = *known;
  }
  return out;
}

bool is_profile(std::string_view addon) {
  return std::find(api::kKubeflowProfiles.begin(), api::kKubeflowProfiles.end(), addon) !=
         api::kKubeflowProfiles.end();
}

}  // namespace

bool is_ready(const api::AddonStatus& status) {
  return status.phase == addons::to_string(addons::InstallPhase::kReady);
}

bool is_removed(const api::AddonStatus& status) {
  return status.phase == addons::to_string(addons::InstallPhase::kRemoved);
}

std::vector<AddonWish> wishes_of(const api::Vk8s& vk8s) {
  std::vector<AddonWish> out;
  const auto& kubeflow = vk8s.status.kubeflow;
  if (vk8s.spec.kubeflow || (kubeflow && !is_removed(*kubeflow))) {
    AddonWish wish = wish_of(vk8s, kKubeflowSet, kubeflow ? &*kubeflow : nullptr);
    if (vk8s.spec.kubeflow) {
      wish.addon = vk8s.spec.kubeflow->profile;
      wish.version = vk8s.spec.kubeflow->version;
      wish.names_user =
          !vk8s.spec.kubeflow->email.empty() || !vk8s.spec.kubeflow->password_secret.empty();
    }
    out.push_back(std::move(wish));
  }
  for (const api::AddonSpec& addon : vk8s.spec.addons) {
    const auto known = std::find_if(vk8s.status.addons.begin(), vk8s.status.addons.end(),
                                    [&](const auto& each) { return each.name == addon.name; });
    AddonWish wish =
        wish_of(vk8s, addon.name, known == vk8s.status.addons.end() ? nullptr : &*known);
    wish.addon = addon.name;
    wish.version = addon.version;
    out.push_back(std::move(wish));
  }
  for (const api::AddonStatus& known : vk8s.status.addons) {
    const bool is_wanted = std::any_of(vk8s.spec.addons.begin(), vk8s.spec.addons.end(),
                                       [&](const auto& each) { return each.name == known.name; });
    if (!is_wanted && !is_removed(known)) {
      out.push_back(wish_of(vk8s, known.name, &known));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const auto& a, const auto& b) { return a.set_name < b.set_name; });
  return out;
}

std::string describe_login(const AddonWish& wish, const std::string& email) {
  if (!email.empty() && wish.user && wish.user->trouble.empty()) {
    const std::string& wanted = wish.user->login.email;
    return fmt::format("log in as {} with the password in {}", wanted.empty() ? email : wanted,
                       wish.user->source);
  }
  // Nobody is to believe that one was made.
  if (email.empty() && wish.names_user) {
    return fmt::format(
        "{}.email and passwordSecretRef are not used: profile {} has no login; remove them",
        wish.field, wish.addon);
  }
  return {};
}

bool is_version(std::string_view wanted, std::string_view actual) {
  wanted.remove_prefix(wanted.starts_with('v') ? 1 : 0);
  actual.remove_prefix(actual.starts_with('v') ? 1 : 0);
  return actual.starts_with(wanted) &&
         (actual.size() == wanted.size() || wanted.empty() || actual[wanted.size()] == '.');
}

std::optional<std::string> objection_to(const AddonWish& wish,
                                        const std::vector<std::string>& names) {
  const bool is_kubeflow = wish.set_name == kKubeflowSet;
  std::vector<std::string> fitting;
  for (const std::string& name : names) {
    if (is_profile(name) == is_kubeflow) {
      fitting.push_back(name);
    }
  }
  if (std::find(fitting.begin(), fitting.end(), wish.addon) != fitting.end()) {
    return std::nullopt;
  }
  return fmt::format(
      "{}.{}: this installation has no {} \"{}\"{}: it has {}; {}the administrator adds others "
      "with install.sh --addon",
      wish.field, is_kubeflow ? "profile" : "name", is_kubeflow ? "profile" : "add-on",
      base::printable(wish.addon, 64),
      wish.version.empty() ? ""
                           : fmt::format(" of version \"{}\"", base::printable(wish.version, 64)),
      fitting.empty() ? "none" : fmt::format("{}", fmt::join(fitting, ", ")),
      fitting.empty() ? "" : "write one of these, or ");
}

std::optional<std::string> objection_to(const AddonWish& wish, const addons::AddonInfo& info) {
  if (!is_version(wish.version, info.version)) {
    return fmt::format("{}.version \"{}\": this installation has \"{}\"; write that, or none",
                       wish.field, base::printable(wish.version, 64),
                       base::printable(info.version, 64));
  }
  if (info.login && wish.set_name != kKubeflowSet) {
    return fmt::format(
        "{}: {} has a login, and only spec.kubeflow gives one: the administrator removes \"login\" "
        "from its addon.json",
        wish.field, wish.addon);
  }
  const auto runs = minor_version(wish.kubernetes);
  const auto least = minor_version(info.min_kubernetes);
  const auto most = minor_version(info.max_kubernetes);
  if (runs && ((least && *runs < *least) || (most && *most < *runs))) {
    return fmt::format(
        "{}: {} {} is for Kubernetes {} to {}, and the cluster runs {}: remove it here, or take a "
        "cluster of such a version (spec.kubernetes.version)",
        wish.field, wish.addon, info.version, least ? info.min_kubernetes : "any",
        most ? info.max_kubernetes : "any", wish.kubernetes);
  }
  return std::nullopt;
}

api::AddonStatus to_api(std::string_view set_name, const addons::InstallStatus& status) {
  api::AddonStatus out;
  out.name = set_name == kKubeflowSet ? std::string_view() : set_name;
  out.phase = addons::to_string(status.phase);
  out.version = status.version;
  out.message = status.message;
  out.progress = status.progress;
  for (const addons::ComponentStatus& each : status.components) {
    out.components.push_back({each.name, each.is_ready, each.message});
  }
  return out;
}

}  // namespace vk8s::controller
