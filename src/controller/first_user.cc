#include "controller/first_user.h"

#include <fmt/format.h>

#include "base/text.h"
#include "pki/password_hash.h"

namespace vk8s::controller {
namespace {

constexpr std::chrono::minutes kFreshFor(5);
constexpr std::chrono::seconds kWrongFor(10);
constexpr std::string_view kKey = "password";

Result<std::string> password_in(const SecretResource::Content& secret) {
  const auto at = secret.files.find(std::string(kKey));
  if (at == secret.files.end()) {
    return fail(Errc::kInvalidArgument, "the Secret has no key {}: add it", kKey);
  }
  std::string password = at->second;
  if (password.ends_with('\n')) {
    password.pop_back();  // of the file that it was made from
  }
  if (const Status usable = pki::check_password(password); !usable) {
    return fail(Errc::kInvalidArgument, "{}: write another one into the Secret's key {}",
                usable.error().message(), kKey);
  }
  return password;
}

}  // namespace

FirstUsers::FirstUsers(BatchClient& client, SecretKeeper& secrets, Now now)
    : client_(client), secrets_(secrets), now_(std::move(now)) {}

std::optional<AddonLogin> FirstUsers::find(const Cluster& cluster) {
  const std::string& named = cluster.vk8s.spec.kubeflow->password_secret;
  const std::string& secret = named.empty() ? cluster.password_secret() : named;
  const std::string asked = cluster.vk8s.metadata.uid + " " + secret;
  const kube::ObjectKey key = key_of(cluster);
  const auto known = known_.find(key, asked);
  if (known && now_() < known->until) {
    return known->answer;
  }
  const auto password = named.empty() ? generate(cluster) : read(cluster);
  const bool is_away = !password && password.error().is_retryable();
  if (is_away && !known) {
    return std::nullopt;
  }
  AddonLogin login =
      is_away ? known->answer
              : AddonLogin{.password = password ? *password : std::string(),
                           .source = fmt::format("Secret {} (key {})", secret, kKey),
                           .trouble = password ? std::string() : password.error().message()};
  const auto fresh_for = password ? base::WallTime::duration(kFreshFor) : kWrongFor;
  known_.put(key, {asked, login, now_() + fresh_for});
  return login;
}

Result<std::string> FirstUsers::read(const Cluster& cluster) {
  const kube::ObjectKey key{cluster.namespace_name(), cluster.vk8s.spec.kubeflow->password_secret};
  const auto field =
      fmt::format("spec.kubeflow.passwordSecretRef.name \"{}\"", base::printable(key.name, 64));
  const auto object = client_.run_one(get_request(kube::resources::kSecret, key));
  if (!object && object.error().code() == Errc::kNotFound) {
    return fail(Errc::kNotFound,
                "{}: there is no such Secret in this namespace; create it with the key {}, or "
                "remove the field, and a password is generated",
                field, kKey);
  }
  if (!object) {
    return tl::unexpected<Error>(Error(object.error()).context("{}", field));
  }
  const auto content = VK8S_TRY_CONTEXT(parse_secret(*object), "{}", field);
  return VK8S_TRY_CONTEXT(password_in(content), "{}", field);
}

Result<std::string> FirstUsers::generate(const Cluster& cluster) {
  const auto secret = make_password_secret();
  auto content = secrets_.ensure(cluster, {secret.get()}, false);
  if (!content) {
    const Problem& problem = content.error();
    if (problem.reason == reason::kNameConflict) {
      return fail(Errc::kInvalidArgument,
                  "Secret {} is there and not of this cluster: name it in "
                  "spec.kubeflow.passwordSecretRef.name, or delete it",
                  cluster.password_secret());
    }
    return fail(problem.phase.empty() ? Errc::kUnavailable : Errc::kInvalidArgument, "{}",
                problem.message);
  }
  return VK8S_TRY_CONTEXT(password_in(content->front()), "Secret {}", cluster.password_secret());
}

}  // namespace vk8s::controller
