#include "agent/component_log.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "base/text.h"

namespace vk8s::agent {

ComponentLog::ComponentLog(std::string folder, std::string name, std::size_t max_bytes)
    : path_(fmt::format("{}/{}.log", folder, name)), max_bytes_(max_bytes) {
  open_file();
}

void ComponentLog::open_file() {
  file_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640));
  struct stat info {};
  written_ = file_ && ::fstat(file_.get(), &info) == 0 ? static_cast<std::size_t>(info.st_size) : 0;
}

void ComponentLog::rotate() {
  file_.reset();
  std::rename(path_.c_str(), (path_ + ".1").c_str());
  open_file();
}

void ComponentLog::write(std::string_view bytes) {
  remember(bytes);
  if (written_ + bytes.size() > max_bytes_) {
    rotate();
  }
  while (file_ && !bytes.empty()) {
    const ssize_t done = ::write(file_.get(), bytes.data(), bytes.size());
    if (done <= 0) {
      return;
    }
    written_ += static_cast<std::size_t>(done);
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
}

void ComponentLog::remember(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() < kMaxLineBytes) {
      partial_ += piece.substr(0, kMaxLineBytes - partial_.size());
    }
    if (end == std::string_view::npos) {
      return;
    }
    lines_.push_back(base::printable(partial_, kMaxLineBytes));
    partial_.clear();
    if (lines_.size() > kKeptLines) {
      lines_.pop_front();
    }
    bytes.remove_prefix(end + 1);
  }
}

std::vector<std::string> ComponentLog::last_lines() const { return {lines_.begin(), lines_.end()}; }

}  // namespace vk8s::agent
