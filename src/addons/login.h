// The first user of an add-on that has a login, and what else of it is a secret that no
// two clusters may share. Published manifests hold examples: known to everybody. Pure.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "kube/client.h"

namespace vk8s::addons {

class ManifestSet;
struct Plan;

// A value of a Secret of the set.
struct SecretPlace {
  kube::ObjectKey secret;  // name "proxy-*": the one whose name begins so (kustomize adds a hash)
  std::string key;
  std::string to_string() const;  // "Secret auth/dex-passwords, key HASH"
};

// "login" of addon.json: {"email": "user@example.com", "passwordHash": {"namespace": "auth",
// "name": "dex-passwords", "key": "HASH"}, "random": [[{...}, {...}], [{...}]]}.
struct LoginInfo {
  std::string email;          // the user that the manifests have
  SecretPlace password_hash;  // takes a bcrypt hash
  // The places of one list get one value: 32 hexadecimal digits, of 128 bits.
  std::vector<std::vector<SecretPlace>> random;
};

// Bytes of others. null: there is none.
Result<std::shared_ptr<const LoginInfo>> parse_login(const Json& document);

// Whether set has all of these places, and names that address.
Status check_login(const LoginInfo& info, const ManifestSet& set);

// Of one cluster.
struct Login {
  std::string email;  // "" = that of the manifests; else is_email_address()
  std::string password_hash;
  std::string key;  // secret; all random values follow from it
  bool operator==(const Login&) const = default;
};

// Such as can stand unquoted in whatever names a user: of letters, digits and "._%+-", at
// most 254 of them, the first one a letter or digit.
bool is_email_address(std::string_view text);

// The plan of a set with a login, for one cluster: with its hash, its random values, its
// address wherever the manifests name theirs, and workloads that start anew when a Secret
// or ConfigMap with one of these changes that their pods need. It shares all other objects
// with plan.
std::shared_ptr<const Plan> with_login(const Plan& plan, const Login& login);

}  // namespace vk8s::addons
