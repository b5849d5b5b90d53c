#include "controller/addon_keeper.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "controller/inner_cluster.h"
#include "controller/manifests.h"
#include "controller/resource.h"

namespace vk8s::controller {
namespace {

// The agents' bootstrap objects make that group administrators.
constexpr std::string_view kAddonUser = "vk8s:addons";
constexpr std::string_view kAdministrators = "vk8s:cluster-admins";

api::AddonStatus status_in(addons::InstallPhase phase, const AddonWish& wish,
                           const std::string& message) {
  api::AddonStatus out = wish.known;
  out.name = wish.set_name == kKubeflowSet ? std::string() : wish.set_name;
  out.phase = addons::to_string(phase);
  out.message = base::printable(message);
  return out;
}

// Before anything is known of it; of one that was removed, nothing is left to tell.
api::AddonStatus begun_status(AddonWish wish) {
  wish.known = {};
  return status_in(addons::InstallPhase::kPending, wish, "");
}

bool has_failed(const api::AddonStatus& status) {
  return status.phase == addons::to_string(addons::InstallPhase::kFailed);
}

// How many more status.addons may name.
std::size_t room_for_new(const api::Vk8sStatus& status) {
  const std::size_t most = 2 * static_cast<std::size_t>(kMaxAddons);
  return most - std::min(most, status.addons.size());
}

}  // namespace

AddonKeeper::AddonKeeper(Parts parts, AddonKeeperOptions options)
    : parts_(std::move(parts)), options_(options), self_(std::make_shared<AddonKeeper*>(this)) {
  parts_.sets.on_change([this] { update_all(); });
}

AddonKeeper::~AddonKeeper() { parts_.sets.on_change(nullptr); }

void AddonKeeper::post(std::function<void()> work) {
  parts_.post([weak = std::weak_ptr(self_), work = std::move(work)] {
    if (const auto there = weak.lock()) {
      work();
    }
  });
}

std::optional<kube::ClientConfig> AddonKeeper::config_of(const Key& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = identities_.find(key);
  return found == identities_.end() ? std::nullopt : std::optional(found->second.config);
}

bool AddonKeeper::has_identity(const Key& key) const { return config_of(key).has_value(); }

Status AddonKeeper::adopt(const Cluster& cluster) {
  pki::Subject subject;
  subject.common_name = kAddonUser;
  subject.organizations = {std::string(kAdministrators)};
  kube::ClientConfig config = VK8S_TRY_CONTEXT(inner_client_config(cluster, subject),
                                               "identity for the add-ons of {}", cluster.name());
  const pki::DerivedKey login_key = pki::derive_key(cluster.pki.at("ca.key"), "logins of add-ons");
  const std::lock_guard lock(mutex_);
  identities_.insert_or_assign(key_of(cluster),
                               Identity{std::move(config), {login_key.begin(), login_key.end()}});
  return {};
}

bool AddonKeeper::wants_login(const api::Vk8s& vk8s) const {
  const std::lock_guard lock(mutex_);
  const auto at = logins_.find({vk8s.metadata.namespace_name, vk8s.metadata.name});
  return at != logins_.end() && !at->second.email.empty() && vk8s.spec.kubeflow &&
         vk8s.spec.kubeflow->profile == at->second.profile;
}

std::optional<AddonUser> AddonKeeper::user_of(const Key& key, const std::string& email,
                                              const AddonLogin& login) {
  AddonUser out{.login = {.email = email, .password_hash = "", .key = ""},
                .source = login.source,
                .trouble = login.trouble};
  {
    const std::lock_guard lock(mutex_);
    const auto identity = identities_.find(key);
    if (identity == identities_.end()) {
      return std::nullopt;
    }
    out.login.key = identity->second.login_key;
  }
  if (!email.empty() && !addons::is_email_address(email)) {
    out.trouble = fmt::format(
        "spec.kubeflow.email \"{}\": write an address of letters, digits and . _ % + -, such as "
        "user@example.com",
        base::printable(email, 64));
  }
  if (!out.trouble.empty()) {
    return out;
  }
  if (auto hash = hash_of(key, out.login.key, login.password)) {
    out.login.password_hash = *std::move(hash);
  } else {
    out.trouble = fmt::format("{}: {}", login.source, hash.error().message());
  }
  return out;
}

// The same for the same password: a salt of its own for each cluster and password, which
// tells nothing of either.
Result<std::string> AddonKeeper::hash_of(const Key& key, const std::string& login_key,
                                         const std::string& password) {
  const pki::DerivedKey digest = pki::derive_key(login_key, "password " + password);
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = hashed_.find(key); at != hashed_.end() && at->second.password == digest) {
      return at->second.hash;
    }
  }
  const pki::DerivedKey bytes = pki::derive_key(login_key, "salt " + password);
  pki::BcryptSalt salt{};
  std::copy_n(bytes.begin(), salt.size(), salt.begin());
  std::string hash = VK8S_TRY(pki::bcrypt(password, salt));
  const std::lock_guard lock(mutex_);
  hashed_.insert_or_assign(key, Hashed{digest, hash});
  return hash;
}

