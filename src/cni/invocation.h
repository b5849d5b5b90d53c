// What a runtime or the plugin in front tells an IPAM plugin in its environment.
// Source: CNI specification 1.1.0, section 2, "Parameters". Pure; bytes of others.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::cni {

enum class Verb { kAdd, kDel, kCheck, kGc, kStatus, kVersion };

std::string_view to_string(Verb verb);  // "ADD", ...

// The pod that an attachment is for, as Kubernetes' runtimes name it in CNI_ARGS.
struct Pod {
  std::string namespace_name;
  std::string name;
  std::string uid;  // "" where the runtime does not say

  bool operator==(const Pod&) const = default;
  std::string to_string() const { return namespace_name + "/" + name; }
};

struct Invocation {
  Verb verb = Verb::kVersion;
  std::string container_id;    // of ADD, DEL and CHECK
  std::string interface_name;  // likewise
  std::string netns;           // a path; of ADD and CHECK, and of DEL where it is known
  std::string arguments;       // CNI_ARGS as it came
  std::string plugin_path;     // CNI_PATH
};

// The value of a variable; "" where there is none.
using Environment = std::function<std::string(const char* name)>;

inline constexpr std::size_t kMaxVariableBytes = 8192;

// What the verb requires is there and well formed; kInvalidArgument names the variable.
Result<Invocation> read_invocation(const Environment& environment);

// K8S_POD_NAMESPACE, K8S_POD_NAME and K8S_POD_UID; kInvalidArgument names what is
// missing or malformed.
Result<Pod> parse_pod(std::string_view arguments);

}  // namespace vk8s::cni
