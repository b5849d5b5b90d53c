// The CLI's reference as Markdown, from the parser itself: docs/cli.md.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace vk8s::cli {

// Verbs in alphabetical order; those without a group are left out.
std::string reference_markdown(const CLI::App& root);

}  // namespace vk8s::cli
