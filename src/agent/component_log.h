// The log of one component: a file that rotates by size, and its last lines.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vk8s::agent {

// Writes <folder>/<name>.log; beyond max_bytes it becomes <name>.log.1 (the one
// before is lost). A full disk loses log lines, never the component.
class ComponentLog {
 public:
  static constexpr std::size_t kKeptLines = 20;
  static constexpr std::size_t kMaxLineBytes = 1024;

  ComponentLog(std::string folder, std::string name, std::size_t max_bytes = 8U << 20U);

  // Bytes as the component wrote them; lines may be split between calls.
  void write(std::string_view bytes);
  // The last whole lines, oldest first, without control characters.
  std::vector<std::string> last_lines() const;
  void forget_lines() { lines_.clear(); }

 private:
  void open_file();
  void rotate();
  void remember(std::string_view bytes);

  std::string path_;
  std::size_t max_bytes_;
  std::size_t written_ = 0;
  UniqueFd file_;
  std::string partial_;
  std::deque<std::string> lines_;
};

}  // namespace vk8s::agent
