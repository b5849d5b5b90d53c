// A FakeClient that knows tokens and rights, for tests of this module.
#pragma once

#include <map>
#include <set>
#include <string>

#include "kube/fake_client.h"

namespace vk8s::ipmanager::testing {

class FakeReviews {
 public:
  explicit FakeReviews(kube::FakeClient& server) {
    server.set_review(kube::resources::kTokenReview, [this](const Json& r) { return token(r); });
    server.set_review(kube::resources::kSubjectAccessReview,
                      [this](const Json& r) { return right(r); });
  }

  std::map<std::string, std::string> users = {{"token-of-admin", "admin"},
                                              {"token-of-reader", "reader"}};
  // "user verb"
  std::set<std::string> rights = {"admin list", "admin create", "admin update", "admin delete",
                                  "reader list"};
  std::string audience = "vk8s-ip-manager";  // that tokens are for; "" = none is told

 private:
  Json token(const Json& review) const {
    JsonObject status;
    const auto user = users.find(std::string(base::get_string(review, "spec.token").value_or("")));
    status["authenticated"] = user != users.end();
    if (user != users.end()) {
      JsonObject one;
      one["username"] = user->second;
      one["groups"] = JsonArray{"system:authenticated"};
      status["user"] = std::move(one);
      if (!audience.empty()) {
        status["audiences"] = JsonArray{Json(audience)};
      }
    }
    return JsonObject{{"status", std::move(status)}};
  }

  Json right(const Json& review) const {
    const auto text = [&](const char* path) {
      return std::string(base::get_string(review, path).value_or(""));
    };
    const bool is_ours = text("spec.resourceAttributes.group") == "vk8s.sktelecom.com" &&
                         text("spec.resourceAttributes.resource") == "ipallocations";
    const bool allowed =
        is_ours && rights.contains(text("spec.user") + " " + text("spec.resourceAttributes.verb"));
    return JsonObject{{"status", JsonObject{{"allowed", allowed}}}};
  }
};

}  // namespace vk8s::ipmanager::testing
