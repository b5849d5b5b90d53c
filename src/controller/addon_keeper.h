// Which clusters' add-ons are worked on, and when: a few at a time, in the order in which
// they came. The README says what is done when.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "controller/addon_sets.h"
#include "controller/addon_site.h"
#include "controller/addon_wish.h"
#include "controller/addons.h"
#include "pki/password_hash.h"

namespace vk8s::controller {

struct AddonKeeperOptions {
  std::size_t max_clusters = 8;                   // that are worked on at once
  std::chrono::milliseconds turn{600'000};        // after that one that waits has its turn
  std::chrono::milliseconds look_again{600'000};  // at what has settled
  std::chrono::milliseconds retry{60'000};        // of what is blocked, has failed, is not reached
  // What was Ready, or had Failed, and is looked at stays that for so long.
  std::chrono::milliseconds doubt{120'000};
  std::chrono::milliseconds tell_interval{1'000};
};

class AddonKeeper final : public Addons {
 public:
  using Connect = std::function<Result<std::unique_ptr<kube::Client>>(kube::ClientConfig)>;

  struct Parts {
    Timers& timers;
    std::function<void(std::function<void()>)> post;  // to the loop; any thread
    AddonSets& sets;
    Connect connect;  // on the loop's thread
    std::function<void(const kube::ObjectKey&)> wake;
    Log log;
  };
  // Made and ended on the loop's thread. All parts outlive it.
  explicit AddonKeeper(Parts parts, AddonKeeperOptions options = {});
  ~AddonKeeper() override;
  AddonKeeper(const AddonKeeper&) = delete;
  AddonKeeper& operator=(const AddonKeeper&) = delete;

  bool has_identity(const kube::ObjectKey& cluster) const override;
  Status adopt(const Cluster& cluster) override;
  bool wants_login(const api::Vk8s& vk8s) const override;
  AddonsReport ensure(const api::Vk8s& vk8s, bool can_work,
                      const std::optional<AddonLogin>& login) override;
  void forget(const kube::ObjectKey& cluster) override;

 private:
  using Key = kube::ObjectKey;
  using Told = std::map<std::string, api::AddonStatus>;  // by the set's name

  struct Identity {
    kube::ClientConfig config;
    std::string login_key;  // of addons::Login
  };
  // Of the Kubeflow that a cluster asks for.
  struct KubeflowLogin {
    std::string profile;
    std::string email;  // of the set's first user; "" = it has no login
    bool operator==(const KubeflowLogin&) const = default;
  };
  struct Hashed {
    pki::DerivedKey password;  // by which it is known again
    std::string hash;
  };
  // A shared plan with the cluster's login.
  struct OwnPlan {
    std::shared_ptr<const addons::Plan> shared;
    addons::Login login;
    std::shared_ptr<const addons::Plan> plan;
  };

  struct Entry {
    std::vector<AddonWish> wishes;
    bool can_work = false;
    // Also of what cannot be begun: else each look would read it out of the registry anew.
    std::vector<std::shared_ptr<const addons::Plan>> plans;
    OwnPlan own;
    AddonSite::Jobs jobs;
    std::unique_ptr<AddonSite> site;  // while it is worked on
    bool is_waiting = false;
    std::optional<AddonSite::Jobs> ended_with;  // at the end of the last look
    Timers::TimePoint rest_until;
    Timers::TimePoint doubt_until;
    Registration turn;
    Registration rest;
    Registration doubt;
    Registration ended;  // the site has said that it is at rest
    Registration tell;
  };

  void post(std::function<void()> work);
  void take(const Key& key, std::vector<AddonWish> wishes, bool can_work);
  void drop(const Key& key);
  void update_all();
  void update(const Key& key, Entry& entry);
  AddonSite::Jobs jobs_of(const Key& key, Entry& entry);
  std::shared_ptr<const addons::Plan> plan_for(const Key& key, Entry& entry, const AddonWish& wish,
                                               const std::shared_ptr<const addons::Plan>& plan);
  void note_login(const Key& key, KubeflowLogin login);
  std::optional<AddonUser> user_of(const Key& key, const std::string& email,
                                   const AddonLogin& login);
  Result<std::string> hash_of(const Key& key, const std::string& login_key,
                              const std::string& password);
  void pump();
  void open(const Key& key, Entry& entry);
  void close(const Key& key, Entry& entry);
  void rest(const Key& key, Entry& entry, std::chrono::milliseconds length);
  void on_site_change(const Key& key);
  void end_if_at_rest(const Key& key);
  void end_turn(const Key& key);
  void tell_site(const Key& key, Entry& entry);
  void tell(const Key& key, Entry& entry, const std::string& set_name, api::AddonStatus status);
  void tell_blocked(const Key& key, Entry& entry, const AddonWish& wish,
                    const std::string& message);
  void tell_trouble(const Key& key, Entry& entry, const AddonWish& wish, const std::string& trouble,
                    bool is_passing);
  api::AddonStatus last_of(const Key& key, const AddonWish& wish) const;
  bool only_makes_sure(const Key& key, const Entry& entry, const std::string& set_name) const;
  std::optional<kube::ClientConfig> config_of(const Key& key) const;

  Parts parts_;
  const AddonKeeperOptions options_;
  std::shared_ptr<AddonKeeper*> self_;  // what is posted may come when it has ended

  // On the loop's thread.
  std::map<Key, Entry> entries_;
  std::deque<Key> waiting_;
  std::size_t working_ = 0;

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::map<Key, Identity> identities_;
  std::map<Key, KubeflowLogin> logins_;
  std::map<Key, Hashed> hashed_;
  std::map<Key, Told> told_;
};

}  // namespace vk8s::controller
