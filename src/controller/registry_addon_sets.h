// The add-ons of this installation, read from its registry. The README says with what
// bounds, and when.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "addons/artifact_fetch.h"
#include "base/event_loop.h"
#include "base/log.h"
#include "controller/addon_sets.h"
#include "controller/cluster.h"
#include "http/client.h"
#include "kube/client.h"

namespace vk8s::controller {

class RegistryAddonSets final : public AddonSets {
 public:
  // host: where settings.addon_pull_secret is. All outlive it. settings.addons holds
  // references that ArtifactReference::parse() takes.
  RegistryAddonSets(EventLoop& loop, http::Client& registry, kube::Client& host,
                    const Settings& settings, Log log);
  ~RegistryAddonSets() override;
  RegistryAddonSets(const RegistryAddonSets&) = delete;
  RegistryAddonSets& operator=(const RegistryAddonSets&) = delete;

  std::vector<std::string> names() const override;
  Found find(const std::string& name) override;
  void on_change(std::function<void()> tell) override { tell_ = std::move(tell); }

 private:
  struct Entry {
    addons::ArtifactReference reference;
    std::weak_ptr<const addons::Plan> plan;  // whoever installs it keeps it
    std::string trouble;
    bool is_passing = false;
    Registration retry;
  };
  // What is read now.
  struct Reading;

  void read_next();
  void take_secret(Result<Json> secret);
  void fetch(const std::string& auth);
  void take_layer(Result<std::string> layer);
  void take_plan();
  void take_missing(Result<std::vector<std::string>> missing);
  void end(std::string trouble, bool is_passing = false);
  addons::RegistryAccess access_to(const addons::ArtifactReference& reference,
                                   const std::string& auth) const;

  EventLoop& loop_;
  http::Client& registry_;
  kube::Client& host_;
  const std::string mirror_;
  const std::string pull_secret_;
  Log log_;
  std::shared_ptr<const http::TlsIdentity> identity_;
  std::function<void()> tell_;
  std::map<std::string, Entry> entries_;
  std::vector<std::string> queue_;
  std::shared_ptr<Reading> reading_;
  std::shared_ptr<Reading> ended_;  // the one before
  Registration next_;
  // What the reading thread posts may come when this has ended.
  std::shared_ptr<RegistryAddonSets*> self_;
};

}  // namespace vk8s::controller
