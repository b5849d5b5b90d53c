#include "cli/cluster_checks.h"

#include "api/vk8s.h"
#include "base/text.h"
#include "cli/issued_kubeconfig.h"
#include "pki/pki.h"

namespace vk8s::cli {
namespace {

using namespace std::chrono_literals;
namespace phase = api::phase;

// The controller renews after two thirds of a year.
constexpr auto kExpirySoon = 24h * 30;
constexpr auto kReadyTimeout = 5s;

// While a cluster comes up or goes down, what is not ready is no fault.
FindingLevel level_of(const ClusterView& cluster) {
  return cluster.phase == phase::kRunning || cluster.phase == phase::kFail ? FindingLevel::kFail
                                                                           : FindingLevel::kWarn;
}

std::string watch_hint(const ClusterView& cluster) {
  return fmt::format("kubectl vk8s watch {} -n {}", cluster.name, cluster.namespace_name);
}

Finding check_answers(Surroundings& surroundings, const Json& kubeconfig,
                      const ClusterView& cluster) {
  const std::string subject = "API server of the cluster";
  auto config = kube::ClientConfig::from_foreign_kubeconfig(base::to_string(kubeconfig));
  if (!config) {
    return bad(subject, config.error().message(), "delete the Secret: it is made anew");
  }
  std::string server = base::printable(config->server, 256);
  auto client = surroundings.connect(*std::move(config));
  if (!client) {
    return bad(subject, client.error().message(), "delete the Secret: it is made anew");
  }
  HostApi inner(surroundings, *std::move(client), server, "default");
  inner.set_timeout(kReadyTimeout);
  const auto answer = inner.read("/readyz");
  if (answer) {
    return ok(subject, fmt::format("{} is ready", server));
  }
  const std::string& message = answer.error().message();
  const std::string_view first_line = std::string_view(message).substr(0, message.find('\n'));
  return {level_of(cluster), subject,
          fmt::format("{}: {}", server, base::printable(first_line, 512)),
          fmt::format("check that this machine reaches {} (a firewall?), and the log: kubectl vk8s "
                      "logs {} -n {} --component kube-apiserver",
                      server, cluster.name, cluster.namespace_name)};
}

std::string client_certificate(const Json& kubeconfig) {
  const auto encoded = base::get_string(kubeconfig, "users.0.user.client-certificate-data");
  const auto pem = pki::base64_decode(encoded.value_or(""));
  return pem ? *pem : std::string();
}

}  // namespace

Finding check_phase(const ClusterView& cluster) {
  const std::string subject = "cluster " + cluster.name;
  std::string what = fmt::format("{}, {} nodes ready{}{}", cluster.phase, cluster.ready_nodes,
                                 cluster.message.empty() ? "" : ": ", cluster.message);
  if (!cluster.is_current()) {
    return warn(subject, what + " (its controller has not seen the last change yet)",
                "if that lasts, the controller does not run: see above");
  }
  if (cluster.phase == phase::kRunning) {
    return ok(subject, what);
  }
  if (cluster.phase == phase::kFail) {
    return bad(subject, what, "the message says what to change");
  }
  if (cluster.phase == phase::kPaused) {
    return warn(subject, what,
                fmt::format("kubectl vk8s resume {} -n {}", cluster.name, cluster.namespace_name));
  }
  return warn(subject, what, "wait: " + watch_hint(cluster));
}

Findings check_conditions(const ClusterView& cluster) {
  Findings out;
  for (const api::Condition& condition : cluster.conditions) {
    const bool bad_when_true = is_bad_when_true(condition.type);
    const auto good = bad_when_true ? api::ConditionStatus::kFalse : api::ConditionStatus::kTrue;
    if (condition.status == good) {
      continue;
    }
    const std::string& said = condition.message.empty() ? condition.reason : condition.message;
    const bool is_conflict = condition.type.ends_with("NameConflict");
    out.push_back({bad_when_true && !is_conflict ? FindingLevel::kWarn : level_of(cluster),
                   "condition " + condition.type,
                   fmt::format("{}: {}", api::to_string(condition.status), said),
                   is_conflict ? "rename one of the two" : "as the message says"});
  }
  return out;
}

Findings check_cluster_nodes(const ClusterView& cluster) {
  Findings out;
  for (const NodeView& node : cluster.nodes) {
    if (node.phase == "Ready" || cluster.phase == phase::kPaused) {
      continue;
    }
    out.push_back({node.phase == "Failing" ? FindingLevel::kFail : level_of(cluster),
                   "node " + node.name,
                   fmt::format("{} ({}%){}{}", node.phase, node.progress,
                               node.message.empty() ? "" : ": ", node.message),
                   fmt::format("kubectl vk8s logs {} -n {} --node {}; kubectl -n {} describe pod "
                               "{}-0",
                               cluster.name, cluster.namespace_name, node.name,
                               cluster.namespace_name, node.name)});
  }
  return out;
}

Finding check_expiry(std::string_view certificate_pem, base::WallTime now,
                     const std::string& secret) {
  const std::string subject = "credentials";
  const auto info = pki::parse_certificate(certificate_pem);
  const std::string fix =
      fmt::format("kubectl delete secret {}: the controller issues new ones", secret);
  if (!info) {
    return bad(subject, fmt::format("the certificate in Secret {} cannot be read", secret), fix);
  }
  const std::string until = base::format_time(info->not_after);
  if (info->not_after <= now) {
    return bad(subject, fmt::format("they have ended on {}", until), fix);
  }
  if (info->not_after - now < kExpirySoon) {
    return warn(subject, fmt::format("they end on {}, and have not been renewed", until),
                "check that the controller runs; " + fix);
  }
  return ok(subject, fmt::format("valid until {}", until));
}

Findings check_cluster(HostApi& api, Surroundings& surroundings, const std::string& name) {
  const Result<Json> object = api.get_cluster(name);
  if (!object) {
    return {bad("cluster " + name, object.error().message(), "kubectl vk8s list -A")};
  }
  const ClusterView cluster = view_of(*object);
  Findings out = {check_phase(cluster)};
  for (Findings part : {check_conditions(cluster), check_cluster_nodes(cluster)}) {
    std::move(part.begin(), part.end(), std::back_inserter(out));
  }
  const Result<Json> kubeconfig = read_issued_kubeconfig(api, name);
  if (!kubeconfig) {
    out.push_back(kubeconfig.error().code() == Errc::kUnavailable
                      ? Finding{level_of(cluster), "kubeconfig", kubeconfig.error().message(),
                                "wait: " + watch_hint(cluster)}
                      : unknown("kubeconfig", kubeconfig.error()));
    return out;
  }
  if (cluster.phase != phase::kPaused) {
    out.push_back(check_answers(surroundings, *kubeconfig, cluster));
  }
  out.push_back(check_expiry(client_certificate(*kubeconfig), surroundings.now(),
                             fmt::format("{}-kubeconfig -n {}", name, api.namespace_name())));
  return out;
}

}  // namespace vk8s::cli
