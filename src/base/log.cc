#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/text.h"

namespace vk8s::base {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

constexpr std::size_t kMaxValueBytes = 4096;

bool needs_quotes(std::string_view value) {
  if (value.empty()) {
    return true;
  }
  while (!value.empty()) {
    const std::size_t length = printable_length(value);
    const char c = value.front();
    if (length == 0 || c == ' ' || c == '"' || c == '=') {
      return true;
    }
    value.remove_prefix(length);
  }
  return false;
}

void append_quoted(std::string& line, std::string_view value) {
  line += '"';
  while (!value.empty()) {
    const std::size_t length = printable_length(value);
    const char c = value.front();
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (length == 0) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += value.substr(0, length);
    }
    value.remove_prefix(length == 0 ? 1 : length);
  }
  line += '"';
}

void append_value(std::string& line, std::string_view value) {
  const std::string_view kept = value.substr(0, kMaxValueBytes);
  if (needs_quotes(kept)) {
    append_quoted(line, kept);
  } else {
    line += kept;
  }
  if (kept.size() < value.size()) {
    line += "...";
  }
}

}  // namespace

Log::Log(std::shared_ptr<spdlog::logger> logger, std::string component)
    : logger_(std::move(logger)), component_(std::move(component)) {}

Log Log::to_stderr(std::string component, LogLevel level) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(component, std::move(sink));
  logger->set_level(to_spdlog(level));
  logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  return {std::move(logger), std::move(component)};
}

Log Log::silent() { return {nullptr, ""}; }

Log Log::child(std::string_view name) const {
  return {logger_, component_.empty() ? std::string(name) : fmt::format("{}/{}", component_, name)};
}

void Log::debug(std::string_view message, LogFields fields) const {
  write(LogLevel::kDebug, message, fields);
}
void Log::info(std::string_view message, LogFields fields) const {
  write(LogLevel::kInfo, message, fields);
}
void Log::warning(std::string_view message, LogFields fields) const {
  write(LogLevel::kWarning, message, fields);
}
void Log::error(std::string_view message, LogFields fields) const {
  write(LogLevel::kError, message, fields);
}

void Log::write(LogLevel level, std::string_view message, LogFields fields) const {
  if (!logger_ || !logger_->should_log(to_spdlog(level))) {
    return;
  }
  std::string line = fmt::format("{}: {}", component_, printable(message));
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    append_value(line, field.value);
  }
  logger_->log(to_spdlog(level), "{}", line);
}

}  // namespace vk8s::base
