#include "step_times.h"

#include "base/text.h"

namespace vk8s::bench {
namespace {

// "etcd" of "... component ready component=etcd milliseconds=120".
std::string_view field(std::string_view line, std::string_view name) {
  const std::size_t at = line.find(name);
  if (at == std::string_view::npos) {
    return {};
  }
  line.remove_prefix(at + name.size());
  return line.substr(0, line.find(' '));
}

}  // namespace

std::map<std::string, double> step_times(std::string_view log, base::WallTime begin) {
  std::map<std::string, double> out;
  for (const std::string_view line : base::split(log, '\n')) {
    const auto time = base::parse_time(line.substr(0, line.find(' ')));
    if (!time) {
      continue;
    }
    const double seconds = std::chrono::duration<double>(*time - begin).count();
    out.try_emplace("agent_started", seconds);
    if (line.find(": node prepared ") != std::string_view::npos) {
      out.try_emplace("node_prepared", seconds);
    } else if (line.find(": component ready ") != std::string_view::npos) {
      out.try_emplace(std::string(field(line, " component=")) + "_ready", seconds);
    }
  }
  return out;
}

}  // namespace vk8s::bench
