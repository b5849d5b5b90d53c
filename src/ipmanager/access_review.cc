#include "ipmanager/access_review.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "api/vk8s.h"
#include "base/text.h"

namespace vk8s::ipmanager {
namespace {

constexpr std::size_t kMaxTokenBytes = 8U << 10U;

// Of "Bearer x". Source: RFC 6750 section 2.1, RFC 9110 section 11.1.
std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() <= kScheme.size() ||
      !std::equal(kScheme.begin(), kScheme.end(), authorization.begin(),
                  [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); })) {
    return {};
  }
  const std::string_view token = base::trim(authorization.substr(kScheme.size()));
  const bool is_token = std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view("-._~+/=").find(c) != std::string_view::npos;
  });
  return is_token && token.size() <= kMaxTokenBytes ? token : std::string_view();
}

// 32 bytes; "" if OpenSSL fails.
std::string sha256(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(digest.data()), length};
}

Json token_review(const std::string& token, const std::string& audience) {
  JsonObject spec;
  spec["token"] = token;
  if (!audience.empty()) {
    spec["audiences"] = JsonArray{Json(audience)};
  }
  JsonObject out;
  out["apiVersion"] = "authentication.k8s.io/v1";
  out["kind"] = "TokenReview";
  out["spec"] = std::move(spec);
  return out;
}

Json access_review(const Json& user, const std::string& verb) {
  JsonObject attributes;
  attributes["group"] = api::kVk8sGroup;
  attributes["resource"] = kube::resources::kIPAllocation.plural;
  attributes["verb"] = verb;
  JsonObject spec = user.get_object();
  spec["resourceAttributes"] = std::move(attributes);
  JsonObject out;
  out["apiVersion"] = "authorization.k8s.io/v1";
  out["kind"] = "SubjectAccessReview";
  out["spec"] = std::move(spec);
  return out;
}

// A TokenReview's user in the words of a SubjectAccessReview.
Json review_user(const Json& user) {
  JsonObject out;
  const auto copy = [&](std::string_view from, std::string_view to) {
    const Json* value = base::find(user, from);
    if (value != nullptr && !value->is_null()) {
      out[to] = *value;
    }
  };
  copy("username", "user");
  copy("uid", "uid");
  copy("groups", "groups");
  copy("extra", "extra");
  return out;
}

tl::unexpected<Error> unauthorized() {
  return fail(Errc::kUnauthorized, "the token is not accepted: get one for this server's audience");
}

}  // namespace

AccessReview::AccessReview(Timers& timers, kube::Client& client, AccessOptions options, Log log)
    : client_(client),
      options_(std::move(options)),
      log_(std::move(log)),
      users_(timers, options_.token_lifetime, options_.most_kept),
      rights_(timers, options_.right_lifetime, options_.most_kept) {}

void AccessReview::check(std::string_view authorization, std::string_view verb, Callback callback) {
  const std::string token(bearer_token(authorization));
  const std::string hash = token.empty() ? std::string() : sha256(token);
  if (hash.empty()) {
    callback(fail(Errc::kUnauthorized, "a bearer token is needed"));
    return;
  }
  const std::string wanted(verb);
  users_.ask(
      hash,
      [this, hash, wanted, callback = std::move(callback)](const Result<User>& user) {
        if (!user) {
          callback(tl::unexpected<Error>(user.error()));
          return;
        }
        rights_.ask(
            hash + wanted,
            [callback, wanted, name = *user](const Result<bool>& allowed) {
              if (!allowed) {
                callback(tl::unexpected<Error>(allowed.error()));
              } else if (!*allowed) {
                callback(fail(Errc::kForbidden, "user \"{}\" may not {} {}.{}",
                              base::printable(base::get_string(*name, "user").value_or(""), 256),
                              wanted, kube::resources::kIPAllocation.plural, api::kVk8sGroup));
              } else {
                callback({});
              }
            },
            [this, user = *user, wanted](AnswerCache<bool>::Callback done) {
              review_right(user, wanted, std::move(done));
            });
      },
      [this, token](AnswerCache<User>::Callback done) { review_token(token, std::move(done)); });
}

void AccessReview::review_token(const std::string& token, AnswerCache<User>::Callback callback) {
  send(kube::resources::kTokenReview, token_review(token, options_.audience),
       [this, callback = std::move(callback)](const Result<Json>& review) {
         callback(read_token_review(review));
       });
}

Result<AccessReview::User> AccessReview::read_token_review(const Result<Json>& review) const {
  if (!review) {
    return tl::unexpected<Error>(review.error());
  }
  const Json* user = base::find(*review, "status.user");
  if (!base::get_bool(*review, "status.authenticated").value_or(false) || user == nullptr ||
      base::get_string(*user, "username").value_or("").empty()) {
    return unauthorized();
  }
  // An authenticator that knows no audiences says none: its token may be for anybody.
  const JsonArray* audiences = base::get_array(*review, "status.audiences");
  if (!options_.audience.empty() &&
      (audiences == nullptr || std::find(audiences->begin(), audiences->end(),
                                         Json(options_.audience)) == audiences->end())) {
    return unauthorized();
  }
  return std::make_shared<const Json>(review_user(*user));
}

void AccessReview::review_right(const User& user, const std::string& verb,
                                AnswerCache<bool>::Callback callback) {
  send(kube::resources::kSubjectAccessReview, access_review(*user, verb),
       [callback = std::move(callback)](const Result<Json>& review) {
         if (!review) {
           callback(tl::unexpected<Error>(review.error()));
         } else {
           callback(base::get_bool(*review, "status.allowed").value_or(false));
         }
       });
}

// Whatever the failure, it is not the caller's: this server could not ask.
void AccessReview::send(const kube::Resource& resource, Json object,
                        std::function<void(Result<Json>)> callback) {
  const std::uint64_t id = ++last_call_;
  calls_[id] = client_.create(
      resource, "", object, [this, id, kind = resource.kind, callback](Result<Json> answer) {
        const auto call = calls_.extract(id);
        if (!answer) {
          log_.warning("a token could not be reviewed",
                       {{"by", kind}, {"error", answer.error().message()}});
          answer = fail(Errc::kUnavailable, "the API server could not be asked about the token");
        }
        callback(std::move(answer));
      });
}

}  // namespace vk8s::ipmanager
