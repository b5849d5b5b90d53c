// What the verbs meet outside of this program: the environment, the terminal, API
// servers, other programs. A test gives its own; of_process() is the real one.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/wall_time.h"
#include "kube/client.h"
#include "sys/process.h"

namespace vk8s::cli {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

// A program that has the terminal until it ends.
struct ForegroundCommand {
  std::vector<std::string> argv;  // argv[0] is looked up in PATH
  sys::Environment environment;   // exactly this
  // Each line of its standard output, made safe to show; empty: the terminal's.
  std::function<void(std::string_view line)> on_line;
};

// One thread: that of the verb. Verbs run the loop while they wait.
struct Surroundings {
  EventLoop loop;
  sys::Environment variables;     // HOME, KUBECONFIG, PATH, ...
  std::istream* input = nullptr;  // none: nothing can be asked
  bool input_is_terminal = false;
  // Of the terminal that standard output is; nothing if it is none, or cannot be drawn on.
  std::function<std::optional<TerminalSize>()> output_size = [] {
    return std::optional<TerminalSize>();
  };
  std::function<base::WallTime()> now = [] { return std::chrono::system_clock::now(); };
  // A client on `loop`.
  std::function<Result<std::shared_ptr<kube::Client>>(kube::ClientConfig)> connect;
  // Signals of the terminal reach the program only; SIGTERM and SIGHUP are passed on.
  std::function<Result<sys::ExitStatus>(const ForegroundCommand&)> run_program;
  std::string sysctl_root = "/proc/sys";

  // "" where there is none.
  std::string variable(const std::string& name) const;

  static std::unique_ptr<Surroundings> of_process();
};

}  // namespace vk8s::cli
