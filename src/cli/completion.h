// Shell completion: what could stand where the cursor is.
//
// The answer has the form that kubectl expects of a plugin's kubectl_complete-<name>
// (cobra's __complete): a candidate a line, a tab and its description, then ":4",
// which says that files are no candidates.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "cli/session.h"

namespace vk8s::cli {

// The hidden verb that the scripts call; what follows it are words, not options.
inline constexpr std::string_view kCompleteVerb = "__complete";

struct Candidate {
  std::string word;
  std::string description;
  bool operator==(const Candidate&) const = default;
};

// words: those after the program's name, up to the one at the cursor (perhaps "").
// Names of clusters and namespaces are asked of the host for two seconds at most; an
// error gives none.
std::vector<Candidate> complete(const CLI::App& root, Surroundings& surroundings,
                                std::span<const std::string> words);

void print_completion(const CLI::App& root, Session& session, std::span<const std::string> words);

// kNotFound names the shells there are.
Result<std::string> completion_script(std::string_view shell);

}  // namespace vk8s::cli
