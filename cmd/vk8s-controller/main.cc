// vk8s-controller: the operator of virtual Kubernetes clusters.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "controller/addon_command.h"
#include "controller/generate_command.h"
#include "controller/program_flags.h"

namespace {

template <class T>
int complain(const vk8s::Result<T>& result) {
  std::fprintf(stderr, "%s\n", result.error().message().c_str());
  return 2;
}

int print(const vk8s::Result<std::string>& text) {
  if (!text) {
    return complain(text);
  }
  return std::fwrite(text->data(), 1, text->size(), stdout) == text->size() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  using vk8s::base::LogLevel;
  vk8s::controller::ProgramFlags flags;
  LogLevel level = LogLevel::kInfo;
  std::string what;
  std::string folder;
  std::string set;

  CLI::App app{"Makes of each Vk8s resource a virtual Kubernetes cluster.", "vk8s-controller"};
  vk8s::controller::add_flags(app, flags);
  app.add_option("--log-level", level, "debug, info, warning or error")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, LogLevel>{{"debug", LogLevel::kDebug},
                                                                  {"info", LogLevel::kInfo},
                                                                  {"warning", LogLevel::kWarning},
                                                                  {"error", LogLevel::kError}}));
  CLI::App* generator =
      app.add_subcommand("generate", "print a manifest, or write config/ and charts/");
  generator->add_option("what", what,
                        "crd, rbac, manager, ip-manager, chart, api or openapi; nothing: all");
  generator->add_option("--into", folder, "write the files below this folder, the repository");
  CLI::App* images = app.add_subcommand("addon-images", "list the images of a manifest set");
  images->add_option("set", set, "its folder, or a file: .yaml, .yaml.gz, .tar, .tar.gz")
      ->required();
  CLI11_PARSE(app, argc, argv);

  if (generator->parsed()) {
    return print(vk8s::controller::generate_to(folder, what));
  }
  if (images->parsed()) {
    return print(vk8s::controller::list_addon_images(set));
  }
  const auto options = vk8s::controller::check_flags(std::move(flags));
  return options ? run(*options, vk8s::Log::to_stderr("controller", level)) : complain(options);
}
