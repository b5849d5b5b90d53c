#include "controller/addon_site.h"

#include <algorithm>
#include <utility>

namespace vk8s::controller {

AddonSite::AddonSite(Timers& timers, std::unique_ptr<kube::Client> client, Log log,
                     std::function<void()> on_change)
    : timers_(timers),
      client_(std::move(client)),
      log_(std::move(log)),
      on_change_(std::move(on_change)) {}

void AddonSite::set_jobs(const Jobs& jobs) {
  std::erase_if(works_, [&](const auto& each) {
    const auto job = jobs.find(each.first);
    return job == jobs.end() || job->second != each.second.plan;
  });
  for (const auto& [set_name, plan] : jobs) {
    const auto [at, is_new] = works_.try_emplace(set_name);
    if (is_new) {
      at->second.plan = plan;
      begin(set_name, at->second);
    }
  }
}

void AddonSite::begin(const std::string& set_name, Work& work) {
  if (!work.plan) {
    addons::UninstallerOptions options;
    options.set_name = set_name;
    work.uninstaller =
        std::make_unique<addons::Uninstaller>(timers_, *client_, options, log_, on_change_);
    work.uninstaller->start();
    return;
  }
  work.capacity = std::make_unique<addons::CapacityCheck>(*client_, work.plan->set);
  addons::InstallerOptions options;
  options.set_name = set_name;
  options.precheck = [check = work.capacity.get()](addons::CapacityCheck::Done done) {
    check->ask(std::move(done));
  };
  work.installer =
      std::make_unique<addons::Installer>(timers_, *client_, work.plan, options, log_, on_change_);
  work.installer->start();
}

std::map<std::string, addons::InstallStatus> AddonSite::statuses() const {
  std::map<std::string, addons::InstallStatus> out;
  for (const auto& [set_name, work] : works_) {
    out.emplace(set_name, work.status());
  }
  return out;
}

bool AddonSite::is_at_rest() const {
  return std::all_of(works_.begin(), works_.end(), [](const auto& each) {
    const addons::InstallStatus& status = each.second.status();
    return status.is_settled || status.phase == addons::InstallPhase::kBlocked ||
           status.phase == addons::InstallPhase::kFailed;
  });
}

bool AddonSite::is_settled() const {
  return std::all_of(works_.begin(), works_.end(),
                     [](const auto& each) { return each.second.status().is_settled; });
}

}  // namespace vk8s::controller
