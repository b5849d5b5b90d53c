// Takes a set out of a cluster again, by its inventory alone. Goes on from wherever a
// predecessor ended. On the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "addons/install_status.h"
#include "addons/inventory_store.h"
#include "addons/remover.h"
#include "base/log.h"

namespace vk8s::addons {

struct UninstallerOptions {
  std::string set_name;
  std::string inventory_namespace = "kube-system";
  RemoverOptions remove;
  std::chrono::milliseconds first_backoff{500};
  std::chrono::milliseconds max_backoff{30'000};
};

class Uninstaller {
 public:
  // on_change is called, from the loop, when status() has changed; it may not delete the
  // uninstaller. timers and client outlive it.
  Uninstaller(Timers& timers, kube::Client& client, UninstallerOptions options, Log log,
              std::function<void()> on_change);
  ~Uninstaller();
  Uninstaller(const Uninstaller&) = delete;
  Uninstaller& operator=(const Uninstaller&) = delete;

  void start();

  // Settled once it is kRemoved; the message then says what was kept. What was kept stays
  // in the inventory, for an Uninstaller that may delete data.
  const InstallStatus& status() const { return status_; }

 private:
  void load();
  void take_inventory(Result<Inventory> inventory);
  void take_recorded(Result<Inventory> inventory);
  void on_remove_change();
  void conclude();
  void reload_and_conclude();
  void settle();
  void retry(const Error& error, void (Uninstaller::*step)());
  void tell(InstallStatus status);

  Timers& timers_;
  kube::Client& client_;
  const UninstallerOptions options_;
  Log log_;
  const std::function<void()> on_change_;
  InventoryStore store_;
  Inventory inventory_;
  InstallStatus status_;
  std::unique_ptr<Remover> remover_;
  bool is_concluding_ = false;
  kube::Backoff backoff_;
  Registration timer_;
};

}  // namespace vk8s::addons
