#include <iostream>
#include <string>
#include <vector>

#include "cli/run.h"
#include "cli/surroundings.h"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto surroundings = vk8s::cli::Surroundings::of_process();
  return vk8s::cli::run(arguments, *surroundings, std::cout, std::cerr);
}
