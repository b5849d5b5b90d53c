// The flags of vk8s-ip-manager.
#pragma once

#include <string>

#include "base/error.h"
#include "ipmanager/program.h"

namespace CLI {
class App;
}

namespace vk8s::ipmanager {

// As they stand on the command line, before they are checked.
struct ProgramFlags {
  ProgramOptions options;
  std::string address = "0.0.0.0:5002";
};

// flags outlives app.
void add_flags(CLI::App& app, ProgramFlags& flags);

// kInvalidArgument, naming flag and value, where one makes no sense.
Result<ProgramOptions> check_flags(ProgramFlags flags);

}  // namespace vk8s::ipmanager
