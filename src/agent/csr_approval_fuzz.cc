#include "agent/csr_approval.h"
#include "pki/fuzz_pem.h"

namespace {
using namespace vk8s;

const agent::NodeAddresses kNodes = {
    {"worker-1", {"10.0.0.1", "fd00::1"}}, {"worker-2", {"10.0.0.2"}}, {"master-1", {}}};

void check_request(std::string_view pem) {
  const Json csr = {{"spec",
                     {{"signerName", "kubernetes.io/kubelet-serving"},
                      {"username", "system:node:worker-1"},
                      {"request", pki::base64_encode(pem)}}}};
  const agent::CsrVerdict verdict = agent::judge_serving_request(csr, kNodes);
  if (verdict.decision != agent::CsrDecision::kApprove) {
    return;
  }
  const auto info = pki::parse_certificate_request(pem);
  fuzz::require(info && info->subject.common_name == "system:node:worker-1" &&
                    info->subject.organizations == std::vector<std::string>{"system:nodes"},
                "only a node's own request is approved");
  fuzz::require(info->other_names.empty(), "no other name is approved");
  for (const std::string& name : info->dns_names) {
    fuzz::require(name == "worker-1", "no other DNS name is approved");
  }
  for (const std::string& address : info->ip_addresses) {
    fuzz::require(address == "10.0.0.1" || address == "fd00::1", "no other address is approved");
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return fuzz::mutate_pem("CERTIFICATE REQUEST", data, size, max_size, seed, fuzz::sign_request);
}

// The input is a request in PEM, or the object that holds one.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_request(text);
  if (const auto csr = base::parse_json(text)) {
    agent::approval_patch(agent::judge_serving_request(*csr, kNodes), "2026-05-01T09:30:00Z");
  }
  return 0;
}
