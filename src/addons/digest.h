// SHA-256, as image digests write it. Pure; any thread.
#pragma once

#include <string>
#include <string_view>

namespace vk8s::addons {

// "sha256:" and 64 hexadecimal digits.
std::string sha256_digest(std::string_view bytes);
bool is_sha256_digest(std::string_view text);

}  // namespace vk8s::addons
