#include "cni/testing/runtime.h"

#include <fmt/format.h>
#include <unistd.h>

#include "cni/delegate.h"
#include "sys/process.h"

namespace vk8s::cni::testing {
namespace {

std::string text_at(const Json& value, std::string_view path) {
  return std::string(base::get_string(value, path).value_or(""));
}

}  // namespace

Result<Container> Container::create(const std::string& id, Pod pod) {
  const std::string name = fmt::format("vk8s-t-{}-{}", ::getpid(), id);
  return Container(name, std::move(pod), VK8S_TRY(sys::NetNs::create(name)));
}

Container::~Container() {
  if (space_) {
    die();
  }
}

void Container::die() {
  space_.reset();
  [[maybe_unused]] const Status removed = sys::NetNs::remove(id_);
}

int Answer::code() const { return static_cast<int>(base::get_int(output, "code").value_or(0)); }
std::string Answer::message() const { return text_at(output, "msg"); }
std::string Answer::address() const { return text_at(output, "ips.0.address"); }

Answer Runtime::call(Verb verb, const Container& container, const Json& config) const {
  return execute(text_at(config, "type"), config,
                 {{"CNI_COMMAND", std::string(to_string(verb))},
                  {"CNI_CONTAINERID", container.id()},
                  {"CNI_IFNAME", "eth0"},
                  {"CNI_NETNS", container.netns()},
                  {"CNI_ARGS", fmt::format("IgnoreUnknown=1;K8S_POD_NAMESPACE={};K8S_POD_NAME={};"
                                           "K8S_POD_UID={};K8S_POD_INFRA_CONTAINER_ID={}",
                                           container.pod().namespace_name, container.pod().name,
                                           container.pod().uid, container.id())}});
}

Answer Runtime::call(Verb verb, const std::string& plugin, const Json& config) const {
  return execute(plugin, config, {{"CNI_COMMAND", std::string(to_string(verb))}});
}

Answer Runtime::execute(const std::string& plugin, const Json& config,
                        std::map<std::string, std::string> environment) const {
  Answer answer{.exit_code = -1};
  environment["CNI_PATH"] = plugin_path_;
  environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  const Status executed = node_.run([&]() -> Status {
    const std::string program = VK8S_TRY(find_plugin(plugin, plugin_path_));
    const auto done = VK8S_TRY(sys::run_command({.argv = {program}, .environment = environment},
                                                {.standard_input = base::to_string(config)}));
    answer.exit_code = done.status.success() ? 0 : 1;
    answer.words = done.standard_error;
    if (!done.standard_output.empty()) {
      answer.output = VK8S_TRY(base::parse_json(done.standard_output));
    }
    return {};
  });
  if (!executed) {
    answer.exit_code = -1;
    answer.words = executed.error().message();
  }
  return answer;
}

}  // namespace vk8s::cni::testing
