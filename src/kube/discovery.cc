#include "kube/discovery.h"

#include <charconv>

#include "base/text.h"
#include "kube/api_error.h"

namespace vk8s::kube {
namespace {

Result<int> leading_number(std::string_view text) {
  int number = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number);
  if (result.ec != std::errc() || number < 0) {
    return fail(Errc::kInvalidArgument, "\"{}\" is not a version", base::printable(text, 32));
  }
  return number;
}

Result<Json> get_document(BlockingClient& client, const std::string& path) {
  const RawResponse response =
      VK8S_TRY(client.raw({.method = "GET", .path = path, .content_type = "", .body = ""}));
  if (response.status != 200) {
    return tl::unexpected<Error>(
        error_from_response(response.status, response.body).context("GET {}", path));
  }
  return VK8S_TRY_CONTEXT(base::parse_json(response.body), "GET {}", path);
}

}  // namespace

Result<ServerVersion> parse_server_version(const Json& version) {
  ServerVersion result;
  result.major = VK8S_TRY(leading_number(base::get_string(version, "major").value_or("")));
  result.minor = VK8S_TRY(leading_number(base::get_string(version, "minor").value_or("")));
  result.text = base::printable(base::get_string(version, "gitVersion").value_or(""), 64);
  return result;
}

Result<ServerVersion> server_version(BlockingClient& client) {
  const Json document = VK8S_TRY(get_document(client, "/version"));
  return VK8S_TRY_CONTEXT(parse_server_version(document), "GET /version");
}

Result<bool> serves(BlockingClient& client, const Resource& resource) {
  const std::string path = resource.group.empty()
                               ? "/api/" + resource.version
                               : "/apis/" + resource.group + "/" + resource.version;
  const Result<Json> document = get_document(client, path);
  if (!document && document.error().code() == Errc::kNotFound) {
    return false;
  }
  if (!document) {
    return tl::unexpected<Error>(document.error());
  }
  if (const JsonArray* served = base::get_array(*document, "resources")) {
    for (const Json& one : *served) {
      if (base::get_string(one, "name") == resource.plural) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace vk8s::kube
