// vk8s-ip-manager: addresses that pods keep, over REST.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "ipmanager/program_flags.h"

int main(int argc, char** argv) {
  using vk8s::base::LogLevel;
  vk8s::ipmanager::ProgramFlags flags;
  LogLevel level = LogLevel::kInfo;

  CLI::App app{"Gives addresses of the VNodeIPPools to pods, and takes them back.",
               "vk8s-ip-manager"};
  vk8s::ipmanager::add_flags(app, flags);
  app.add_option("--log-level", level, "debug, info, warning or error")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, LogLevel>{{"debug", LogLevel::kDebug},
                                                                  {"info", LogLevel::kInfo},
                                                                  {"warning", LogLevel::kWarning},
                                                                  {"error", LogLevel::kError}}));
  CLI11_PARSE(app, argc, argv);

  const auto options = vk8s::ipmanager::check_flags(std::move(flags));
  if (!options) {
    std::fprintf(stderr, "%s\n", options.error().message().c_str());
    return 2;
  }
  return run(*options, vk8s::Log::to_stderr("ip-manager", level));
}
