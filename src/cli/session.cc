#include "cli/session.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <map>

#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/document_writer.h"

namespace vk8s::cli {

int exit_code_of(const Error& error) {
  switch (error.code()) {
    case Errc::kInvalidArgument:
      return kExitUsage;
    case Errc::kNotFound:
      return kExitNotFound;
    case Errc::kAlreadyExists:
    case Errc::kConflict:
      return kExitConflict;
    case Errc::kTimeout:
      return kExitTimeout;
    case Errc::kUnauthorized:
    case Errc::kForbidden:
      return kExitForbidden;
    default:
      return kExitFailed;
  }
}

Session::Session(Surroundings& surroundings, std::ostream& out, std::ostream& err)
    : surroundings_(surroundings), out_(out), err_(err) {}

void Session::print(std::string_view text) {
  out_ << text;
  if (!text.ends_with('\n')) {
    out_ << '\n';
  }
  out_.flush();
}

void Session::write(std::string_view bytes) {
  out_ << bytes;
  out_.flush();
}

void Session::print_json(const Json& value) { print(to_indented_json(value)); }

void Session::print_document(const Json& value, OutputFormat format) {
  print(format == OutputFormat::kYaml ? to_yaml(value) : to_indented_json(value));
}

void Session::print_table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], display_width(row[i]));
    }
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i] + std::string(widths[i] + 3 - display_width(row[i]), ' ');
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  print(text);
}

std::chrono::duration<double> Session::elapsed() const {
  return std::chrono::steady_clock::now() - begin_;
}

void Session::progress(std::string_view subject, std::string_view text) {
  err_ << fmt::format("[{:5.1f} s] {}: {}\n", elapsed().count(), subject, base::printable(text));
  err_.flush();
}

void Session::note(std::string_view text) {
  err_ << text << '\n';
  err_.flush();
}

void Session::print_error(const Error& error) {
  err_ << "error:";
  for (const std::string_view line : base::split(error.message(), '\n')) {
    err_ << ' ' << base::printable(line) << '\n';
  }
  err_.flush();
}

bool Session::confirm(std::string_view question) {
  err_ << question << " [y/N] ";
  err_.flush();
  std::string answer;
  if (surroundings_.input == nullptr || !std::getline(*surroundings_.input, answer)) {
    err_ << '\n';
    return false;
  }
  const std::string_view said = base::trim(answer);
  return said == "y" || said == "Y" || said == "yes";
}

void add_output_option(CLI::App& verb, OutputFormat& format,
                       const std::vector<std::string>& formats) {
  static const std::map<std::string, OutputFormat> kFormats = {{"text", OutputFormat::kText},
                                                               {"json", OutputFormat::kJson},
                                                               {"yaml", OutputFormat::kYaml},
                                                               {"wide", OutputFormat::kWide},
                                                               {"name", OutputFormat::kName}};
  std::vector<std::string> names = {"text"};
  names.insert(names.end(), formats.begin(), formats.end());
  verb.add_option_function<std::string>(
          "-o,--output", [&format](const std::string& name) { format = kFormats.at(name); },
          "Format of the output [text]")
      ->check(CLI::IsMember(names));
}

}  // namespace vk8s::cli
