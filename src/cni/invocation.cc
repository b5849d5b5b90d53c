#include "cni/invocation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/names.h"
#include "base/text.h"

namespace vk8s::cni {
namespace {

constexpr std::array<std::pair<std::string_view, Verb>, 6> kVerbs = {{{"ADD", Verb::kAdd},
                                                                      {"DEL", Verb::kDel},
                                                                      {"CHECK", Verb::kCheck},
                                                                      {"GC", Verb::kGc},
                                                                      {"STATUS", Verb::kStatus},
                                                                      {"VERSION", Verb::kVersion}}};
constexpr std::size_t kMaxContainerIdBytes = 255;
constexpr std::size_t kMaxInterfaceNameBytes = 15;
constexpr std::size_t kMaxShownBytes = 80;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_container_id(std::string_view text) {
  return !text.empty() && text.size() <= kMaxContainerIdBytes && is_alphanumeric(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return is_alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

// Source: Linux, dev_valid_name().
bool is_interface_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxInterfaceNameBytes && text != "." && text != ".." &&
         base::printable(text) == text &&
         text.find_first_of("/: \t\r\n\v\f") == std::string_view::npos;
}

tl::unexpected<Error> malformed(std::string_view name, std::string_view value) {
  return fail(Errc::kInvalidArgument, "{}=\"{}\" is not valid", name,
              base::printable(value, kMaxShownBytes));
}

Result<std::string> variable(const Environment& environment, const char* name, bool required) {
  std::string value = environment(name);
  if (value.empty() && required) {
    return fail(Errc::kInvalidArgument, "{} is not set", name);
  }
  if (value.size() > kMaxVariableBytes) {
    return fail(Errc::kInvalidArgument, "{} is longer than {} bytes", name, kMaxVariableBytes);
  }
  return value;
}

Result<Verb> parse_verb(std::string_view text) {
  const auto known = std::find_if(kVerbs.begin(), kVerbs.end(),
                                  [&](const auto& each) { return each.first == text; });
  if (known == kVerbs.end()) {
    return malformed("CNI_COMMAND", text);
  }
  return known->second;
}

Status read_attachment(const Environment& environment, Invocation& out) {
  out.container_id = VK8S_TRY(variable(environment, "CNI_CONTAINERID", true));
  if (!is_container_id(out.container_id)) {
    return malformed("CNI_CONTAINERID", out.container_id);
  }
  out.interface_name = VK8S_TRY(variable(environment, "CNI_IFNAME", true));
  if (!is_interface_name(out.interface_name)) {
    return malformed("CNI_IFNAME", out.interface_name);
  }
  out.netns = VK8S_TRY(variable(environment, "CNI_NETNS", out.verb != Verb::kDel));
  // It is written to a record; whoever sweeps those has another working directory.
  if (!out.netns.empty() && (out.netns.front() != '/' || base::printable(out.netns) != out.netns)) {
    return malformed("CNI_NETNS", out.netns);
  }
  return {};
}

}  // namespace

std::string_view to_string(Verb verb) {
  return std::find_if(kVerbs.begin(), kVerbs.end(),
                      [&](const auto& each) { return each.second == verb; })
      ->first;
}

Result<Invocation> read_invocation(const Environment& environment) {
  Invocation out;
  out.verb = VK8S_TRY(parse_verb(VK8S_TRY(variable(environment, "CNI_COMMAND", true))));
  if (out.verb == Verb::kVersion) {
    return out;
  }
  if (out.verb != Verb::kGc && out.verb != Verb::kStatus) {
    VK8S_TRY(read_attachment(environment, out));
  }
  out.arguments = VK8S_TRY(variable(environment, "CNI_ARGS", false));
  out.plugin_path = VK8S_TRY(variable(environment, "CNI_PATH", true));
  return out;
}

Result<Pod> parse_pod(std::string_view arguments) {
  const auto value_of = [&](std::string_view wanted) {
    for (const std::string_view pair : base::split(arguments, ';')) {
      const std::size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == wanted) {
        return pair.substr(equals + 1);
      }
    }
    return std::string_view();
  };
  const auto malformed_argument = [](std::string_view key, std::string_view value) {
    return malformed(fmt::format("CNI_ARGS: {}", key), value);
  };
  Pod pod{.namespace_name = std::string(value_of("K8S_POD_NAMESPACE")),
          .name = std::string(value_of("K8S_POD_NAME")),
          .uid = std::string(value_of("K8S_POD_UID"))};
  if (!base::is_dns_label(pod.namespace_name)) {
    return malformed_argument("K8S_POD_NAMESPACE", pod.namespace_name);
  }
  if (!base::is_dns_subdomain(pod.name)) {
    return malformed_argument("K8S_POD_NAME", pod.name);
  }
  if (!pod.uid.empty() && !base::is_label_value(pod.uid)) {
    return malformed_argument("K8S_POD_UID", pod.uid);
  }
  return pod;
}

}  // namespace vk8s::cni
