#include "cni/ipam_plugin.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "api/ip_allocation.h"
#include "base/text.h"
#include "cni/delegate.h"
#include "cni/record_store.h"

namespace vk8s::cni {
namespace {

Result<std::string> read_all(int fd) {
  std::string out;
  std::array<char, 16384> buffer{};
  for (;;) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got == 0) {
      return out;
    }
    if (got < 0 && errno != EINTR) {
      return fail_errno(errno, "read the network configuration from standard input");
    }
    out.append(buffer.data(), static_cast<std::size_t>(got < 0 ? 0 : got));
    if (out.size() > kMaxConfigBytes) {
      return fail(Errc::kTooLarge, "the network configuration is larger than {} bytes",
                  kMaxConfigBytes);
    }
  }
}

// The oldest version of the specification that has the verb.
std::string_view first_version_of(Verb verb) {
  return verb == Verb::kGc || verb == Verb::kStatus ? "1.1.0" : kVersions.front();
}

Attachment attachment_of(const Invocation& invocation) {
  return {invocation.container_id, invocation.interface_name};
}

// Of a text that may be no configuration at all.
std::string version_in(std::string_view text) {
  const auto document = base::parse_json(text, kMaxConfigBytes);
  return std::string(document ? base::get_string(*document, "cniVersion").value_or("")
                              : std::string_view());
}

Result<IpAddress> wanted_address(const NetworkConfig& config) {
  return VK8S_TRY_CONTEXT(IpAddress::parse(*config.wanted_address), "annotation {}",
                          api::kIpAnnotation);
}

Outcome failed(std::string_view version, ErrorCode code, std::string_view message) {
  return {.exit_code = 1, .standard_output = error_result(version, code, message)};
}

}  // namespace

IpamPlugin::IpamPlugin(Ask ask, Become become) : ask_(std::move(ask)), become_(std::move(become)) {}

IpamPlugin::Failure IpamPlugin::failure_of(const Error& error) {
  return {.code = error_code(error), .message = error.message()};
}

Outcome IpamPlugin::run(const Environment& environment, int standard_input) const {
  // By hand, without a runtime.
  if (environment("CNI_COMMAND").empty()) {
    return {.standard_error =
                fmt::format("{}: a CNI plugin for IP address management, of versions {} of the "
                            "specification: runtimes execute it\n",
                            kPluginName, fmt::join(kVersions, ", "))};
  }
  const auto invocation = read_invocation(environment);
  if (!invocation) {
    return failed("", ErrorCode::kInvalidEnvironment, invocation.error().message());
  }
  const auto text = read_all(standard_input);
  if (!text) {
    return failed("", ErrorCode::kIo, text.error().message());
  }
  if (invocation->verb == Verb::kVersion) {
    return {.standard_output = version_result(version_in(*text))};
  }
  const auto config = parse_network_config(*text);
  if (!config) {
    const bool readable = base::parse_json(*text, kMaxConfigBytes).has_value();
    return failed(version_in(*text), readable ? error_code(config.error()) : ErrorCode::kDecoding,
                  config.error().message());
  }
  const Answer answer = serve(*invocation, *config);
  return answer ? Outcome{.standard_output = *answer}
                : failed(config->version, answer.error().code, answer.error().message);
}

IpamPlugin::Answer IpamPlugin::serve(const Invocation& invocation,
                                     const NetworkConfig& config) const {
  static_assert(std::is_sorted(kVersions.begin(), kVersions.end()), "versions compare as texts");
  const std::string_view first = first_version_of(invocation.verb);
  if (config.version < first) {
    return tl::unexpected(Failure{ErrorCode::kIncompatibleVersion,
                                  fmt::format("cniVersion {} has no {}: it is of {} and later",
                                              config.version, to_string(invocation.verb), first)});
  }
  switch (invocation.verb) {
    case Verb::kAdd:
      return add(invocation, config);
    case Verb::kDel:
      return remove(invocation, config);
    case Verb::kCheck:
      return check(invocation, config);
    case Verb::kGc:
      return collect(invocation, config);
    default:
      break;
  }
  // STATUS. Whether the node's agent serves is no part of it: a node that is not Ready
  // for that could not run what serves (vk8s-ip-node is a pod without an address of its own).
  return delegate(invocation, config);
}