AddonsReport AddonKeeper::ensure(const api::Vk8s& vk8s, bool can_work,
                                 const std::optional<AddonLogin>& login) {
  const Key key{vk8s.metadata.namespace_name, vk8s.metadata.name};
  std::vector<AddonWish> wishes = wishes_of(vk8s);
  if (login && vk8s.spec.kubeflow) {
    const auto wish = std::find_if(wishes.begin(), wishes.end(), [](const AddonWish& each) {
      return each.set_name == kKubeflowSet;
    });
    wish->user = user_of(key, vk8s.spec.kubeflow->email, *login);
  }
  Told told;
  std::optional<KubeflowLogin> known_login;
  {
    const std::lock_guard lock(mutex_);
    if (const auto at = told_.find(key); at != told_.end()) {
      told = at->second;
    }
    if (const auto at = logins_.find(key); at != logins_.end()) {
      known_login = at->second;
    }
  }
  AddonsReport out;
  std::size_t room = room_for_new(vk8s.status);
  for (const AddonWish& wish : wishes) {
    const bool is_listed = wish.is_recorded || wish.set_name == kKubeflowSet;
    if (!is_listed && room == 0) {
      continue;  // its turn comes when one of those that are going has gone
    }
    room -= is_listed ? 0 : 1;
    const auto at = told.find(wish.set_name);
    api::AddonStatus status = at != told.end() ? at->second : wish.known;
    if (at != told.end() && wish.set_name == kKubeflowSet && is_ready(status) && known_login &&
        known_login->profile == wish.addon) {
      const std::string words = base::printable(describe_login(wish, known_login->email));
      status.message += (status.message.empty() || words.empty() ? "" : "; ") + words;
    }
    if (!wish.is_recorded || (is_removed(status) && !wish.addon.empty())) {
      status = begun_status(wish);
    }
    if (wish.set_name == kKubeflowSet) {
      out.kubeflow = std::move(status);
    } else {
      out.addons.push_back(std::move(status));
    }
  }
  post([this, key, wishes = std::move(wishes), can_work] { take(key, wishes, can_work); });
  return out;
}

void AddonKeeper::forget(const Key& key) {
  {
    const std::lock_guard lock(mutex_);
    identities_.erase(key);
    hashed_.erase(key);
    told_.erase(key);
  }
  post([this, key] { drop(key); });
}

void AddonKeeper::take(const Key& key, std::vector<AddonWish> wishes, bool can_work) {
  if (wishes.empty()) {
    drop(key);
    return;
  }
  Entry& entry = entries_[key];
  entry.wishes = std::move(wishes);
  entry.can_work = can_work;
  update(key, entry);
  pump();
}

void AddonKeeper::drop(const Key& key) {
  if (const auto at = entries_.find(key); at != entries_.end()) {
    close(key, at->second);
    entries_.erase(at);
  }
  const std::lock_guard lock(mutex_);
  logins_.erase(key);
  told_.erase(key);
}

void AddonKeeper::update_all() {
  for (auto& [key, entry] : entries_) {
    update(key, entry);
  }
  pump();
}

void AddonKeeper::update(const Key& key, Entry& entry) {
  AddonSite::Jobs jobs = jobs_of(key, entry);
  if (std::exchange(entry.jobs, jobs) != jobs) {
    entry.rest_until = {};
  }
  if (!entry.can_work || jobs.empty()) {
    close(key, entry);
    entry.rest_until = {};  // what has been away is looked at when it is back
    return;
  }
  if (entry.site) {
    entry.site->set_jobs(jobs);
    return;
  }
  if (!entry.is_waiting && parts_.timers.now() >= entry.rest_until) {
    entry.is_waiting = true;
    waiting_.push_back(key);
  }
}

