#include "agent/csr_approval.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pki/pki.h"
#include "sys/file.h"
#include "sys/process.h"

namespace vk8s::agent {
namespace {

using testing::HasSubstr;

// A request as kubelet makes it, by the openssl program: not by the code under test.
std::string make_request(const std::string& subject, const std::string& alternative_names) {
  const sys::TempDir folder = std::move(*sys::TempDir::create());
  const auto pem = sys::check_command(
      {.argv = {"openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                "-nodes", "-keyout", folder.path() + "/key", "-subj", subject, "-addext",
                "subjectAltName=" + alternative_names},
       .environment = sys::scrubbed_environment()});
  return pem ? *pem : pem.error().message();
}

Json csr(const std::string& user, const std::string& request_pem) {
  return {{"metadata", {{"name", "csr-1"}}},
          {"spec",
           {{"signerName", "kubernetes.io/kubelet-serving"},
            {"username", user},
            {"request", pki::base64_encode(request_pem)}}},
          {"status", JsonObject{}}};
}

const NodeAddresses kNodes = {{"worker-1", {"10.0.0.1"}}, {"master-1", {"10.0.0.9"}}};
const std::string kSubject = "/O=system:nodes/CN=system:node:worker-1";
const std::string kUser = "system:node:worker-1";

TEST(JudgeServingRequest, ApprovesANodesOwnNames) {
  const auto verdict =
      judge_serving_request(csr(kUser, make_request(kSubject, "DNS:worker-1,IP:10.0.0.1")), kNodes);
  EXPECT_EQ(verdict.decision, CsrDecision::kApprove) << verdict.reason;
}

TEST(JudgeServingRequest, DeniesAnotherNodesAddress) {
  const auto verdict = judge_serving_request(
      csr(kUser, make_request(kSubject, "DNS:worker-1,IP:10.0.0.1,IP:10.0.0.9")), kNodes);
  EXPECT_EQ(verdict.decision, CsrDecision::kDeny);
  EXPECT_THAT(verdict.reason, HasSubstr("10.0.0.9"));
}

TEST(JudgeServingRequest, DeniesAnAddressThatTwoNodesClaim) {
  const NodeAddresses claimed = {{"worker-1", {"10.0.0.9"}}, {"master-1", {"10.0.0.9"}}};
  const auto verdict =
      judge_serving_request(csr(kUser, make_request(kSubject, "IP:10.0.0.9")), claimed);
  EXPECT_EQ(verdict.decision, CsrDecision::kDeny);
}

TEST(JudgeServingRequest, DeniesAnotherDnsName) {
  const auto verdict = judge_serving_request(
      csr(kUser, make_request(kSubject, "DNS:kubernetes.default.svc,IP:10.0.0.1")), kNodes);
  EXPECT_EQ(verdict.decision, CsrDecision::kDeny);
  EXPECT_THAT(verdict.reason, HasSubstr("kubernetes.default.svc"));
}

TEST(JudgeServingRequest, DeniesASubjectThatIsNotTheRequesters) {
  const auto verdict = judge_serving_request(
      csr(kUser, make_request("/O=system:nodes/CN=system:node:master-1", "IP:10.0.0.1")), kNodes);
  EXPECT_EQ(verdict.decision, CsrDecision::kDeny);
}

TEST(JudgeServingRequest, DeniesUriNamesAndBytesThatAreNoRequest) {
  EXPECT_EQ(
      judge_serving_request(csr(kUser, make_request(kSubject, "IP:10.0.0.1,URI:https://x")), kNodes)
          .decision,
      CsrDecision::kDeny);
  EXPECT_EQ(judge_serving_request(csr(kUser, "nonsense"), kNodes).decision, CsrDecision::kDeny);
}

TEST(JudgeServingRequest, WaitsForANodeItDoesNotKnow) {
  EXPECT_EQ(judge_serving_request(csr("system:node:new", ""), kNodes).decision, CsrDecision::kWait);
}

TEST(JudgeServingRequest, LeavesOtherSignersAndDecidedRequestsAlone) {
  Json other = csr(kUser, "");
  other.as_object()["spec"].as_object()["signerName"] = "kubernetes.io/kube-apiserver-client";
  EXPECT_EQ(judge_serving_request(other, kNodes).decision, CsrDecision::kIgnore);
  Json decided = csr(kUser, "");
  decided.as_object()["status"] = {{"conditions", JsonArray{JsonObject{{"type", "Approved"}}}}};
  EXPECT_EQ(judge_serving_request(decided, kNodes).decision, CsrDecision::kIgnore);
}

}  // namespace
}  // namespace vk8s::agent