IpamPlugin::Answer IpamPlugin::add(const Invocation& invocation,
                                   const NetworkConfig& config) const {
  // Any other address than the one that the pod may ask for would be a silent mistake.
  if (!config.has_annotations) {
    return tl::unexpected(
        Failure{ErrorCode::kInvalidConfig,
                fmt::format("runtimeConfig has no {0}: declare \"capabilities\": {{\"{0}\": true}} "
                            "on the plugin in front of {1}",
                            kAnnotationsCapability, kPluginName)});
  }
  if (!config.wanted_address) {
    return delegate(invocation, config);
  }
  const auto pod = parse_pod(invocation.arguments);
  if (!pod) {
    return tl::unexpected(Failure{ErrorCode::kInvalidEnvironment, pod.error().message()});
  }
  const auto result = add_wanted(invocation, *pod, config);
  return result ? Answer(*result) : tl::unexpected(failure_of(result.error()));
}

Result<std::string> IpamPlugin::add_wanted(const Invocation& invocation, const Pod& pod,
                                           const NetworkConfig& config) const {
  Record record;
  record.address = VK8S_TRY(wanted_address(config));
  record.attachment = attachment_of(invocation);
  record.network = config.name;
  record.pod = pod;
  record.netns = invocation.netns;
  const Placement placement =
      VK8S_TRY(place(record.address, VK8S_TRY(parse_ranges(config)), config.is_gateway_bridge));
  JsonArray routes = VK8S_TRY(routes_for(record.address, config));
  record.netns_inode = VK8S_TRY_CONTEXT(netns_inode(record.netns), "CNI_NETNS");
  const ClaimAnswer answer =
      VK8S_TRY(ask_(config.socket, {.address = record.address, .pod = record.pod}));
  if (!answer.granted) {
    return fail(Errc::kForbidden, "pod {} may not have address {} now: {}", record.pod.to_string(),
                record.address.to_string(), answer.reason);
  }
  VK8S_TRY(RecordStore(config.store).add(record));
  return to_string({.address = record.address,
                    .prefix_length = placement.prefix_length,
                    .gateway = placement.gateway,
                    .routes = std::move(routes)},
                   config.version);
}

// Both, whatever the pod's annotation says now: what is not there is no error.
IpamPlugin::Answer IpamPlugin::remove(const Invocation& invocation,
                                      const NetworkConfig& config) const {
  const auto removed = RecordStore(config.store).remove(attachment_of(invocation));
  return removed ? delegate(invocation, config) : tl::unexpected(failure_of(removed.error()));
}

IpamPlugin::Answer IpamPlugin::check(const Invocation& invocation,
                                     const NetworkConfig& config) const {
  const auto checked = [&]() -> Result<bool> {
    const auto record = VK8S_TRY(RecordStore(config.store).find(attachment_of(invocation)));
    if (!record && !config.wanted_address) {
      return false;
    }
    if (!record) {
      return fail(Errc::kNotFound, "no record says that container {} has address {}",
                  invocation.container_id, base::printable(*config.wanted_address, 64));
    }
    if (config.wanted_address && VK8S_TRY(wanted_address(config)) != record->address) {
      return fail(Errc::kConflict, "container {} has address {}, its annotation says {}",
                  invocation.container_id, record->address.to_string(), *config.wanted_address);
    }
    const auto previous = VK8S_TRY(previous_addresses(config));
    if (std::find(previous.begin(), previous.end(), record->address) == previous.end()) {
      return fail(Errc::kConflict, "container {} has address {}, which is not in prevResult",
                  invocation.container_id, record->address.to_string());
    }
    return true;
  }();
  if (!checked) {
    return tl::unexpected(failure_of(checked.error()));
  }
  return *checked ? Answer() : delegate(invocation, config);
}

IpamPlugin::Answer IpamPlugin::collect(const Invocation& invocation,
                                       const NetworkConfig& config) const {
  const auto collected = [&]() -> Status {
    VK8S_TRY(RecordStore(config.store).keep_only(config.name, VK8S_TRY(valid_attachments(config))));
    return {};
  }();
  return collected ? delegate(invocation, config) : tl::unexpected(failure_of(collected.error()));
}

IpamPlugin::Answer IpamPlugin::delegate(const Invocation& invocation,
                                        const NetworkConfig& config) const {
  const auto program = find_plugin(config.delegate, invocation.plugin_path);
  if (!program) {
    return tl::unexpected(Failure{ErrorCode::kNotAvailable, program.error().message()});
  }
  return tl::unexpected(failure_of(become_(*program, config_for_delegate(config))));
}

}  // namespace vk8s::cni
