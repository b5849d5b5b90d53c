#include "e2e/command.h"

#include "base/event_loop.h"
#include "base/text.h"
#include "sys/process.h"

namespace vk8s::e2e {
namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
// kubectl's own limit comes first, so that its message is seen.
constexpr auto kSlack = std::chrono::seconds(5);
constexpr auto kCalm = std::chrono::seconds(1);

}  // namespace

Result<std::string> run(const Command& command) {
  sys::SpawnOptions options{.argv = command.argv, .environment = sys::scrubbed_environment()};
  for (const auto& [name, value] : command.environment) {
    options.environment[name] = value;
  }
  return sys::check_command(std::move(options),
                            {.standard_input = command.standard_input, .timeout = command.timeout});
}

Kubectl::Kubectl(std::string program, std::string kubeconfig)
    : program_(std::move(program)), kubeconfig_(std::move(kubeconfig)) {}

Result<std::string> Kubectl::operator()(Arguments arguments, std::string standard_input,
                                        std::chrono::milliseconds timeout) const {
  arguments.insert(arguments.begin(), program_);
  return run({.argv = std::move(arguments),
              .environment = {{"KUBECONFIG", kubeconfig_}},
              .standard_input = std::move(standard_input),
              .timeout = timeout});
}

Result<Json> Kubectl::get(Arguments what) const {
  what.insert(what.begin(), "get");
  what.insert(what.end(), {"-o", "json"});
  return base::parse_json(VK8S_TRY((*this)(std::move(what))));
}

Status Kubectl::apply(std::string manifest) const {
  VK8S_TRY((*this)({"apply", "--server-side", "-f", "-"}, std::move(manifest)));
  return {};
}

Status Kubectl::wait(Arguments what, const std::string& condition,
                     std::chrono::seconds limit) const {
  what.insert(what.begin(), "wait");
  what.insert(what.end(), {"--for=" + condition, fmt::format("--timeout={}s", limit.count())});
  VK8S_TRY((*this)(std::move(what), {}, limit + kSlack));
  return {};
}

Status Kubectl::wait_for_output(const Arguments& arguments, std::string_view text,
                                std::chrono::seconds limit) const {
  return wait_until(
      [&] {
        const auto output = (*this)(arguments);
        return output ? Answer{output->find(text) != std::string::npos, *output}
                      : Answer{false, output.error().message()};
      },
      limit, text);
}

Status wait_until(const std::function<Answer()>& look, std::chrono::milliseconds limit,
                  std::string_view what) {
  EventLoop loop;
  Registration again;
  Answer last;
  const auto deadline = loop.now() + limit;
  std::function<void()> step = [&] {
    last = look();
    if (last.yes || loop.now() > deadline) {
      loop.stop();
    } else {
      again = loop.after(kInterval, step);
    }
  };
  again = loop.after(std::chrono::milliseconds(0), step);
  loop.run();
  if (!last.yes) {
    return fail(Errc::kTimeout, "{}: not within {} ms; last: {}", what, limit.count(),
                base::printable(last.words, 600));
  }
  return {};
}

Result<std::string> settled(const std::function<std::string()>& look,
                            std::chrono::milliseconds limit) {
  std::string last;
  auto since = std::chrono::steady_clock::now();
  VK8S_TRY(wait_until(
      [&] {
        const auto now = std::chrono::steady_clock::now();
        std::string words = look();
        if (words != last) {
          last = std::move(words);
          since = now;
        }
        return Answer{now - since >= kCalm, last};
      },
      limit, "nothing changes any more"));
  return last;
}

}  // namespace vk8s::e2e
