// The add-ons that this installation has.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "addons/plan.h"

namespace vk8s::controller {

// On the loop's thread.
class AddonSets {
 public:
  struct Found {
    bool exists = false;
    std::shared_ptr<const addons::Plan> plan;  // once it is read
    // Why it cannot be installed anywhere: what it was not read for, images that are
    // missing; "" = nothing, or it is being read.
    std::string trouble;
    bool is_passing = false;  // a trouble of the registry, not of the set
  };

  virtual ~AddonSets() = default;

  virtual std::vector<std::string> names() const = 0;
  // At once. Has it read where it is not there; then on_change is called later.
  virtual Found find(const std::string& name) = 0;
  virtual void on_change(std::function<void()> tell) = 0;
};

}  // namespace vk8s::controller
