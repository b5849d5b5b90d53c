// What is to be done about one add-on of a cluster. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "addons/install_status.h"
#include "addons/manifest_set.h"
#include "api/vk8s.h"

namespace vk8s::controller {

// The set's name inside, whichever profile it is of.
inline constexpr std::string_view kKubeflowSet = "kubeflow";

// Who logs in first, of a set with a login.
struct AddonUser {
  addons::Login login;
  std::string source;   // of the password, for who wants to log in
  std::string trouble;  // why there is no login, and what to do; "" = there is one
  bool operator==(const AddonUser&) const = default;
};

struct AddonWish {
  std::string set_name;
  std::string field;       // of the Vk8s, that asks for it: "spec.kubeflow"
  std::string addon;       // which of the installation's; "" = it is to go
  std::string version;     // "" = any
  std::string kubernetes;  // that the cluster runs; "" = not known
  // The status has been seen to name it.
  bool is_recorded = false;
  api::AddonStatus known;         // what it says
  bool names_user = false;        // the spec has an address or a Secret for its login
  std::optional<AddonUser> user;  // once it is known that one is needed
  bool operator==(const AddonWish&) const = default;
};

// By set_name. An add-on that the status says was removed, and nobody wants, is none.
std::vector<AddonWish> wishes_of(const api::Vk8s& vk8s);

// Why none of the installation's add-ons is what is wanted: it has none of that name, or
// a profile of Kubeflow and something else are taken for one another. names: all it has.
std::optional<std::string> objection_to(const AddonWish& wish,
                                        const std::vector<std::string>& names);

// Why a set is not what is wanted, or nothing for that cluster.
std::optional<std::string> objection_to(const AddonWish& wish, const addons::AddonInfo& info);

// What to tell of the login of one that is ready: how to log in; that the spec's words
// of it are not used where the set has none; "" = nothing. email: that of the set's
// first user, "" = it has no login.
std::string describe_login(const AddonWish& wish, const std::string& email);

// Whether "2.0" means "v2.0.1".
bool is_version(std::string_view wanted, std::string_view actual);

bool is_ready(const api::AddonStatus& status);
bool is_removed(const api::AddonStatus& status);

api::AddonStatus to_api(std::string_view set_name, const addons::InstallStatus& status);

}  // namespace vk8s::controller
