#include "kube/request_path.h"

#include "base/text.h"

namespace vk8s::kube {
namespace {

std::string percent_encode(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool is_unreserved = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                               (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' ||
                               c == '~';
    if (is_unreserved) {
      result.push_back(c);
    } else {
      result += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    }
  }
  return result;
}

// IsValidPathSegmentName of apimachinery's api/validation/path.
Status check_segment(std::string_view what, std::string_view segment) {
  if (segment.empty() || segment == "." || segment == ".." ||
      segment.find_first_of("/%") != std::string_view::npos) {
    return fail(Errc::kInvalidArgument, "{} \"{}\" is not valid in a path", what,
                base::printable(segment, 128));
  }
  return {};
}

}  // namespace

Result<std::string> collection_path(const Resource& resource, std::string_view namespace_name) {
  std::string path = resource.group.empty()
                         ? fmt::format("/api/{}", resource.version)
                         : fmt::format("/apis/{}/{}", resource.group, resource.version);
  if (resource.namespaced && !namespace_name.empty()) {
    VK8S_TRY(check_segment("namespace", namespace_name));
    path += "/namespaces/" + percent_encode(namespace_name);
  }
  return path + "/" + resource.plural;
}

Result<std::string> object_path(const Resource& resource, const ObjectKey& key,
                                std::string_view subresource) {
  if (resource.namespaced && key.namespace_name.empty()) {
    return fail(Errc::kInvalidArgument, "{}: its namespace is not given", describe(resource, key));
  }
  VK8S_TRY(check_segment("name", key.name));
  std::string path = VK8S_TRY(collection_path(resource, key.namespace_name));
  path += "/" + percent_encode(key.name);
  if (!subresource.empty()) {
    VK8S_TRY(check_segment("subresource", subresource));
    path += "/" + percent_encode(subresource);
  }
  return path;
}

Query& Query::add(std::string_view key, std::string_view value) {
  text_ += text_.empty() ? '?' : '&';
  text_ += percent_encode(key);
  text_ += '=';
  text_ += percent_encode(value);
  return *this;
}

Query& Query::add_if_set(std::string_view key, std::string_view value) {
  return value.empty() ? *this : add(key, value);
}

Query list_query(const ListOptions& options) {
  Query query;
  query.add_if_set("labelSelector", options.label_selector)
      .add_if_set("fieldSelector", options.field_selector)
      .add_if_set("resourceVersion", options.resource_version)
      .add_if_set("continue", options.continue_token);
  if (options.limit > 0) {
    query.add("limit", std::to_string(options.limit));
  }
  return query;
}

std::string describe(const Resource& resource, const ObjectKey& key) {
  const std::string name = base::printable(key.name, 256);
  if (!resource.namespaced) {
    return fmt::format("{} {}", resource.kind, name);
  }
  return fmt::format("{} {}/{}", resource.kind, base::printable(key.namespace_name, 256), name);
}

std::string describe_collection(const Resource& resource, std::string_view namespace_name) {
  if (!resource.namespaced || namespace_name.empty()) {
    return resource.plural;
  }
  return fmt::format("{} in {}", resource.plural, base::printable(namespace_name, 256));
}

ObjectKey key_of(const Json& object) {
  const auto text_at = [&object](std::string_view path) {
    return std::string(base::get_string(object, path).value_or(""));
  };
  return {.namespace_name = text_at("metadata.namespace"), .name = text_at("metadata.name")};
}

}  // namespace vk8s::kube
