#include "cli/surroundings.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <iostream>

#include "cli/foreground.h"

extern char** environ;

namespace vk8s::cli {
namespace {

sys::Environment environment_of_process() {
  sys::Environment out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text(*entry);
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) {
      out.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return out;
}

std::optional<TerminalSize> size_of_output() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) {
    return std::nullopt;
  }
  TerminalSize out;
  out.columns = size.ws_col > 0 ? size.ws_col : out.columns;
  out.rows = size.ws_row > 0 ? size.ws_row : out.rows;
  return out;
}

}  // namespace

std::string Surroundings::variable(const std::string& name) const {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}

std::unique_ptr<Surroundings> Surroundings::of_process() {
  auto out = std::make_unique<Surroundings>();
  out->variables = environment_of_process();
  out->input = &std::cin;
  out->input_is_terminal = ::isatty(STDIN_FILENO) != 0;
  if (out->variable("TERM") != "dumb") {
    out->output_size = size_of_output;
  }
  EventLoop& loop = out->loop;
  out->connect = [&loop](kube::ClientConfig config) -> Result<std::shared_ptr<kube::Client>> {
    return std::shared_ptr<kube::Client>(
        VK8S_TRY(kube::Client::create(loop, std::move(config), Log::silent())));
  };
  out->run_program = [&loop](const ForegroundCommand& command) {
    return run_in_foreground(loop, command);
  };
  return out;
}

}  // namespace vk8s::cli
