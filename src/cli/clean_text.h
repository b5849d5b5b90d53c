// Bytes of others, made safe to show. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/json.h"

namespace vk8s::cli {

// One line of a log: as it is but for what a terminal would act on; tabs stay.
std::string clean_line(std::string_view line);

// "" where the text is absent; else printable and at most max_bytes long.
std::string clean_field(const Json& object, std::string_view path, std::size_t max_bytes = 253);

// Serialized JSON or YAML: what is not safe to show stands as \u escapes, which both
// read back as what it was. Line ends stay.
std::string escape_unprintable(std::string_view document);

// Columns of the text on a terminal, one for each code point.
std::size_t display_width(std::string_view text);
// Cut to so many columns, with ".." at the end where something is left out.
std::string fit_to_width(std::string_view text, std::size_t columns);

}  // namespace vk8s::cli
