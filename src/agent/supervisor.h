// Keeps a set of programs running: starts each as soon as what it needs is
// ready, restarts it when it ends, stops all in the opposite order.
//
//             command()            probe says yes
//   waiting ------------> starting ----------------> running
//      ^                     | end      | end
//      | all of `after`      v          v
//      +-- back-off over -- backoff <---+             stop(): stopped
//
// A component that is ready stays so for those that need it, even while it is
// restarted: upstream programs reconnect by themselves, so one crash is not
// made into many. One thread: the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/component_log.h"
#include "agent/process_runner.h"
#include "api/node_status.h"
#include "base/event_loop.h"
#include "base/log.h"

namespace vk8s::agent {

using api::ComponentState;
using api::ComponentStatus;

// Whether a started component does its work. Asks once and answers once,
// unless the returned value is dropped first. The supervisor asks again.
using Probe = std::function<std::shared_ptr<void>(std::function<void(bool ready)> answer)>;

struct ComponentSpec {
  std::string name;
  std::vector<std::string> after;  // components that must be (or have been) ready
  // What to run; asked anew at each start. An error counts as a failed start.
  // None: something outside this node that others wait for; its probe alone counts.
  std::function<Result<sys::SpawnOptions>()> command;
  Probe probe;  // none: ready once started
  std::chrono::milliseconds probe_interval{20};
  // Runs to success once ("import the pause image") instead of for ever; ready then.
  bool is_task = false;
  std::chrono::milliseconds stop_timeout = std::chrono::seconds(10);
  // On the way down, after its process has ended and before what it needs is
  // stopped: ends what it leaves behind, then calls done.
  std::function<void(std::function<void()> done)> after_stop;
};

struct RestartPolicy {
  std::chrono::milliseconds first_delay{200};
  std::chrono::milliseconds max_delay{10'000};
  // Having run this long, the next end counts as the first again.
  std::chrono::milliseconds reset_after{30'000};

  // The n-th end in a row (from 1) is followed by this pause.
  std::chrono::milliseconds delay_after(int failures) const;
};

class Supervisor {
 public:
  struct Options {
    std::string log_folder;
    RestartPolicy restart;
  };

  Supervisor(Timers& timers, ProcessRunner& runner, Log log, Options options);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Before start(). Every name in `after` is added first.
  Status add(ComponentSpec spec);
  // Called on each change of any component's state.
  void on_change(std::function<void(const ComponentStatus&)> callback);

  void start();
  // Stops each component after those that need it, with SIGTERM, and SIGKILL
  // after its stop_timeout; then calls back once. Restarts nothing any more.
  void stop(std::function<void()> stopped);

  bool is_ready(std::string_view name) const;
  bool all_ready() const;
  std::vector<ComponentStatus> status() const;
  // True if pid is one of the running components (else a zombie of a
  // grandchild, for PID 1 to reap).
  bool owns(int pid) const;

 private:
  struct Component;

  Component* find(std::string_view name);
  void set_state(Component& component, ComponentState state);
  void start_what_can();
  void launch(Component& component);
  void ask_probe(Component& component);
  void on_probe(Component& component, bool ready);
  void on_exit(Component& component, sys::ExitStatus exit);
  void back_off(Component& component);
  void stop_what_can();
  void on_stopped(Component& component);

  Timers& timers_;
  ProcessRunner& runner_;
  Log log_;
  Options options_;
  std::vector<std::unique_ptr<Component>> components_;
  std::function<void(const ComponentStatus&)> on_change_;
  std::function<void()> stopped_;
  bool stopping_ = false;
};

}  // namespace vk8s::agent
