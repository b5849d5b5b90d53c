// What every Client does alike: run against a real API server and against
// FakeClient, so that the fake stays honest.
#pragma once

#include <string>
#include <vector>

#include "kube/client.h"

namespace vk8s::kube::testing {

struct ContractCheck {
  std::string name;
  // Fails the running test where the contract is broken. Objects are ConfigMaps of
  // the namespace "default" that begin with the check's name.
  void (*run)(BlockingClient& client);
};

const std::vector<ContractCheck>& client_contract();

}  // namespace vk8s::kube::testing
