// What a verb works with: where it prints, what it reaches, how it ends.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "cli/surroundings.h"

namespace CLI {
class App;
}

namespace vk8s::cli {

// Exit codes; --help shows them. Scripts rely on them: numbers never change meaning.
inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotFound = 3;
inline constexpr int kExitConflict = 4;
inline constexpr int kExitTimeout = 5;
inline constexpr int kExitForbidden = 6;
inline constexpr std::string_view kExitCodeHelp =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or option, 3 not found, 4 conflict with what "
    "exists,\n            5 timeout, 6 not allowed.";

int exit_code_of(const Error& error);

enum class OutputFormat { kText, kJson, kYaml, kWide, kName };

class Session {
 public:
  Session(Surroundings& surroundings, std::ostream& out, std::ostream& err);

  Surroundings& surroundings() { return surroundings_; }

  // Standard output: results only. A table is padded to columns; its first row
  // is the heading.
  void print(std::string_view text);
  // As it is, without an end of line.
  void write(std::string_view bytes);
  void print_json(const Json& value);
  // JSON or, for kYaml, YAML.
  void print_document(const Json& value, OutputFormat format);
  void print_table(const std::vector<std::vector<std::string>>& rows);
  // Standard error: "[  3.2 s] subject: text", seconds since the verb began.
  void progress(std::string_view subject, std::string_view text);
  void note(std::string_view text);
  void print_error(const Error& error);
  // A question on standard error; true for an answer of "y" or "yes".
  bool confirm(std::string_view question);
  std::chrono::duration<double> elapsed() const;

  // The verb that the arguments chose, run after all are parsed.
  std::function<Status()> action;
  // Of a verb that has succeeded but is not to end with 0.
  std::optional<int> exit_code;

 private:
  Surroundings& surroundings_;
  std::ostream& out_;
  std::ostream& err_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// The option -o/--output of a verb: text and the formats named, such as "json".
void add_output_option(CLI::App& verb, OutputFormat& format,
                       const std::vector<std::string>& formats = {"json", "yaml"});

}  // namespace vk8s::cli