// What can be begun. Of what cannot, it is told why.
AddonSite::Jobs AddonKeeper::jobs_of(const Key& key, Entry& entry) {
  AddonSite::Jobs out;
  std::vector<std::shared_ptr<const addons::Plan>> plans;
  for (const AddonWish& wish : entry.wishes) {
    if (!wish.is_recorded) {
      continue;
    }
    if (wish.addon.empty()) {
      out.emplace(wish.set_name, nullptr);
      continue;
    }
    if (const auto objection = objection_to(wish, parts_.sets.names())) {
      tell_blocked(key, entry, wish, *objection);
      continue;
    }
    const AddonSets::Found found = parts_.sets.find(wish.addon);
    if (!found.trouble.empty()) {
      tell_trouble(key, entry, wish, found.trouble, found.is_passing);
    } else if (found.plan) {
      plans.push_back(found.plan);
      if (const auto objection = objection_to(wish, found.plan->set->info())) {
        tell_blocked(key, entry, wish, *objection);
      } else if (auto plan = plan_for(key, entry, wish, found.plan)) {
        out.emplace(wish.set_name, std::move(plan));
      }
    }
  }
  if (std::find(plans.begin(), plans.end(), entry.own.shared) == plans.end()) {
    entry.own = {};
  }
  entry.plans = std::move(plans);
  return out;
}

// As this cluster is to have it; null while its first user is not known.
std::shared_ptr<const addons::Plan> AddonKeeper::plan_for(
    const Key& key, Entry& entry, const AddonWish& wish,
    const std::shared_ptr<const addons::Plan>& plan) {
  const addons::AddonInfo& info = plan->set->info();
  if (wish.set_name == kKubeflowSet) {
    note_login(key, {wish.addon, info.login ? info.login->email : ""});
  }
  if (!info.login) {
    return plan;
  }
  if (!wish.user) {
    return nullptr;
  }
  if (!wish.user->trouble.empty()) {
    tell_trouble(key, entry, wish, wish.user->trouble, last_of(key, wish).version == info.version);
    return nullptr;
  }
  if (entry.own.shared != plan || !(entry.own.login == wish.user->login)) {
    entry.own = {plan, wish.user->login, addons::with_login(*plan, wish.user->login)};
  }
  return entry.own.plan;
}

// The next reconcile reads the password.
void AddonKeeper::note_login(const Key& key, KubeflowLogin login) {
  bool is_wanted = false;
  {
    const std::lock_guard lock(mutex_);
    KubeflowLogin& known = logins_[key];
    is_wanted = !login.email.empty() && !(known == login);
    known = std::move(login);
  }
  if (is_wanted) {
    parts_.wake(key);
  }
}

void AddonKeeper::pump() {
  while (working_ < options_.max_clusters && !waiting_.empty()) {
    const Key key = std::move(waiting_.front());
    waiting_.pop_front();
    const auto at = entries_.find(key);
    if (at != entries_.end() && std::exchange(at->second.is_waiting, false)) {
      open(key, at->second);
    }
  }
}

void AddonKeeper::open(const Key& key, Entry& entry) {
  const auto config = config_of(key);
  auto client = config ? parts_.connect(*config)
                       : fail(Errc::kUnavailable, "the cluster's certificates are not known yet");
  if (!client) {
    parts_.log.warning("add-ons", {{"vk8s", key.namespace_name + "/" + key.name},
                                   {"error", client.error().message()}});
    for (const AddonWish& wish : entry.wishes) {
      if (entry.jobs.contains(wish.set_name)) {
        tell(key, entry, wish.set_name,
             status_in(addons::InstallPhase::kPending, wish,
                       "the API server inside is not reached: " + client.error().message()));
      }
    }
    rest(key, entry, options_.retry);
    return;
  }
  entry.site = std::make_unique<AddonSite>(parts_.timers, *std::move(client),
                                           parts_.log.child(key.namespace_name + "/" + key.name),
                                           [this, key] { on_site_change(key); });
  ++working_;
  entry.doubt_until = parts_.timers.now() + options_.doubt;
  entry.doubt = parts_.timers.after(options_.doubt, [this, key] { on_site_change(key); });
  entry.turn = parts_.timers.after(options_.turn, [this, key] { end_turn(key); });
  entry.site->set_jobs(entry.jobs);
  on_site_change(key);
}

// Whether nothing else of it is to be there than at the last look, which found it ready or
// refused: that it is being looked at anew is no news.
bool AddonKeeper::only_makes_sure(const Key& key, const Entry& entry,
                                  const std::string& set_name) const {
  const auto wish = std::find_if(entry.wishes.begin(), entry.wishes.end(),
                                 [&](const AddonWish& each) { return each.set_name == set_name; });
  const auto job = entry.jobs.find(set_name);
  if (wish == entry.wishes.end() || job == entry.jobs.end() || !job->second) {
    return false;
  }
  if (entry.ended_with) {
    const auto before = entry.ended_with->find(set_name);
    if (before == entry.ended_with->end() || before->second != job->second) {
      return false;
    }
  }
  const api::AddonStatus last = last_of(key, *wish);
  return (is_ready(last) || has_failed(last)) && last.version == job->second->set->info().version;
}

