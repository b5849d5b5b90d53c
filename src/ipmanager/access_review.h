// Who may do what: a bearer token is shown to the API server (TokenReview), and its user's
// right asked for (SubjectAccessReview). Rights are those on the resource ipallocations.
//
// A token that was accepted is taken for a minute more, and a right's answer for ten
// seconds, yes or no. A token is kept by its SHA-256 only. What is refused or fails is asked
// anew, so that made-up tokens neither stay nor drive others out.
//
// On the loop's thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/log.h"
#include "ipmanager/answer_cache.h"
#include "kube/client.h"

namespace vk8s::ipmanager {

struct AccessOptions {
  // Whom a token must be for; "" = the API server itself.
  std::string audience = "vk8s-ip-manager";
  std::chrono::seconds token_lifetime{60};
  std::chrono::seconds right_lifetime{10};
  std::size_t most_kept = 1024;  // of each
};

class AccessReview {
 public:
  using Callback = std::function<void(Status)>;

  // What is passed in outlives it. Its end drops what is being asked.
  AccessReview(Timers& timers, kube::Client& client, AccessOptions options, Log log);
  AccessReview(const AccessReview&) = delete;
  AccessReview& operator=(const AccessReview&) = delete;

  // authorization: the header, "Bearer ...". Calls back once, maybe from inside the call:
  // kUnauthorized, kForbidden (names user and right), kUnavailable.
  void check(std::string_view authorization, std::string_view verb, Callback callback);

 private:
  // As the SubjectAccessReview needs it: user, uid, groups, extra.
  using User = std::shared_ptr<const Json>;

  void review_token(const std::string& token, AnswerCache<User>::Callback callback);
  void review_right(const User& user, const std::string& verb,
                    AnswerCache<bool>::Callback callback);
  Result<User> read_token_review(const Result<Json>& review) const;
  void send(const kube::Resource& resource, Json object,
            std::function<void(Result<Json>)> callback);

  kube::Client& client_;
  const AccessOptions options_;
  Log log_;
  AnswerCache<User> users_;   // by the token's hash
  AnswerCache<bool> rights_;  // by that and the verb
  std::uint64_t last_call_ = 0;
  std::map<std::uint64_t, kube::Call> calls_;
};

}  // namespace vk8s::ipmanager
