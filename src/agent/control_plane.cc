#include "agent/control_plane.h"

#include <chrono>

#include "base/wall_time.h"

namespace vk8s::agent {
namespace {

constexpr auto kRetryDelay = std::chrono::milliseconds(250);
constexpr std::size_t kMaxUndecided = 256;

std::vector<std::string> addresses_of(const Json& node) {
  std::vector<std::string> addresses;
  const JsonArray* all = base::get_array(node, "status.addresses");
  for (std::size_t i = 0; all != nullptr && i < all->size(); ++i) {
    if (base::get_string((*all)[i], "type") == "InternalIP") {
      addresses.emplace_back(base::get_string((*all)[i], "address").value_or(""));
    }
  }
  return addresses;
}

std::string name_of(const Json& object) {
  return std::string(base::get_string(object, "metadata.name").value_or(""));
}

}  // namespace

struct ControlPlane::Application {
  BootstrapObject object;
  kube::Call call;
  Registration retry;
};

ControlPlane::ControlPlane(Timers& timers, kube::Client& client, const api::NodeConfig& config,
                           std::string ca_pem, Log log)
    : timers_(timers),
      client_(client),
      config_(config),
      ca_pem_(std::move(ca_pem)),
      log_(std::move(log)),
      csr_watch_(
          timers, client, kube::resources::kCertificateSigningRequest, "",
          [this](const kube::WatchEvent& event) { on_csr(event); }, log_) {}

ControlPlane::~ControlPlane() = default;

Status ControlPlane::start() {
  if (started_) {
    return {};
  }
  for (BootstrapObject& object : VK8S_TRY(bootstrap_objects(config_, ca_pem_))) {
    applications_.push_back(std::make_unique<Application>(Application{std::move(object), {}, {}}));
  }
  started_ = true;
  pending_ = applications_.size();
  for (std::size_t i = 0; i < applications_.size(); ++i) {
    apply(i);
  }
  csr_watch_.start();
  return {};
}

void ControlPlane::apply(std::size_t index) {
  Application& application = *applications_[index];
  application.call = client_.apply(
      application.object.resource, application.object.object,
      {.field_manager = kAgentFieldManager, .force = true},
      [this, index](const Result<Json>& applied) {
        Application& done = *applications_[index];
        if (applied) {
          --pending_;
          return;
        }
        log_.warning("bootstrap object not applied yet", {{"kind", done.object.resource.kind},
                                                          {"name", name_of(done.object.object)},
                                                          {"error", applied.error().message()}});
        done.retry = timers_.after(kRetryDelay, [this, index] { apply(index); });
      });
}

void ControlPlane::on_node_deleted(const std::string& name) { addresses_.erase(name); }

void ControlPlane::on_node(const Json& node) {
  const std::string name = name_of(node);
  addresses_[name] = addresses_of(node);
  const JsonObject* labels = base::get_object(node, "metadata.labels");
  const bool is_self = name == config_.node_name;
  const char* label_key =
      is_self ? "node-role.kubernetes.io/control-plane" : "node-role.kubernetes.io/worker";
  if (labels == nullptr || !labels->contains(label_key)) {
    label(name, is_self ? api::NodeRole::kMaster : api::NodeRole::kWorker);
  }
  judge_undecided();
}

void ControlPlane::label(const std::string& node, api::NodeRole role) {
  calls_["label " + node] = client_.merge_patch(
      kube::resources::kNode, {"", node}, role_label_patch(role),
      [this, node](const Result<Json>& patched) {
        if (!patched) {  // the next change of the Node tries again
          log_.warning("node not labelled", {{"node", node}, {"error", patched.error().message()}});
        }
      });
}

void ControlPlane::on_csr(const kube::WatchEvent& event) {
  if (event.type == kube::WatchEvent::Type::kDeleted) {
    undecided_.erase(name_of(event.object));
  } else if (event.type != kube::WatchEvent::Type::kBookmark) {
    judge(event.object);
  }
}

void ControlPlane::judge(const Json& csr) {
  const std::string name = name_of(csr);
  const CsrVerdict verdict = judge_serving_request(csr, addresses_);
  undecided_.erase(name);
  if (verdict.decision == CsrDecision::kWait && undecided_.size() < kMaxUndecided) {
    undecided_.emplace(name, csr);
  }
  if (verdict.decision == CsrDecision::kWait || verdict.decision == CsrDecision::kIgnore) {
    return;
  }
  log_.info("certificate signing request decided",
            {{"request", name},
             {"approved", verdict.decision == CsrDecision::kApprove},
             {"reason", verdict.reason}});
  calls_["csr " + name] = client_.merge_patch(
      kube::resources::kCertificateSigningRequest, {"", name},
      approval_patch(verdict, base::format_time(std::chrono::system_clock::now())),
      [this, name, csr](const Result<Json>& patched) {
        if (!patched && patched.error().is_retryable()) {
          log_.warning("certificate signing request not decided yet",
                       {{"request", name}, {"error", patched.error().message()}});
          undecided_.emplace(name, csr);
          retry_ = timers_.after(kRetryDelay, [this] { judge_undecided(); });
        }
        calls_.erase("csr " + name);
      },
      "approval");
}

void ControlPlane::judge_undecided() {
  const auto undecided = undecided_;
  for (const auto& [name, csr] : undecided) {
    judge(csr);
  }
}

}  // namespace vk8s::agent
