#include "controller/registry_credentials.h"

#include <fmt/format.h>

#include "api/registry_auth.h"
#include "controller/object_writer.h"
#include "pki/pki.h"

namespace vk8s::controller {
namespace {

constexpr std::chrono::minutes kFreshFor(5);
constexpr std::string_view kDockerConfig = ".dockerconfigjson";

}  // namespace

Result<std::string> registry_auth_in(const Json& secret, std::string_view host) {
  const JsonObject* data = base::get_object(secret, "data");
  const Json* text = data == nullptr ? nullptr : data->if_contains(kDockerConfig);
  if (text == nullptr || !text->is_string()) {
    return fail(Errc::kInvalidArgument, "it has no {}", kDockerConfig);
  }
  const auto config = pki::base64_decode(std::string_view(text->get_string()));
  if (!config) {
    return fail(Errc::kInvalidArgument, "its {} is not base64", kDockerConfig);
  }
  return api::registry_auth(*config, host);
}

RegistryCredentials::RegistryCredentials(BatchClient& client, Log log, Now now)
    : client_(client), log_(std::move(log)), now_(std::move(now)) {}

OrProblem<std::string> RegistryCredentials::find(const Cluster& cluster) {
  const auto& names = cluster.vk8s.spec.image_pull_secrets;
  const std::string_view host = api::registry_host(cluster.settings.registry_mirror);
  if (host.empty() || names.empty()) {
    return std::string();
  }
  const kube::ObjectKey key{cluster.namespace_name(), cluster.name()};
  const std::string asked = fmt::format("{} {}", host, fmt::join(names, " "));
  const auto known = known_.find(key, asked);
  if (known && now_() < known->until) {
    return known->answer;
  }
  auto auth = read(cluster, host);
  if (!auth && !known) {
    return tl::unexpected<Problem>(
        write_problem(std::move(auth).error().context("read spec.imagePullSecrets")));
  }
  std::string answer = auth ? *std::move(auth) : known->answer;
  known_.put(key, {asked, answer, now_() + kFreshFor});
  return answer;
}

Result<std::string> RegistryCredentials::read(const Cluster& cluster, std::string_view host) {
  std::vector<BatchClient::Request> requests;
  for (const std::string& name : cluster.vk8s.spec.image_pull_secrets) {
    requests.push_back(get_request(kube::resources::kSecret, {cluster.namespace_name(), name}));
  }
  const std::vector<Result<Json>> secrets = client_.run(std::move(requests));
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    if (!secrets[i] && secrets[i].error().code() != Errc::kNotFound) {
      return tl::unexpected<Error>(secrets[i].error());
    }
    auto auth = secrets[i] ? registry_auth_in(*secrets[i], host)
                           : Result<std::string>(tl::unexpected<Error>(secrets[i].error()));
    if (auth) {
      return auth;
    }
    if (auth.error().code() != Errc::kNotFound) {
      log_.warning("a pull Secret cannot be used for the registry mirror",
                   {{"namespace", cluster.namespace_name()},
                    {"secret", cluster.vk8s.spec.image_pull_secrets[i]},
                    {"error", auth.error().message()}});
    }
  }
  return std::string();
}

}  // namespace vk8s::controller
