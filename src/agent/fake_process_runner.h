// Processes that do only what a test says.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/process_runner.h"

namespace vk8s::agent {

class FakeProcessRunner final : public ProcessRunner {
 public:
  Result<std::unique_ptr<RunningProcess>> start(sys::SpawnOptions options,
                                                ProcessCallbacks callbacks) override {
    const std::string name = options.argv.at(0);
    started.push_back(name);
    if (failing.contains(name)) {
      return fail(Errc::kNotFound, "spawn {}: no such file", name);
    }
    auto process = std::make_unique<Process>(*this, name, ++last_pid_, std::move(callbacks));
    running_[name] = process.get();
    return process;
  }

  bool is_running(const std::string& name) const { return running_.contains(name); }
  void print(const std::string& name, std::string_view text) {
    running_.at(name)->callbacks.on_output(text);
  }
  void end(const std::string& name, sys::ExitStatus status) {
    const auto callbacks = running_.at(name)->callbacks;
    callbacks.on_exit(status);
  }

  std::vector<std::string> started;                  // names, in order
  std::vector<std::pair<std::string, int>> signals;  // what was sent to whom
  std::map<std::string, bool> failing;               // programs that cannot be executed

 private:
  struct Process final : RunningProcess {
    Process(FakeProcessRunner& r, std::string n, int p, ProcessCallbacks c)
        : runner(r), name(std::move(n)), number(p), callbacks(std::move(c)) {}
    ~Process() override { runner.running_.erase(name); }
    int pid() const override { return number; }
    void signal(int sent) override { runner.signals.emplace_back(name, sent); }
    FakeProcessRunner& runner;
    std::string name;
    int number;
    ProcessCallbacks callbacks;
  };

  std::map<std::string, Process*> running_;
  int last_pid_ = 100;
};

}  // namespace vk8s::agent
