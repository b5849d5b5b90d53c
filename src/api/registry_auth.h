// Credentials for one registry out of what container tools and Kubernetes keep in
// a file for all of them.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::api {

// "host[:port]" of a URL or of a registry's name, which may have a path.
std::string_view registry_host(std::string_view url);

// What of a .dockerconfigjson (Secrets of type kubernetes.io/dockerconfigjson,
// ~/.docker/config.json) is for that "host[:port]", whole: base64 of
// "user:password". Entries for a path of the registry are for that path alone and
// are left out. kNotFound where there is none, kInvalidArgument for text that is no
// such file or an entry that cannot be used; no message has any of its words.
Result<std::string> registry_auth(std::string_view docker_config_json, std::string_view host);

// The same of a file that holds it; line ends in it are left out.
Result<std::string> check_registry_auth(std::string_view text);

}  // namespace vk8s::api
