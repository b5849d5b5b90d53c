// URL paths of the Kubernetes API (reference: "Kubernetes API Concepts", resource
// URIs). Pure. Names are checked so far that none can leave its path segment.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "kube/client.h"

namespace vk8s::kube {

// "/apis/apps/v1/namespaces/a/statefulsets"; namespace_name "" = of all.
Result<std::string> collection_path(const Resource& resource, std::string_view namespace_name);

// The collection's path + "/name[/subresource]". Refuses a namespaced resource
// without namespace.
Result<std::string> object_path(const Resource& resource, const ObjectKey& key,
                                std::string_view subresource = "");

// "?a=b&c=d", values percent-encoded; "" if nothing was added.
class Query {
 public:
  Query& add(std::string_view key, std::string_view value);
  // The same, unless the value is empty.
  Query& add_if_set(std::string_view key, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

Query list_query(const ListOptions& options);

// "Secret a/b", "Node n", "Secret in a", "all Secrets": for messages.
std::string describe(const Resource& resource, const ObjectKey& key);
std::string describe_collection(const Resource& resource, std::string_view namespace_name);

// metadata.namespace and metadata.name.
ObjectKey key_of(const Json& object);

}  // namespace vk8s::kube
