// Decides on certificate signing requests for kubelets' serving certificates.
// Source: kubernetes.io "Certificate Signing Requests", kubelet-serving signer;
// upstream leaves their approval to the cluster's operator.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::agent {

// Addresses of each Node, as its object says them.
using NodeAddresses = std::map<std::string, std::vector<std::string>>;

enum class CsrDecision { kApprove, kDeny, kWait, kIgnore };

struct CsrVerdict {
  CsrDecision decision = CsrDecision::kIgnore;
  std::string reason;  // a sentence, for the object's condition and the log
};

// kIgnore: not of that signer, or decided already. kWait: its Node is not known
// yet. kDeny: it asks for a name that is not its node's own. Pure.
CsrVerdict judge_serving_request(const Json& csr, const NodeAddresses& nodes);

// The merge patch of the approval subresource.
Json approval_patch(const CsrVerdict& verdict, std::string_view now_rfc3339);

}  // namespace vk8s::agent
