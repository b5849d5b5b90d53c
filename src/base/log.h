// Structured logs: one line an event, "time level component: message key=value".
//
// A Log is a cheap value that is handed down through constructors; child() adds
// a component name. Any thread may log. Values that hold spaces or control
// characters are quoted and escaped, so no field can forge a line; a value is cut
// after 4 KiB. Secrets are never passed to it.
#pragma once

#include <fmt/core.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

namespace spdlog {
class logger;
}

namespace vk8s::base {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogField {
  std::string_view key;
  std::string value;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  template <class T>
  LogField(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
};
using LogFields = std::initializer_list<LogField>;

class Log {
 public:
  // Writes to standard error from the given level on.
  static Log to_stderr(std::string component, LogLevel level = LogLevel::kInfo);
  // Drops everything: for tests.
  static Log silent();

  // The same sink with "component/name" as its component.
  Log child(std::string_view name) const;

  void debug(std::string_view message, LogFields fields = {}) const;
  void info(std::string_view message, LogFields fields = {}) const;
  void warning(std::string_view message, LogFields fields = {}) const;
  void error(std::string_view message, LogFields fields = {}) const;

 private:
  Log(std::shared_ptr<spdlog::logger> logger, std::string component);
  void write(LogLevel level, std::string_view message, LogFields fields) const;

  std::shared_ptr<spdlog::logger> logger_;  // none: silent
  std::string component_;
};

}  // namespace vk8s::base

namespace vk8s {
using base::Log;
}
