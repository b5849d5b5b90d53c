// vk8s-ipam: the IPAM plugin that gives a pod the address its annotation names, if
// that is its own, and every other pod what the delegate (host-local) gives.
//
// A pod without the annotation waits for nobody: this process becomes the delegate. A
// pod with it fails closed: it gets that address or none.
// Source: CNI specification 1.1.0.
#pragma once

#include <functional>
#include <string>

#include "cni/invocation.h"
#include "cni/ipam_protocol.h"
#include "cni/network_config.h"
#include "cni/result.h"

namespace vk8s::cni {

// What a process ends with.
struct Outcome {
  int exit_code = 0;
  std::string standard_output;
  std::string standard_error;
};

class IpamPlugin {
 public:
  using Ask = std::function<Result<ClaimAnswer>(const std::string& socket, const ClaimRequest&)>;
  using Become = std::function<Error(const std::string& program, const std::string& config)>;

  // ask() and become() of ipam_protocol.h and delegate.h, but in tests.
  IpamPlugin(Ask ask, Become become);

  // Reads the configuration from the descriptor. Does not return where the delegate
  // takes over.
  Outcome run(const Environment& environment, int standard_input) const;

 private:
  struct Failure {
    ErrorCode code;
    std::string message;
  };
  using Answer = tl::expected<std::string, Failure>;  // standard output

  static Failure failure_of(const Error& error);
  Answer serve(const Invocation& invocation, const NetworkConfig& config) const;
  Answer add(const Invocation& invocation, const NetworkConfig& config) const;
  Result<std::string> add_wanted(const Invocation& invocation, const Pod& pod,
                                 const NetworkConfig& config) const;
  Answer remove(const Invocation& invocation, const NetworkConfig& config) const;
  Answer check(const Invocation& invocation, const NetworkConfig& config) const;
  Answer collect(const Invocation& invocation, const NetworkConfig& config) const;
  Answer delegate(const Invocation& invocation, const NetworkConfig& config) const;

  Ask ask_;
  Become become_;
};

}  // namespace vk8s::cni
