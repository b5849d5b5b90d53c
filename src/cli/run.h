// kubectl-vk8s as a function.
#pragma once

#include <ostream>
#include <span>
#include <string>

namespace vk8s::cli {

// arguments: without the program's name. Returns the exit code.
int run(std::span<const std::string> arguments, std::ostream& out, std::ostream& err);

}  // namespace vk8s::cli
