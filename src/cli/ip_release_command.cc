#include "api/vk8s.h"
#include "base/text.h"
#include "cli/ip_verbs.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct IpReleaseFlags {
  ConnectionOptions connection;
  std::string address;
  bool force = false;
};

Status run_ip_release(Session& session, const IpReleaseFlags& flags) {
  const IpAddress address = VK8S_TRY(parse_address_argument(flags.address));
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const std::string name = api::allocation_name(address);
  const auto object = api.get(kube::resources::kIPAllocation, {"", name});
  if (!object && object.error().code() == Errc::kNotFound) {
    const Error explained = explain_missing_kind(object.error(), "IPAllocation");
    return explained.message() == object.error().message()
               ? fail(Errc::kNotFound, "nobody has {}: see 'kubectl vk8s ip list'",
                      address.to_string())
               : tl::unexpected<Error>(explained);
  }
  if (!object) {
    return tl::unexpected<Error>(object.error());
  }
  if (flags.force) {
    kube::DeleteOptions options;
    options.uid = base::get_string(*object, "metadata.uid").value_or("");
    VK8S_TRY(api.remove(kube::resources::kIPAllocation, {"", name}, options));
    session.note("It can be given to another pod now, even if one still has it.");
    session.print(fmt::format("ipallocation/{} deleted", name));
    return {};
  }
  const api::IpAllocation allocation = VK8S_TRY(api::parse_ip_allocation(*object));
  VK8S_TRY(refuse_if_wanted(api, allocation));
  if (!allocation.releasing) {
    VK8S_TRY(begin_release(api, allocation));
  }
  session.print(fmt::format("ipallocation/{} is given back: free once no pod has it", name));
  return {};
}

}  // namespace

void add_ip_release_command(CLI::App& ip, Session& session) {
  const auto flags = std::make_shared<IpReleaseFlags>();
  CLI::App* verb = add_verb(
      ip, {"release",
           "Give an address back: that of a pod, or a reservation",
           {"kubectl vk8s ip release 10.1.0.7", "kubectl vk8s ip release 10.1.0.7 --force"}});
  add_address_argument(*verb, flags->address);
  verb->add_flag("--force", flags->force,
                 "Delete the record at once, whoever has it: you know that no pod uses it");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_ip_release);
}

}  // namespace vk8s::cli
