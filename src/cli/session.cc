#include "cli/session.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <map>

#include "base/text.h"

namespace vk8s::cli {

int exit_code_of(const Error& error) {
  switch (error.code()) {
    case Errc::kInvalidArgument: return kExitUsage;
    case Errc::kNotFound: return kExitNotFound;
    case Errc::kAlreadyExists:
    case Errc::kConflict: return kExitConflict;
    case Errc::kTimeout: return kExitTimeout;
    case Errc::kUnauthorized:
    case Errc::kForbidden: return kExitForbidden;
    default: return kExitFailed;
  }
}

Session::Session(std::ostream& out, std::ostream& err) : out_(out), err_(err) {}

void Session::print(std::string_view text) {
  out_ << text;
  if (!text.ends_with('\n')) {
    out_ << '\n';
  }
  out_.flush();
}

void Session::print_json(const Json& value) { print(base::to_string(value)); }

void Session::print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += fmt::format("{:<{}}", row[i], widths[i] + 3);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  print(text);
}

void Session::progress(std::string_view subject, std::string_view text) {
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
  err_ << fmt::format("[{:5.1f} s] {}: {}\n", elapsed.count(), subject, base::printable(text));
  err_.flush();
}

void Session::print_error(const Error& error) {
  err_ << "error:";
  for (const std::string_view line : base::split(error.message(), '\n')) {
    err_ << ' ' << base::printable(line) << '\n';
  }
  err_.flush();
}

void add_output_option(CLI::App& verb, OutputFormat& format) {
  static const std::map<std::string, OutputFormat> kFormats = {{"text", OutputFormat::kText},
                                                               {"json", OutputFormat::kJson}};
  verb.add_option_function<std::string>(
          "-o,--output", [&format](const std::string& name) { format = kFormats.at(name); },
          "text (default) or json")
      ->check(CLI::IsMember({"text", "json"}));
}

}  // namespace vk8s::cli
