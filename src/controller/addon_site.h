// The add-ons of one cluster while it is worked on: an installer or uninstaller for each,
// and the connection that they share. On the loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "addons/capacity_check.h"
#include "addons/installer.h"
#include "addons/uninstaller.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "kube/client.h"

namespace vk8s::controller {

class AddonSite {
 public:
  // By the set's name; nullptr: it is to go.
  using Jobs = std::map<std::string, std::shared_ptr<const addons::Plan>>;

  // on_change is called, from the loop, when a status has changed; it may not delete the
  // site. timers outlives it.
  AddonSite(Timers& timers, std::unique_ptr<kube::Client> client, Log log,
            std::function<void()> on_change);

  // What is the same goes on.
  void set_jobs(const Jobs& jobs);

  std::map<std::string, addons::InstallStatus> statuses() const;
  // Nothing is left to do, or nothing can be done now.
  bool is_at_rest() const;
  bool is_settled() const;

 private:
  struct Work {
    std::shared_ptr<const addons::Plan> plan;
    std::unique_ptr<addons::CapacityCheck> capacity;
    std::unique_ptr<addons::Installer> installer;
    std::unique_ptr<addons::Uninstaller> uninstaller;

    const addons::InstallStatus& status() const {
      return installer ? installer->status() : uninstaller->status();
    }
  };
  void begin(const std::string& set_name, Work& work);

  Timers& timers_;
  std::unique_ptr<kube::Client> client_;
  Log log_;
  std::function<void()> on_change_;
  std::map<std::string, Work> works_;
};

}  // namespace vk8s::controller
