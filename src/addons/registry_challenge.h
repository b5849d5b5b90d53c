// What a registry answers that wants a token, or sends on to another address. Pure; bytes
// of others.
// Source: "Token Authentication Specification" of the distribution registry; RFC 6750, 2.1
// and 3; RFC 9110, 10.2.2 and 11.6.1.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vk8s::addons {

struct BearerChallenge {
  std::string realm;  // the URL that gives tokens
  std::string service;
  std::string scope;
  bool operator==(const BearerChallenge&) const = default;
};

// The first of scheme Bearer that has a realm, among those of a WWW-Authenticate header;
// nothing where there is none, or where it is no such header.
std::optional<BearerChallenge> parse_bearer_challenge(std::string_view header);

// Where the token is got: the realm with its query.
std::string token_url(const BearerChallenge& challenge);

// Out of that answer. What can stand in a header, 64 KiB at most.
Result<std::string> parse_token(std::string_view json);

// "https://registry.example:5000" of a URL; "" of anything else.
std::string_view origin_of(std::string_view url);

// The URL that a Location header of the answer to url leads to: absolute, or a path.
Result<std::string> redirect_target(std::string_view url, std::string_view location);

}  // namespace vk8s::addons
