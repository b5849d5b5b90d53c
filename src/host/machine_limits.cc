#include "host/machine_limits.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <charconv>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace vk8s::host {
namespace {

struct LimitState {
  std::map<std::string, std::string> originals;
  std::set<std::string> users;
};

Result<LimitState> load(const std::string& path) {
  LimitState state;
  if (!sys::exists(path)) {
    return state;
  }
  const std::string text = VK8S_TRY(sys::read_file(path, 64U << 10U));
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(text), "{}", path);
  if (const auto* originals = base::get_object(document, "originals")) {
    for (const auto& [key, value] : *originals) {
      state.originals[std::string(key)] = value.is_string() ? value.get_string().c_str() : "";
    }
  }
  if (const auto* users = base::get_array(document, "users")) {
    for (const Json& user : *users) {
      state.users.insert(user.is_string() ? user.get_string().c_str() : "");
    }
  }
  return state;
}

Status save(const std::string& path, const LimitState& state) {
  JsonObject originals;
  for (const auto& [key, value] : state.originals) {
    originals[key] = value;
  }
  JsonArray users;
  for (const std::string& user : state.users) {
    users.emplace_back(user);
  }
  const Json document =
      JsonObject{{"originals", std::move(originals)}, {"users", std::move(users)}};
  return sys::write_file(path, base::to_string(document), {.mode = 0600});
}

// Held while the state is read and written: several hosts may start at once.
Result<UniqueFd> lock(const std::string& path) {
  UniqueFd fd(::open((path + ".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd || ::flock(fd.get(), LOCK_EX) != 0) {
    return fail_errno(errno, "lock {}.lock", path);
  }
  return fd;
}

long long to_number(std::string_view text) {
  long long value = 0;
  const std::string_view digits = base::trim(text);
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

std::string file_of(const std::string& root, std::string key) {
  for (char& c : key) {
    c = c == '.' ? '/' : c;
  }
  return fmt::format("{}/{}", root, key);
}

}  // namespace

MachineLimits::MachineLimits(LimitFiles files) : files_(std::move(files)) {}

const std::map<std::string, long long>& MachineLimits::needed() {
  // A nested kubelet and its containers take some 60 inotify instances, each
  // container two session keys.
  static const std::map<std::string, long long> kNeeded = {
      {"fs.inotify.max_user_instances", 8192},
      {"fs.inotify.max_user_watches", 1048576},
      {"kernel.keys.maxkeys", 20000},
      {"kernel.keys.maxbytes", 2000000},
      {"kernel.pid_max", 262144},
  };
  return kNeeded;
}

Result<std::vector<std::string>> MachineLimits::raise(const std::string& user) {
  const UniqueFd held = VK8S_TRY(lock(files_.state_file));
  LimitState state = VK8S_TRY(load(files_.state_file));
  std::vector<std::string> not_raised;
  for (const auto& [key, least] : needed()) {
    const std::string file = file_of(files_.sysctl_root, key);
    const auto present = sys::read_file(file);
    if (!present) {
      not_raised.push_back(present.error().message());
      continue;
    }
    if (to_number(*present) >= least) {
      continue;
    }
    // Kept before it is changed, so that an interruption loses nothing.
    state.originals.emplace(key, base::trim(*present));
    state.users.insert(user);
    VK8S_TRY(save(files_.state_file, state));
    const Status written = sys::write_kernel_file(file, std::to_string(least));
    if (!written) {
      state.originals.erase(key);
      not_raised.push_back(written.error().message());
    }
  }
  state.users.insert(user);
  VK8S_TRY(save(files_.state_file, state));
  return not_raised;
}

Status MachineLimits::release(const std::string& user) {
  if (!sys::exists(files_.state_file)) {
    return {};
  }
  const UniqueFd held = VK8S_TRY(lock(files_.state_file));
  LimitState state = VK8S_TRY(load(files_.state_file));
  state.users.erase(user);
  if (!state.users.empty()) {
    return save(files_.state_file, state);
  }
  for (const auto& [key, original] : state.originals) {
    const std::string file = file_of(files_.sysctl_root, key);
    const auto present = sys::read_file(file);
    const auto least = needed().find(key);
    if (present && least != needed().end() && to_number(*present) == least->second) {
      VK8S_TRY(sys::write_kernel_file(file, original));
    }
  }
  VK8S_TRY(sys::remove_tree(files_.state_file));
  return sys::remove_tree(files_.state_file + ".lock");
}

}  // namespace vk8s::host
