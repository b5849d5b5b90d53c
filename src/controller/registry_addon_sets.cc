#include "controller/registry_addon_sets.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "addons/image_lock.h"
#include "addons/manifest_files.h"
#include "base/text.h"
#include "controller/manifests.h"
#include "controller/registry_credentials.h"

namespace vk8s::controller {
namespace {

constexpr std::chrono::seconds kRetry{60};
// Of all files of a set: the controller is to hold several.
constexpr addons::FileLimits kFileLimits{.max_files = 2048, .max_bytes = 32U << 20U};
constexpr std::size_t kMaxNamed = 32;

struct Read {
  std::shared_ptr<const addons::Plan> plan;
  std::vector<addons::LockedImage> images;
  std::vector<std::string> unlocked;  // images that the lock does not name
};

// Seconds of work, for a large one.
Result<Read> read_set(const std::string& layer, const std::string& image_prefix) {
  auto files = VK8S_TRY(addons::unpack_manifests("layer.tar.gz", layer, kFileLimits));
  addons::ManifestSet set = VK8S_TRY(addons::ManifestSet::create(std::move(files)));
  Read out;
  if (!set.image_lock().empty()) {
    const addons::ImageLock lock = VK8S_TRY(addons::ImageLock::parse(set.image_lock()));
    for (const addons::ImageUse& use : addons::rewrite_images(set, lock, image_prefix).missing) {
      out.unlocked.push_back(use.image);
    }
    out.images = lock.images();
  }
  out.plan = addons::make_plan(std::make_shared<const addons::ManifestSet>(std::move(set)));
  return out;
}

std::string name_images(std::string_view what, const std::vector<std::string>& images) {
  const std::size_t named = std::min(images.size(), kMaxNamed);
  return fmt::format(
      "{}: {}{}", what, fmt::join(images.begin(), images.begin() + static_cast<long>(named), ", "),
      named < images.size() ? fmt::format(" and {} more", images.size() - named) : std::string());
}

}  // namespace

struct RegistryAddonSets::Reading {
  std::string name;
  addons::RegistryAccess access;
  kube::Call secret;
  std::unique_ptr<addons::ArtifactFetch> fetch;
  std::thread thread;
  std::unique_ptr<Result<Read>> read;  // the thread's, until it has posted
  std::unique_ptr<addons::ImageSearch> search;

