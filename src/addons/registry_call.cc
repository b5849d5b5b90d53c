#include "addons/registry_call.h"

#include <fmt/format.h>

#include <utility>

namespace vk8s::addons {
namespace {

constexpr std::chrono::seconds kTimeout{120};
constexpr std::chrono::seconds kTokenTimeout{30};
constexpr std::size_t kMaxTokenAnswer = 256U << 10U;
constexpr int kMaxRedirects = 3;

// The ones that keep the method, of GET and HEAD.
bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

std::string_view header_of(const http::Response& response, const std::string& name) {
  const auto at = response.headers.find(name);
  return at == response.headers.end() ? std::string_view() : std::string_view(at->second);
}

}  // namespace

RegistryCall::RegistryCall(http::Client& client, RegistryAccess access, RegistryQuery query)
    : client_(client), access_(std::move(access)), query_(std::move(query)) {}

void RegistryCall::start(Done done) {
  done_ = std::move(done);
  ask(access_.url + "/v2/" + query_.path,
      access_.auth.empty() ? std::string() : "Basic " + access_.auth);
}

http::Request RegistryCall::request_to(std::string url, const std::string& authorization) const {
  http::Request out;
  out.url = std::move(url);
  out.identity = access_.identity;
  if (!authorization.empty()) {
    out.headers.emplace_back("Authorization", authorization);
  }
  return out;
}

void RegistryCall::ask(std::string url, std::string authorization) {
  url_ = std::move(url);
  authorization_ = std::move(authorization);
  http::Request request = request_to(url_, authorization_);
  request.method = query_.method;
  request.timeout = kTimeout;
  request.max_body_bytes = query_.max_body_bytes;
  if (!query_.accept.empty()) {
    request.headers.emplace_back("Accept", query_.accept);
  }
  call_ = client_.send(std::move(request),
                       [this](Result<http::Response> response) { take(std::move(response)); });
}

void RegistryCall::take(Result<http::Response> response) {
  if (!response && redirects_ > 0) {
    end(tl::unexpected<Error>(
        std::move(response).error().context("sent on to {}", std::string(origin_of(url_)))));
    return;
  }
  if (response && is_redirect(response->status) && redirects_ < kMaxRedirects) {
    follow(*response);
    return;
  }
  // What lies elsewhere wants no token of the registry's.
  if (response && response->status == 401 && !has_token_ && redirects_ == 0) {
    if (const auto challenge = parse_bearer_challenge(header_of(*response, "www-authenticate"))) {
      ask_token(*challenge);
      return;
    }
  }
  end(std::move(response));
}

void RegistryCall::follow(const http::Response& response) {
  auto target = redirect_target(url_, header_of(response, "location"));
  if (!target) {
    end(tl::unexpected<Error>(std::move(target).error()));
    return;
  }
  ++redirects_;
  ask(*target, origin_of(*target) == origin_of(url_) ? authorization_ : std::string());
}

void RegistryCall::ask_token(const BearerChallenge& challenge) {
  const std::string service(origin_of(challenge.realm));
  http::Request request = request_to(
      token_url(challenge), access_.auth.empty() ? std::string() : "Basic " + access_.auth);
  request.timeout = kTokenTimeout;
  request.max_body_bytes = kMaxTokenAnswer;
  call_ = client_.send(std::move(request), [this, service](Result<http::Response> response) {
    take_token(service, std::move(response));
  });
}

void RegistryCall::take_token(const std::string& service, Result<http::Response> response) {
  if (!response) {
    end(tl::unexpected<Error>(std::move(response).error().context("get a token from {}", service)));
    return;
  }
  if (response->status != 200) {
    const bool is_busy = response->status == 429 || response->status >= 500;
    end(fail(is_busy ? Errc::kUnavailable : Errc::kForbidden,
             "get a token from {}: it answers {}: {}", service, response->status,
             response->status == 401 || response->status == 403
                 ? "the installation's pull Secret is not for it, or may not read this"
                 : "that is no token"));
    return;
  }
  auto token = parse_token(response->body);
  if (!token) {
    end(tl::unexpected<Error>(std::move(token).error().context("get a token from {}", service)));
    return;
  }
  has_token_ = true;
  ask(url_, "Bearer " + *token);
}

void RegistryCall::end(Result<http::Response> result) {
  std::exchange(done_, nullptr)(std::move(result));
}

}  // namespace vk8s::addons
