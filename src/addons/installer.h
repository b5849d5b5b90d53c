// Installs a set into a cluster, or brings an older version of it up to date: inventory,
// objects, then what the new version dropped. Goes on from wherever a predecessor ended,
// and follows the objects for as long as it lives. On the loop's thread.
//
// One at a time for a set: two of the same version at once do no harm, a late one of an
// older version may bring back an object of its own until the newer one looks again.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "addons/apply_run.h"
#include "addons/install_status.h"
#include "addons/inventory_store.h"
#include "addons/plan.h"
#include "addons/remover.h"
#include "base/log.h"

namespace vk8s::addons {

// Looks, before the first object of a set is applied, whether that can go well: done is
// called once, at once or later from the loop, with what speaks against it.
using Precheck = std::function<void(std::function<void(std::vector<std::string>)> done)>;

struct InstallerOptions {
  std::string set_name;  // a DNS label of at most 40 characters
  std::string inventory_namespace = "kube-system";
  ApplyRunOptions apply;
  RemoverOptions remove;                         // of what a new version dropped
  Precheck precheck;                             // may be empty
  std::chrono::milliseconds first_backoff{500};  // between attempts to read or write the inventory
  std::chrono::milliseconds max_backoff{30'000};
  std::chrono::milliseconds recheck{60'000};  // of what blocks
};

class Installer {
 public:
  // on_change is called, from the loop, when status() has changed; it may not delete the
  // installer. timers and client outlive it.
  Installer(Timers& timers, kube::Client& client, std::shared_ptr<const Plan> plan,
            InstallerOptions options, Log log, std::function<void()> on_change);
  ~Installer();
  Installer(const Installer&) = delete;
  Installer& operator=(const Installer&) = delete;

  void start();

  const InstallStatus& status() const { return status_; }

 private:
  void load();
  void take_inventory(Result<Inventory> inventory);
  void check();
  void take_problems(std::vector<std::string> problems);
  void record();
  void take_recorded(Result<Inventory> inventory);
  void run();
  void on_run_change();
  void prune();
  void on_prune_change();
  // Takes out of the inventory what is gone, and says that all is there.
  void conclude();
  void take_concluded(Result<Inventory> inventory);
  void reload_and_conclude();
  void retry(const Error& error, void (Installer::*step)());
  void tell(InstallStatus status);

  std::vector<InventoryEntry> wanted_entries() const;

  Timers& timers_;
  kube::Client& client_;
  const std::shared_ptr<const Plan> plan_;
  const InstallerOptions options_;
  Log log_;
  const std::function<void()> on_change_;
  InventoryStore store_;
  Inventory inventory_;
  InstallStatus status_;
  std::unique_ptr<ApplyRun> run_;
  std::unique_ptr<Remover> remover_;
  bool is_concluding_ = false;
  kube::Backoff backoff_;
  Registration timer_;
  // A precheck may answer when the installer is gone.
  std::shared_ptr<Installer*> self_;
};

}  // namespace vk8s::addons
