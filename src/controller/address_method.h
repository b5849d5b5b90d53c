// How the host's network gives a pod the address that it is to have.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/cidr.h"
#include "base/error.h"
#include "kube/client.h"

namespace vk8s::controller {

// Any thread but the loop's: answers may need requests.
class AddressMethod {
 public:
  virtual ~AddressMethod() = default;

  // Of the pod, beside api::kIpAnnotation.
  virtual std::map<std::string, std::string> annotations(const IpAddress& address) const = 0;

  // Why the pod cannot have the address now, and what to do; kUnavailable where that
  // is not known. is_there: the pod exists and waits for its address; else it is about
  // to be made.
  virtual Status check(const kube::ObjectKey& pod, const IpAddress& address, bool is_there) = 0;

  // What pods with fixed addresses cannot do on this host; "" = nothing is known.
  virtual std::string limits() = 0;
};

}  // namespace vk8s::controller
