#include "agent/supervisor.h"

#include <algorithm>
#include <csignal>

namespace vk8s::agent {

struct Supervisor::Component {
  Component(ComponentSpec s, const Options& options)
      : spec(std::move(s)), output(options.log_folder, spec.name) {}

  ComponentSpec spec;
  ComponentLog output;
  ComponentState state = ComponentState::kWaiting;
  bool has_been_ready = false;
  bool is_stopping = false;  // SIGTERM has been sent
  int failures = 0;          // ends in a row
  int restarts = 0;
  std::string last_exit;
  Timers::TimePoint started_at;
  std::unique_ptr<RunningProcess> process;
  std::shared_ptr<void> pending_probe;
  Registration timer;  // back-off, next probe or stop deadline

  ComponentStatus status() const {
    return {.name = spec.name,
            .state = state,
            .pid = process ? process->pid() : 0,
            .restarts = restarts,
            .last_exit = last_exit,
            .last_lines = failures > 0 ? output.last_lines() : std::vector<std::string>()};
  }
};

std::chrono::milliseconds RestartPolicy::delay_after(int failures) const {
  auto delay = first_delay;
  for (int i = 1; i < failures && delay < max_delay; ++i) {
    delay *= 2;
  }
  return std::min(delay, max_delay);
}

Supervisor::Supervisor(Timers& timers, ProcessRunner& runner, Log log, Options options)
    : timers_(timers), runner_(runner), log_(std::move(log)), options_(std::move(options)) {}

Supervisor::~Supervisor() = default;

Supervisor::Component* Supervisor::find(std::string_view name) {
  const auto found = std::find_if(components_.begin(), components_.end(),
                                  [&](const auto& c) { return c->spec.name == name; });
  return found == components_.end() ? nullptr : found->get();
}

Status Supervisor::add(ComponentSpec spec) {
  if (find(spec.name) != nullptr) {
    return fail(Errc::kAlreadyExists, "component {} is there already", spec.name);
  }
  for (const std::string& needed : spec.after) {
    if (find(needed) == nullptr) {
      return fail(Errc::kInvalidArgument, "component {} needs {}, which is not there", spec.name,
                  needed);
    }
  }
  components_.push_back(std::make_unique<Component>(std::move(spec), options_));
  return {};
}

void Supervisor::on_change(std::function<void(const ComponentStatus&)> callback) {
  on_change_ = std::move(callback);
}

void Supervisor::start() { start_what_can(); }

void Supervisor::set_state(Component& component, ComponentState state) {
  if (component.state == state) {
    return;
  }
  component.state = state;
  if (on_change_) {
    on_change_(component.status());
  }
}

void Supervisor::start_what_can() {
  for (const auto& component : components_) {
    if (stopping_ || component->state != ComponentState::kWaiting) {
      continue;
    }
    const auto& after = component->spec.after;
    const bool can_start = std::all_of(after.begin(), after.end(), [&](const std::string& name) {
      return find(name)->has_been_ready;
    });
    if (can_start) {
      launch(*component);
    }
  }
}

void Supervisor::launch(Component& component) {
  component.started_at = timers_.now();
  if (!component.spec.command) {
    set_state(component, ComponentState::kStarting);
    ask_probe(component);
    return;
  }
  auto command = component.spec.command();
  auto process =
      command
          ? runner_.start(std::move(*command),
                          {.on_output = [&component](auto b) { component.output.write(b); },
                           .on_exit = [this, &component](auto exit) { on_exit(component, exit); }})
          : tl::unexpected<Error>(std::move(command).error());
  if (!process) {
    component.last_exit = process.error().message();
    log_.error("component did not start",
               {{"component", component.spec.name}, {"error", component.last_exit}});
    back_off(component);
    return;
  }
  component.process = std::move(*process);
  log_.info("component started",
            {{"component", component.spec.name}, {"pid", component.process->pid()}});
  set_state(component, ComponentState::kStarting);
  if (component.spec.is_task) {
    return;  // its end decides
  }
  if (component.spec.probe) {
    ask_probe(component);
  } else {
    on_probe(component, true);
  }
}

void Supervisor::ask_probe(Component& component) {
  component.pending_probe =
      component.spec.probe([this, &component](bool ready) { on_probe(component, ready); });
}

void Supervisor::on_probe(Component& component, bool ready) {
  if (component.state != ComponentState::kStarting) {
    return;
  }
  if (!ready) {
    component.timer =
        timers_.after(component.spec.probe_interval, [this, &component] { ask_probe(component); });
    return;
  }
  log_.info("component ready",
            {{"component", component.spec.name},
             {"milliseconds", std::chrono::duration_cast<std::chrono::milliseconds>(
                                  timers_.now() - component.started_at)
                                  .count()}});
  component.has_been_ready = true;
  set_state(component, ComponentState::kRunning);
  start_what_can();
}

void Supervisor::on_exit(Component& component, sys::ExitStatus exit) {
  component.process.reset();
  component.pending_probe.reset();
  component.timer.cancel();
  component.last_exit = exit.to_string();
  if (stopping_) {
    on_stopped(component);
    return;
  }
  if (component.spec.is_task && exit.success()) {
    component.has_been_ready = true;
    set_state(component, ComponentState::kRunning);
    start_what_can();
    return;
  }
  const auto lines = component.output.last_lines();
  log_.warning("component ended", {{"component", component.spec.name},
                                   {"exit", component.last_exit},
                                   {"last_line", lines.empty() ? "" : lines.back()}});
  back_off(component);
}

void Supervisor::back_off(Component& component) {
  if (timers_.now() - component.started_at >= options_.restart.reset_after) {
    component.failures = 0;
  }
  ++component.failures;
  ++component.restarts;
  component.timer =
      timers_.after(options_.restart.delay_after(component.failures), [this, &component] {
        set_state(component, ComponentState::kWaiting);
        start_what_can();
      });
  set_state(component, ComponentState::kBackoff);
}

void Supervisor::stop(std::function<void()> stopped) {
  stopped_ = std::move(stopped);
  stopping_ = true;
  for (const auto& component : components_) {
    component->timer.cancel();
    component->pending_probe.reset();
  }
  stop_what_can();
}

void Supervisor::on_stopped(Component& component) {
  const auto done = [this, &component] {
    set_state(component, ComponentState::kStopped);
    stop_what_can();
  };
  if (component.spec.after_stop) {
    component.spec.after_stop(done);
  } else {
    done();
  }
}

void Supervisor::stop_what_can() {
  const auto is_needed = [&](const Component& component) {
    return std::any_of(components_.begin(), components_.end(), [&](const auto& other) {
      const auto& after = other->spec.after;
      return other->state != ComponentState::kStopped &&
             std::find(after.begin(), after.end(), component.spec.name) != after.end();
    });
  };
  bool all_stopped = true;
  for (const auto& component : components_) {
    if (component->state == ComponentState::kStopped) {
      continue;
    }
    all_stopped = false;
    if (component->is_stopping || is_needed(*component)) {
      continue;
    }
    component->is_stopping = true;
    if (!component->process) {
      on_stopped(*component);
      continue;
    }
    component->process->signal(SIGTERM);
    component->timer = timers_.after(component->spec.stop_timeout, [this, c = component.get()] {
      log_.warning("component did not stop in time: killed", {{"component", c->spec.name}});
      c->process->signal(SIGKILL);
    });
  }
  if (all_stopped && stopped_) {
    const auto stopped = std::move(stopped_);
    stopped_ = nullptr;
    stopped();
  }
}

bool Supervisor::is_ready(std::string_view name) const {
  return std::any_of(components_.begin(), components_.end(), [&](const auto& c) {
    return c->spec.name == name && c->state == ComponentState::kRunning;
  });
}

bool Supervisor::all_ready() const {
  return std::all_of(components_.begin(), components_.end(),
                     [](const auto& c) { return c->state == ComponentState::kRunning; });
}

std::vector<ComponentStatus> Supervisor::status() const {
  std::vector<ComponentStatus> all;
  for (const auto& component : components_) {
    all.push_back(component->status());
  }
  return all;
}

bool Supervisor::owns(int pid) const {
  return std::any_of(components_.begin(), components_.end(),
                     [&](const auto& c) { return c->process && c->process->pid() == pid; });
}

}  // namespace vk8s::agent
