#include "api/vk8s.h"
#include "cli/commands.h"
#include "cli/host_api.h"
#include "cli/verb.h"

namespace vk8s::cli {
namespace {

struct PauseFlags {
  ConnectionOptions connection;
  std::string name;
  bool force = false;
};

bool is_ephemeral(const Json& object) {
  const auto parsed = api::parse_vk8s(object);
  return parsed && parsed->master().storage.ephemeral;
}

Status run_pause(Session& session, const PauseFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  const Json object = VK8S_TRY(api.get_cluster(flags.name));
  JsonObject patch = {{"spec", {{"paused", true}}}};
  if (is_ephemeral(object)) {
    if (!flags.force) {
      return fail(Errc::kInvalidArgument,
                  "cluster \"{}\" has no volume for its master: pausing loses its state. Say "
                  "--force if that may be",
                  flags.name);
    }
    patch["metadata"] =
        JsonObject{{"annotations", JsonObject{{api::kForcePauseAnnotation, "true"}}}};
  }
  VK8S_TRY(api.merge_patch(kube::resources::kVk8s, api.key_of(flags.name), patch));
  session.print(fmt::format("vk8s/{} is being paused", flags.name));
  return {};
}

Status run_resume(Session& session, const PauseFlags& flags) {
  HostApi api = VK8S_TRY(HostApi::connect(session.surroundings(), flags.connection));
  VK8S_TRY(api.get_cluster(flags.name));
  const Json patch = {
      {"spec", {{"paused", false}}},
      {"metadata", JsonObject{{"annotations", JsonObject{{api::kStoppedAnnotation, nullptr}}}}}};
  VK8S_TRY(api.merge_patch(kube::resources::kVk8s, api.key_of(flags.name), patch));
  session.print(fmt::format("vk8s/{} is being resumed", flags.name));
  return {};
}

}  // namespace

void add_pause_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<PauseFlags>();
  CLI::App* verb = add_verb(
      root,
      {"pause", "Stop a cluster's nodes and keep its volumes", {"kubectl vk8s pause team-a"}});
  add_cluster_argument(*verb, flags->name);
  verb->add_flag("--force", flags->force, "Even if its state is lost, having no volume");
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_pause);
}

void add_resume_command(CLI::App& root, Session& session) {
  const auto flags = std::make_shared<PauseFlags>();
  CLI::App* verb = add_verb(root, {"resume",
                                   "Start a paused cluster again",
                                   {"kubectl vk8s resume team-a && kubectl vk8s watch team-a"}});
  add_cluster_argument(*verb, flags->name);
  add_connection_options(*verb, flags->connection);
  set_action(*verb, session, flags, run_resume);
}

}  // namespace vk8s::cli
