// One question to a registry, with what may stand between it and the answer: a token,
// which is asked for where the registry wants one, and redirects. On the loop's thread.
// Source: OCI distribution-spec v1.1, "Pull"; registry_challenge.h.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "addons/registry_challenge.h"
#include "http/client.h"

namespace vk8s::addons {

// How a registry is reached. The same authorities are believed of its token service, and
// of where it sends on to.
struct RegistryAccess {
  std::string url;  // "https://registry.example:5000"
  std::shared_ptr<const http::TlsIdentity> identity;
  // Base64 of "user:password"; "" = none. For the registry and the token service that it
  // names, nobody else. Never logged.
  std::string auth;
};

struct RegistryQuery {
  std::string method = "GET";
  std::string path;    // behind "/v2/"
  std::string accept;  // "" = no such header
  std::size_t max_body_bytes = 0;
};

class RegistryCall {
 public:
  // An answer of any status but of those that are followed; an error also where the
  // token service refuses. No message has a token or the query of an address.
  using Done = std::function<void(Result<http::Response>)>;

  // client outlives it.
  RegistryCall(http::Client& client, RegistryAccess access, RegistryQuery query);

  // Once. done is called once, from the loop, unless the call ends before; it may end it.
  void start(Done done);

 private:
  void ask(std::string url, std::string authorization);
  void take(Result<http::Response> response);
  void follow(const http::Response& response);
  void ask_token(const BearerChallenge& challenge);
  void take_token(const std::string& service, Result<http::Response> response);
  void end(Result<http::Response> result);
  http::Request request_to(std::string url, const std::string& authorization) const;

  http::Client& client_;
  const RegistryAccess access_;
  const RegistryQuery query_;
  Done done_;
  std::string url_;            // asked now
  std::string authorization_;  // sent to it; "" = none
  bool has_token_ = false;
  int redirects_ = 0;
  http::Call call_;
};

}  // namespace vk8s::addons
