#include "agent/control_plane.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/wall_time.h"

namespace vk8s::agent {
namespace {

constexpr auto kRetryDelay = std::chrono::milliseconds(250);
constexpr std::size_t kMaxUndecided = 256;
// What nobody watches is applied anew this often: some twenty requests that change nothing.
constexpr auto kKeepInterval = std::chrono::minutes(5);
// In a row, before what the API server refuses waits for the next round: it may be
// for good, as another roleRef is.
constexpr int kMaxQuickRetries = 40;

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

// Without them no name is resolved: not for minutes.
bool is_of_dns(const BootstrapObject& object) {
  return object.resource == kube::resources::kService ||
         object.resource == kube::resources::kEndpoints ||
         object.resource == kube::resources::kEndpointSlice;
}

// Whether all that is wanted is there; servers add fields of their own.
bool is_as_wanted(const Json& wanted, const Json& there) {
  if (wanted.is_object() && there.is_object()) {
    return std::all_of(wanted.get_object().begin(), wanted.get_object().end(), [&](const auto& f) {
      const Json* value = there.get_object().if_contains(f.key());
      return value != nullptr && is_as_wanted(f.value(), *value);
    });
  }
  if (wanted.is_array() && there.is_array()) {
    return std::equal(wanted.get_array().begin(), wanted.get_array().end(),
                      there.get_array().begin(), there.get_array().end(), is_as_wanted);
  }
  return wanted == there;
}

}  // namespace

struct ControlPlane::Application {
  BootstrapObject object;
  kube::Call call;
  Registration retry;
  int failures = 0;  // in a row
  std::unique_ptr<ObjectWatch> watch;
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
    applications_.push_back(std::make_unique<Application>());
    applications_.back()->object = std::move(object);
  }
  started_ = true;
  for (const auto& application : applications_) {
    apply(*application);
    if (is_of_dns(application->object)) {
      watch(*application);
    }
  }
  keep_later();
  csr_watch_.start();
  return {};
}

void ControlPlane::keep_later() {
  keep_ = timers_.after(kKeepInterval, [this] {
    for (const auto& application : applications_) {
      apply(*application);
    }
    keep_later();
  });
}

void ControlPlane::apply(Application& application) {
  application.retry.cancel();
  application.call = client_.apply(
      application.object.resource, application.object.object,
      {.field_manager = kAgentFieldManager, .force = true},
      [this, &application](const auto& applied) { on_applied(application, applied); });
}

void ControlPlane::on_applied(Application& application, const Result<Json>& applied) {
  if (applied) {
    application.failures = 0;
    return;
  }
  log_.warning("bootstrap object not applied yet", {{"kind", application.object.resource.kind},
                                                    {"name", name_of(application.object.object)},
                                                    {"error", applied.error().message()}});
  if (++application.failures < kMaxQuickRetries) {
    application.retry = timers_.after(kRetryDelay, [this, &application] { apply(application); });
  }
}

// Not in the same moment: who else keeps the object would make a busy loop of it.
void ControlPlane::watch(Application& application) {
  const Json& wanted = application.object.object;
  application.watch = std::make_unique<ObjectWatch>(
      timers_, client_, application.object.resource,
      fmt::format("metadata.namespace={},metadata.name={}",
                  base::get_string(wanted, "metadata.namespace").value_or(""), name_of(wanted)),
      [this, &application](const kube::WatchEvent& event) {
        if (event.type == kube::WatchEvent::Type::kBookmark || application.retry ||
            (event.type != kube::WatchEvent::Type::kDeleted &&
             is_as_wanted(application.object.object, event.object))) {
          return;
        }
        log_.info("bootstrap object changed by others: applied anew",
                  {{"kind", application.object.resource.kind},
                   {"name", name_of(application.object.object)}});
        application.retry =
            timers_.after(kRetryDelay, [this, &application] { apply(application); });
      },
      log_);
  application.watch->start();
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
