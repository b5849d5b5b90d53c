#include "cli/host_api.h"

#include "base/names.h"
#include "base/text.h"
#include "kube/api_error.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kMaxNameBytes = 50;
constexpr int kPageSize = 500;

Error explain(Error error, const std::string& server) {
  if (error.code() == Errc::kUnavailable || error.code() == Errc::kTimeout) {
    return {error.code(),
            fmt::format("{}\nthe API server {} does not answer: check --kubeconfig and --context, "
                        "or run 'kubectl vk8s doctor'",
                        error.message(), server)};
  }
  return error;
}

}  // namespace

Status check_cluster_name(std::string_view name) {
  const bool begins_well = !name.empty() && name.front() >= 'a' && name.front() <= 'z';
  if (!begins_well || name.size() > kMaxNameBytes || !base::is_dns_label(name)) {
    return fail(Errc::kInvalidArgument,
                "NAME \"{}\": a cluster's name begins with a letter and has at most {} lower case "
                "letters, digits and '-'",
                base::printable(name, 80), kMaxNameBytes);
  }
  return {};
}

Error explain_missing_kind(Error error, std::string_view kind) {
  const std::string& message = error.message();
  const bool unknown_kind =
      error.code() == Errc::kNotFound &&
      (message.find("could not find the requested resource") != std::string::npos ||
       message.find("page not found") != std::string::npos);
  if (!unknown_kind) {
    return error;
  }
  return {Errc::kNotFound,
          fmt::format("the host cluster does not know the kind {}: install GS-OptOps on it "
                      "(install.sh), or check --context",
                      kind)};
}

HostApi::HostApi(Surroundings& surroundings, std::shared_ptr<kube::Client> client,
                 std::string server, std::string namespace_name)
    : surroundings_(&surroundings),
      client_(std::move(client)),
      server_(std::move(server)),
      namespace_name_(std::move(namespace_name)) {}

Result<HostApi> HostApi::connect(Surroundings& surroundings, const ConnectionOptions& options) {
  HostConnection host = VK8S_TRY(find_host(surroundings, options));
  if (!base::is_dns_label(host.namespace_name)) {
    return fail(Errc::kInvalidArgument, "namespace \"{}\" is not a valid name",
                base::printable(host.namespace_name, 80));
  }
  std::string server = base::printable(host.config.server, 256);
  host.config.user_agent = "kubectl-vk8s";
  auto client =
      VK8S_TRY_CONTEXT(surroundings.connect(std::move(host.config)), "host cluster {}", server);
  return HostApi(surroundings, std::move(client), std::move(server),
                 std::move(host.namespace_name));
}

Result<Json> HostApi::wait_for_json(
    const std::function<kube::Call(kube::Client::Callback)>& start) {
  Result<Json> result = wait_for<Json>(loop(), timeout_, start);
  if (!result) {
    return tl::unexpected<Error>(explain(std::move(result).error(), server_));
  }
  return result;
}

Result<Json> HostApi::get(const kube::Resource& resource, const kube::ObjectKey& key) {
  return wait_for_json([&](auto callback) { return client_->get(resource, key, callback); });
}

Result<Json> HostApi::list(const kube::Resource& resource, std::string_view namespace_name,
                           const kube::ListOptions& options) {
  return wait_for_json(
      [&](auto callback) { return client_->list(resource, namespace_name, options, callback); });
}

Result<JsonArray> HostApi::list_all(const kube::Resource& resource, std::string_view namespace_name,
                                    std::string_view label_selector) {
  JsonArray out;
  kube::ListOptions options{.label_selector = std::string(label_selector),
                            .limit = kPageSize,
                            .omit_managed_fields = true};
  do {
    const Json page = VK8S_TRY(list(resource, namespace_name, options));
    if (const JsonArray* items = base::get_array(page, "items")) {
      out.insert(out.end(), items->begin(), items->end());
    }
    options.continue_token = base::get_string(page, "metadata.continue").value_or("");
  } while (!options.continue_token.empty());
  return out;
}

Result<Json> HostApi::create(const kube::Resource& resource, const Json& object) {
  const std::string in = resource.namespaced ? namespace_name_ : std::string();
  return wait_for_json(
      [&](auto callback) { return client_->create(resource, in, object, callback); });
}

Result<Json> HostApi::merge_patch(const kube::Resource& resource, const kube::ObjectKey& key,
                                  const Json& patch) {
  return wait_for_json(
      [&](auto callback) { return client_->merge_patch(resource, key, patch, callback); });
}

Result<Json> HostApi::remove(const kube::Resource& resource, const kube::ObjectKey& key,
                             const kube::DeleteOptions& options) {
  return wait_for_json(
      [&](auto callback) { return client_->remove(resource, key, options, callback); });
}

Result<std::string> HostApi::read(const std::string& path) {
  Result<kube::RawResponse> response =
      wait_for<kube::RawResponse>(loop(), timeout_, [&](auto callback) {
        return client_->raw({.method = "GET", .path = path, .content_type = "", .body = ""},
                            callback);
      });
  if (!response) {
    return tl::unexpected<Error>(explain(std::move(response).error(), server_));
  }
  if (response->status != 200) {
    return tl::unexpected<Error>(
        kube::error_from_response(response->status, response->body).context("GET {}", path));
  }
  return std::move(response->body);
}

Result<kube::ServerVersion> HostApi::version() {
  const std::string body = VK8S_TRY(read("/version"));
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(body), "GET /version");
  return VK8S_TRY_CONTEXT(kube::parse_server_version(document), "GET /version");
}

Result<Json> HostApi::get_cluster(std::string_view name) {
  VK8S_TRY(check_cluster_name(name));
  Result<Json> found = get(kube::resources::kVk8s, key_of(name));
  if (!found && found.error().code() == Errc::kNotFound) {
    const Error explained = explain_missing_kind(found.error());
    if (explained.message() != found.error().message()) {
      return tl::unexpected<Error>(explained);
    }
    return fail(Errc::kNotFound,
                "there is no cluster \"{}\" in namespace \"{}\": see 'kubectl vk8s list -A'", name,
                namespace_name_);
  }
  return found;
}

}  // namespace vk8s::cli
