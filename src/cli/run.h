// kubectl-vk8s as a function.
#pragma once

#include <ostream>
#include <span>
#include <string>

#include "cli/surroundings.h"

namespace vk8s::cli {

// arguments: without the program's name. Returns the exit code. Blocking, on one
// thread.
int run(std::span<const std::string> arguments, Surroundings& surroundings, std::ostream& out,
        std::ostream& err);

}  // namespace vk8s::cli