void AddonKeeper::close(const Key& key, Entry& entry) {
  entry.turn.cancel();
  entry.doubt.cancel();
  entry.ended.cancel();
  entry.rest.cancel();
  if (std::exchange(entry.is_waiting, false)) {
    std::erase(waiting_, key);
  }
  if (std::exchange(entry.site, nullptr)) {
    --working_;
  }
}

// Closed, until it is looked at again.
void AddonKeeper::rest(const Key& key, Entry& entry, std::chrono::milliseconds length) {
  close(key, entry);
  entry.rest_until = parts_.timers.now() + length;
  entry.rest = parts_.timers.after(length, [this, key] {
    update(key, entries_.at(key));
    pump();
  });
}

void AddonKeeper::on_site_change(const Key& key) {
  Entry& entry = entries_.at(key);
  if (!entry.site) {
    return;  // it is just being made or ended
  }
  tell_site(key, entry);
  // Called from inside the site, which is not to be deleted there.
  if (entry.site->is_at_rest() && !entry.ended) {
    entry.ended =
        parts_.timers.after(std::chrono::nanoseconds(0), [this, key] { end_if_at_rest(key); });
  }
}

void AddonKeeper::end_if_at_rest(const Key& key) {
  Entry& entry = entries_.at(key);
  entry.ended.cancel();
  if (!entry.site->is_at_rest()) {
    return;
  }
  const bool is_settled = entry.site->is_settled();
  entry.ended_with = entry.jobs;
  rest(key, entry, is_settled ? options_.look_again : options_.retry);
  pump();
}

// Whose pods never come must not keep others waiting.
void AddonKeeper::end_turn(const Key& key) {
  Entry& entry = entries_.at(key);
  if (waiting_.empty()) {
    entry.turn = parts_.timers.after(options_.turn, [this, key] { end_turn(key); });
    return;
  }
  close(key, entry);
  update(key, entry);
  pump();
}

void AddonKeeper::tell_site(const Key& key, Entry& entry) {
  for (const auto& [set_name, status] : entry.site->statuses()) {
    if (status.phase == addons::InstallPhase::kPending && status.message.empty()) {
      continue;  // nothing is known yet: what was told last stays
    }
    const bool is_over = status.is_settled || status.phase == addons::InstallPhase::kFailed ||
                         status.phase == addons::InstallPhase::kBlocked;
    if (is_over || parts_.timers.now() >= entry.doubt_until ||
        !only_makes_sure(key, entry, set_name)) {
      tell(key, entry, set_name, to_api(set_name, status));
    }
  }
}

void AddonKeeper::tell_blocked(const Key& key, Entry& entry, const AddonWish& wish,
                               const std::string& message) {
  tell(key, entry, wish.set_name, status_in(addons::InstallPhase::kBlocked, wish, message));
}

// A registry or a Secret that is away takes nothing from what is ready.
void AddonKeeper::tell_trouble(const Key& key, Entry& entry, const AddonWish& wish,
                               const std::string& trouble, bool is_passing) {
  api::AddonStatus last = last_of(key, wish);
  if (!is_passing || !is_ready(last)) {
    tell_blocked(key, entry, wish, trouble);
    return;
  }
  last.message = base::printable("it is not looked after for now: " + trouble);
  tell(key, entry, wish.set_name, std::move(last));
}

// What was told last, by this leader or one before it.
api::AddonStatus AddonKeeper::last_of(const Key& key, const AddonWish& wish) const {
  const std::lock_guard lock(mutex_);
  if (const auto at = told_.find(key); at != told_.end()) {
    if (const auto status = at->second.find(wish.set_name); status != at->second.end()) {
      return status->second;
    }
  }
  return wish.known;
}

void AddonKeeper::tell(const Key& key, Entry& entry, const std::string& set_name,
                       api::AddonStatus status) {
  bool has_new_phase = false;
  {
    const std::lock_guard lock(mutex_);
    api::AddonStatus& known = told_[key][set_name];
    if (known == status) {
      return;
    }
    has_new_phase = known.phase != status.phase;
    known = std::move(status);
  }
  if (has_new_phase) {
    parts_.wake(key);
  } else if (!entry.tell) {
    entry.tell = parts_.timers.after(options_.tell_interval, [this, key] {
      entries_.at(key).tell.cancel();
      parts_.wake(key);
    });
  }
}

}  // namespace vk8s::controller
