// The flags of vk8s-controller, which its configuration file (--config, TOML)
// may hold as well: `vnode-image = ["1.37=registry.example/vk8s/vnode@sha256:..."]`.
#pragma once

#include "base/error.h"
#include "controller/program.h"

namespace CLI {
class App;
}

namespace vk8s::controller {

// As they stand on the command line, before they are checked.
struct ProgramFlags {
  ProgramOptions options;
  std::vector<std::string> vnode_images;  // "1.37=reference"
  std::vector<std::string> addons;        // "training=reference"
  std::string registry_ca_file;
  std::string static_ip_method = "auto";
};

// Adds the flags of the running program; flags outlives app.
void add_flags(CLI::App& app, ProgramFlags& flags);

// kInvalidArgument, naming flag and value, where one makes no sense.
Result<ProgramOptions> check_flags(ProgramFlags flags);

}  // namespace vk8s::controller
