#include "api/registry_auth.h"

#include "base/json.h"
#include "pki/pki.h"

namespace vk8s::api {
namespace {

// A Secret holds 1 MiB at most; some passwords are keys of a few KiB.
constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr std::size_t kMaxAuthBytes = 16U << 10U;

// Docker Hub's tools write "https://index.docker.io/v1/".
bool is_for(std::string_view key, std::string_view host) {
  const std::size_t scheme = key.find("://");
  if (scheme != std::string_view::npos) {
    key.remove_prefix(scheme + 3);
  }
  if (registry_host(key) != host) {
    return false;
  }
  key.remove_prefix(host.size());
  return key.empty() || key == "/" || key == "/v1" || key == "/v1/" || key == "/v2" ||
         key == "/v2/";
}

Result<std::string> auth_of(const Json& entry, std::string_view host) {
  if (const auto auth = base::get_string(entry, "auth"); auth && !auth->empty()) {
    return check_registry_auth(*auth);
  }
  const auto user = base::get_string(entry, "username");
  const auto password = base::get_string(entry, "password");
  if (!user || !password || user->empty() || user->find(':') != std::string_view::npos) {
    return fail(Errc::kInvalidArgument,
                "the entry of {} has neither auth nor username and password", host);
  }
  return check_registry_auth(pki::base64_encode(std::string(*user) + ":" + std::string(*password)));
}

}  // namespace

std::string_view registry_host(std::string_view url) {
  if (const std::size_t scheme = url.find("://"); scheme != std::string_view::npos) {
    url.remove_prefix(scheme + 3);
  }
  return url.substr(0, url.find('/'));
}

Result<std::string> check_registry_auth(std::string_view text) {
  if (text.size() > kMaxAuthBytes) {
    return fail(Errc::kTooLarge, "credentials of a registry are longer than {} bytes",
                kMaxAuthBytes);
  }
  const auto pair = pki::base64_decode(text);
  if (!pair || pair->find(':') == std::string::npos || pair->starts_with(':')) {
    return fail(Errc::kInvalidArgument,
                "credentials of a registry are not base64 of user:password");
  }
  return pki::base64_encode(*pair);  // in one line
}

Result<std::string> registry_auth(std::string_view docker_config_json, std::string_view host) {
  if (docker_config_json.size() > kMaxBytes) {
    return fail(Errc::kTooLarge, ".dockerconfigjson is longer than {} bytes", kMaxBytes);
  }
  const auto config = base::parse_json(docker_config_json);
  const JsonObject* auths = config ? base::get_object(*config, "auths") : nullptr;
  if (auths == nullptr) {
    return fail(Errc::kInvalidArgument, ".dockerconfigjson is no JSON with \"auths\"");
  }
  for (const auto& [key, entry] : *auths) {
    if (is_for({key.data(), key.size()}, host)) {
      return auth_of(entry, host);
    }
  }
  return fail(Errc::kNotFound, ".dockerconfigjson has no entry of {}", host);
}

}  // namespace vk8s::api
