#include "addons/object_id.h"

#include "base/text.h"

namespace vk8s::addons {

std::string ObjectId::to_string() const {
  return base::printable(
      fmt::format("{} {}{}{}", kind, namespace_name, namespace_name.empty() ? "" : "/", name), 512);
}

GroupVersion GroupVersion::parse(std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) {
    return {.group = "", .version = std::string(api_version)};
  }
  return {.group = std::string(api_version.substr(0, slash)),
          .version = std::string(api_version.substr(slash + 1))};
}

std::string text_at(const Json& object, std::string_view path) {
  return std::string(base::get_string(object, path).value_or(""));
}

}  // namespace vk8s::addons
