#include "agent/csr_approval.h"

#include <algorithm>

#include "pki/pki.h"

namespace vk8s::agent {
namespace {

constexpr std::string_view kServingSigner = "kubernetes.io/kubelet-serving";
constexpr std::string_view kNodeUserPrefix = "system:node:";

bool is_decided(const Json& csr) {
  const JsonArray* conditions = base::get_array(csr, "status.conditions");
  return conditions != nullptr && !conditions->empty();
}

CsrVerdict deny(std::string reason) { return {CsrDecision::kDeny, std::move(reason)}; }

// No node may take another one's address: a request names only addresses that
// its own Node has and no other has.
std::string find_foreign_address(const std::string& node, const std::vector<std::string>& wanted,
                                 const NodeAddresses& nodes) {
  for (const std::string& address : wanted) {
    for (const auto& [name, addresses] : nodes) {
      const bool has = std::find(addresses.begin(), addresses.end(), address) != addresses.end();
      if (has != (name == node)) {
        return address;
      }
    }
  }
  return {};
}

}  // namespace

CsrVerdict judge_serving_request(const Json& csr, const NodeAddresses& nodes) {
  if (base::get_string(csr, "spec.signerName") != kServingSigner || is_decided(csr)) {
    return {};
  }
  const std::string user(base::get_string(csr, "spec.username").value_or(""));
  if (!user.starts_with(kNodeUserPrefix)) {
    return deny("the requester \"" + user + "\" is no node");
  }
  const std::string node = user.substr(kNodeUserPrefix.size());
  const auto known = nodes.find(node);
  if (known == nodes.end() || known->second.empty()) {
    return {CsrDecision::kWait, "Node " + node + " has no address yet"};
  }
  const auto encoded = base::get_string(csr, "spec.request").value_or("");
  const auto pem = pki::base64_decode(encoded);
  if (!pem) {
    return deny("spec.request: " + pem.error().message());
  }
  const auto request = pki::parse_certificate_request(*pem);
  if (!request) {
    return deny("spec.request: " + request.error().message());
  }
  if (request->subject.common_name != user ||
      request->subject.organizations != std::vector<std::string>{"system:nodes"}) {
    return deny("its subject is not that of " + user);
  }
  for (const std::string& name : request->dns_names) {
    if (name != node) {
      return deny("DNS name " + name + " is not the node's own");
    }
  }
  if (!request->other_names.empty()) {
    return deny("it asks for names that are neither DNS names nor addresses");
  }
  const std::string foreign = find_foreign_address(node, request->ip_addresses, nodes);
  if (!foreign.empty()) {
    return deny("address " + foreign + " is not the node's own");
  }
  if (request->dns_names.empty() && request->ip_addresses.empty()) {
    return deny("it names no DNS name and no address");
  }
  return {CsrDecision::kApprove, "user and names match Node " + node};
}

Json approval_patch(const CsrVerdict& verdict, std::string_view now_rfc3339) {
  const bool approved = verdict.decision == CsrDecision::kApprove;
  return {{"status",
           {{"conditions", JsonArray{JsonObject{{"type", approved ? "Approved" : "Denied"},
                                                {"status", "True"},
                                                {"reason", "Vk8sAgent"},
                                                {"message", verdict.reason},
                                                {"lastUpdateTime", std::string(now_rfc3339)}}}}}}};
}

}  // namespace vk8s::agent