  ~Reading() {
    if (thread.joinable()) {
      thread.join();
    }
  }
};

RegistryAddonSets::RegistryAddonSets(EventLoop& loop, http::Client& registry, kube::Client& host,
                                     const Settings& settings, Log log)
    : loop_(loop),
      registry_(registry),
      host_(host),
      mirror_(settings.registry_mirror),
      pull_secret_(settings.addon_pull_secret),
      log_(std::move(log)),
      self_(std::make_shared<RegistryAddonSets*>(this)) {
  auto identity = std::make_shared<http::TlsIdentity>();
  identity->ca_pem = settings.registry_ca_pem;
  identity_ = std::move(identity);
  for (const auto& [name, text] : settings.addons) {
    if (auto reference = addons::ArtifactReference::parse(text)) {
      entries_[name].reference = *std::move(reference);
    }
  }
}

RegistryAddonSets::~RegistryAddonSets() = default;

std::vector<std::string> RegistryAddonSets::names() const {
  std::vector<std::string> out;
  for (const auto& [name, entry] : entries_) {
    out.push_back(name);
  }
  return out;
}

AddonSets::Found RegistryAddonSets::find(const std::string& name) {
  const auto at = entries_.find(name);
  if (at == entries_.end()) {
    return {};
  }
  Found out{.exists = true,
            .plan = at->second.plan.lock(),
            .trouble = at->second.trouble,
            .is_passing = at->second.is_passing};
  const bool is_read_now = reading_ && reading_->name == name;
  if (!out.plan && out.trouble.empty() && !is_read_now &&
      std::find(queue_.begin(), queue_.end(), name) == queue_.end()) {
    queue_.push_back(name);
    if (!reading_) {
      next_ = loop_.after(std::chrono::nanoseconds(0), [this] { read_next(); });
    }
  }
  return out;
}

void RegistryAddonSets::read_next() {
  ended_.reset();
  if (reading_ || queue_.empty()) {
    return;
  }
  reading_ = std::make_shared<Reading>();
  reading_->name = queue_.front();
  queue_.erase(queue_.begin());
  if (pull_secret_.empty()) {
    fetch("");
    return;
  }
  reading_->secret =
      host_.get(kube::resources::kSecret, {std::string(kSystemNamespace), pull_secret_},
                [this](Result<Json> secret) { take_secret(std::move(secret)); });
}

void RegistryAddonSets::take_secret(Result<Json> secret) {
  const auto& reference = entries_.at(reading_->name).reference;
  auto auth = secret ? registry_auth_in(*secret, reference.registry)
                     : Result<std::string>(tl::unexpected<Error>(secret.error()));
  if (!auth && auth.error().code() != Errc::kNotFound) {
    end(fmt::format("Secret {}/{}: {}", kSystemNamespace, pull_secret_, auth.error().message()),
        auth.error().is_retryable());
    return;
  }
  fetch(auth ? *auth : std::string());  // without any, as a kubelet does
}

addons::RegistryAccess RegistryAddonSets::access_to(const addons::ArtifactReference& reference,
                                                    const std::string& auth) const {
  const bool is_plain = mirror_ == "http://" + reference.registry;
  return {.url = (is_plain ? "http://" : "https://") + reference.registry,
          .identity = identity_,
          .auth = auth};
}

void RegistryAddonSets::fetch(const std::string& auth) {
  const auto& reference = entries_.at(reading_->name).reference;
  reading_->access = access_to(reference, auth);
  reading_->fetch = std::make_unique<addons::ArtifactFetch>(registry_, reading_->access, reference);
  reading_->fetch->start([this](Result<std::string> layer) { take_layer(std::move(layer)); });
}

void RegistryAddonSets::take_layer(Result<std::string> layer) {
  if (!layer) {
    end(layer.error().message(), layer.error().is_retryable());
    return;
  }
  const std::string prefix = entries_.at(reading_->name).reference.image_prefix();
  reading_->thread = std::thread([&loop = loop_, weak = std::weak_ptr(self_),
                                  reading = reading_.get(), layer = *std::move(layer), prefix] {
    ::pthread_setname_np(::pthread_self(), "vk8s-addon-read");
    // The reading waits for this thread before it ends.
    reading->read = std::make_unique<Result<Read>>(read_set(layer, prefix));
    loop.post([weak] {
      if (const auto there = weak.lock()) {
        (*there)->take_plan();
      }
    });
  });
}

void RegistryAddonSets::take_plan() {
  reading_->thread.join();
  const Result<Read>& read = *reading_->read;
  if (!read) {
    end(read.error().message());
  } else if (!read->unlocked.empty()) {
    end(name_images("images that its lock does not name", read->unlocked) +
        "; render it anew (install.sh --addon)");
  } else if (read->images.empty()) {
    end("");
  } else {
    // Of "registry.example/team": what is a part of the path.
    const std::string prefix = entries_.at(reading_->name).reference.image_prefix();
    const std::size_t slash = prefix.find('/');
    reading_->search = std::make_unique<addons::ImageSearch>(
        registry_, reading_->access,
        slash == std::string::npos ? std::string() : prefix.substr(slash + 1));
    reading_->search->start(read->images, [this](Result<std::vector<std::string>> missing) {
      take_missing(std::move(missing));
    });
  }
}

void RegistryAddonSets::take_missing(Result<std::vector<std::string>> missing) {
  if (!missing) {
    end(missing.error().message(), missing.error().is_retryable());
  } else if (!missing->empty()) {
    end(name_images("images that the registry does not hold", *missing) +
        "; push them (install.sh --addon)");
  } else {
    end("");
  }
}

// trouble "": the plan is there.
void RegistryAddonSets::end(std::string trouble, bool is_passing) {
  // Whoever wants it takes it while it is told of.
  const std::shared_ptr<Reading> reading = std::move(reading_);
  Entry& entry = entries_.at(reading->name);
  if (trouble.empty()) {
    const auto& plan = (*reading->read)->plan;
    entry.plan = plan;
    log_.info("read", {{"addon", reading->name},
                       {"objects", plan->manifests().size()},
                       {"digest", plan->digest}});
  } else {
    entry.trouble = base::printable(trouble);
    entry.is_passing = is_passing;
    log_.warning("cannot be read", {{"addon", reading->name}, {"error", entry.trouble}});
    entry.retry = loop_.after(kRetry, [this, name = reading->name] {
      Entry& again = entries_.at(name);
      again.trouble.clear();
      again.retry.cancel();
      if (tell_) {
        tell_();
      }
    });
  }
  if (tell_) {
    tell_();
  }
  // What has called this is a part of the reading.
  ended_ = reading;
  next_ = loop_.after(std::chrono::nanoseconds(0), [this] { read_next(); });
}

}  // namespace vk8s::controller
