#include "addons/install_status.h"

#include <algorithm>
#include <map>

#include "addons/readiness.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxMessage = 512;

using Progress = ItemState::Progress;

// What is worth telling of an object, the worst first.
enum class Urgency { kRefused, kRetried, kNotReady, kUnderWay, kWaiting, kKept, kNothing };

struct News {
  Urgency urgency = Urgency::kNothing;
  std::string text;
};

std::string kept_text(const ItemState& state) {
  std::string out;
  for (const KeptField& field : state.kept) {
    out +=
        fmt::format("{}{} is as {} has set it", out.empty() ? "" : ", ", field.path, field.manager);
  }
  return out;
}

News news_of(const Plan& plan, const ApplyRun& run, std::size_t item) {
  const ItemState& state = run.items()[item];
  const std::string name = plan.manifests()[item].id.to_string();
  if (state.error && state.progress != Progress::kApplied) {
    return {state.is_refused ? Urgency::kRefused : Urgency::kRetried, state.error->message()};
  }
  switch (state.progress) {
    case Progress::kWaiting: {
      const std::string wait = run.describe_wait(item);
      return {wait.empty() ? Urgency::kUnderWay : Urgency::kWaiting,
              fmt::format("{}: {}", name, wait.empty() ? "is applied next" : wait)};
    }
    case Progress::kBusy:
    case Progress::kBackingOff:
      return {Urgency::kUnderWay, fmt::format("{}: is being applied", name)};
    case Progress::kApplied:
      break;
  }
  if (!state.is_ready) {
    return {Urgency::kNotReady, fmt::format("{}: {}", name, state.message)};
  }
  if (!state.kept.empty()) {
    return {Urgency::kKept, fmt::format("{}: {}", name, kept_text(state))};
  }
  const bool is_worth_a_word = state.is_foreign && plan.manifests()[item].id.kind != "Namespace";
  return is_worth_a_word ? News{Urgency::kKept, fmt::format("{}: {}", name, state.note)} : News{};
}

struct Component {
  std::size_t objects = 0;
  std::size_t ready = 0;
  News news;
  std::size_t as_urgent = 0;  // objects with news as urgent as that
};

ComponentStatus to_status(const std::string& name, const Component& component) {
  ComponentStatus status{.name = name,
                         .is_ready = component.ready == component.objects,
                         .message = component.news.text};
  if (component.as_urgent > 1) {
    status.message += fmt::format(" (and {} more)", component.as_urgent - 1);
  }
  status.message = base::printable(status.message, kMaxMessage);
  return status;
}

void fold_rest(std::vector<ComponentStatus>& components) {
  if (components.size() <= kMaxComponents) {
    return;
  }
  ComponentStatus rest{.name = "others", .is_ready = true, .message = ""};
  for (std::size_t i = kMaxComponents - 1; i < components.size(); ++i) {
    rest.is_ready = rest.is_ready && components[i].is_ready;
    if (rest.message.empty()) {
      rest.message = components[i].message;
    }
  }
  components.resize(kMaxComponents - 1);
  components.push_back(std::move(rest));
}

InstallPhase phase_of(const ApplyRun& run) {
  if (run.is_ready()) {
    return InstallPhase::kReady;
  }
  bool has_refused = false;
  for (const ItemState& state : run.items()) {
    if (state.progress == Progress::kBackingOff && state.is_refused) {
      has_refused = true;
    } else if (state.progress == Progress::kBusy || state.progress == Progress::kBackingOff ||
               (state.progress == Progress::kApplied && !state.is_ready)) {
      return InstallPhase::kInstalling;
    }
  }
  return has_refused ? InstallPhase::kFailed : InstallPhase::kInstalling;
}

int percent(std::size_t done, std::size_t all) {
  return all == 0 ? 100 : static_cast<int>(done * 100 / all);
}

}  // namespace

std::string_view to_string(InstallPhase phase) {
  switch (phase) {
    case InstallPhase::kPending:
      return "Pending";
    case InstallPhase::kBlocked:
      return "Blocked";
    case InstallPhase::kInstalling:
      return "Installing";
    case InstallPhase::kFailed:
      return "Failed";
    case InstallPhase::kReady:
      return "Ready";
    case InstallPhase::kRemoving:
      return "Removing";
    case InstallPhase::kRemoved:
      return "Removed";
  }
  return "";
}

InstallStatus status_of(const Plan& plan, const ApplyRun& run) {
  std::map<std::string, Component> components;
  std::size_t done = 0;
  std::size_t all = 0;
  for (std::size_t i = 0; i < run.items().size(); ++i) {
    const ItemState& state = run.items()[i];
    const bool counts_twice = has_readiness(plan.manifests()[i].id);
    all += counts_twice ? 2 : 1;
    done += state.progress == Progress::kApplied ? 1 : 0;
    done += counts_twice && state.is_ready ? 1 : 0;
    Component& component = components[plan.manifests()[i].component];
    ++component.objects;
    component.ready += state.is_ready ? 1 : 0;
    News news = news_of(plan, run, i);
    if (news.urgency < component.news.urgency) {
      component.news = std::move(news);
      component.as_urgent = 1;
    } else if (news.urgency == component.news.urgency && news.urgency != Urgency::kNothing) {
      ++component.as_urgent;
    }
  }
  InstallStatus status{.phase = phase_of(run),
                       .version = plan.set->info().version,
                       .message = "",
                       .progress = percent(done, all),
                       .components = {}};
  for (const auto& [name, component] : components) {
    status.components.push_back(to_status(name, component));
  }
  fold_rest(status.components);
  return status;
}

Json to_json(const InstallStatus& status) {
  JsonArray components;
  for (const ComponentStatus& component : status.components) {
    components.push_back(JsonObject{
        {"name", component.name}, {"ready", component.is_ready}, {"message", component.message}});
  }
  return JsonObject{{"phase", to_string(status.phase).data()},
                    {"version", status.version},
                    {"message", status.message},
                    {"progress", status.progress},
                    {"components", std::move(components)}};
}

}  // namespace vk8s::addons
