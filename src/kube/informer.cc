#include "kube/informer.h"

#include <algorithm>

#include "base/text.h"
#include "kube/request_path.h"

namespace vk8s::kube {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A watch that lived this long was a good one.
constexpr auto kGoodWatch = seconds(10);
// So many watches in a row without a word: the version may be one that the server
// does not know (its store was restored from a backup).
constexpr unsigned kMaxSilentWatches = 5;

void copy_path(const Json& from, Json& to, std::string_view path) {
  const Json* value = base::find(from, path);
  if (value == nullptr) {
    return;
  }
  Json* at = &to;
  const auto keys = base::split(path, '.');
  for (std::size_t i = 0; i + 1 < keys.size(); ++i) {
    Json& next = at->get_object()[boost::json::string_view(keys[i].data(), keys[i].size())];
    if (!next.is_object()) {
      next = JsonObject();
    }
    at = &next;
  }
  at->get_object()[boost::json::string_view(keys.back().data(), keys.back().size())] = *value;
}

bool is_same_version(const Json& a, const Json& b) {
  return base::get_string(a, "metadata.resourceVersion") ==
             base::get_string(b, "metadata.resourceVersion") &&
         base::get_string(a, "metadata.uid") == base::get_string(b, "metadata.uid");
}

}  // namespace

Projection keep_fields(std::vector<std::string> paths) {
  for (const char* path :
       {"apiVersion", "kind", "metadata.name", "metadata.namespace", "metadata.uid",
        "metadata.resourceVersion", "metadata.generation", "metadata.deletionTimestamp",
        "metadata.labels", "metadata.ownerReferences", "metadata.finalizers"}) {
    paths.emplace_back(path);
  }
  return [paths = std::move(paths)](const Json& object) {
    Json kept = JsonObject();
    for (const std::string& path : paths) {
      copy_path(object, kept, path);
    }
    return kept;
  };
}

Informer::Informer(Timers& timers, Client& client, InformerOptions options, Log log)
    : timers_(timers),
      client_(client),
      options_(std::move(options)),
      log_(log.child(options_.resource.plural)),
      store_(options_.indexes),
      backoff_(std::min(milliseconds(200), options_.max_backoff), options_.max_backoff),
      random_(std::random_device{}()) {}

void Informer::add_handlers(InformerHandlers handlers) { handlers_.push_back(std::move(handlers)); }

void Informer::when_synced(std::function<void()> callback) {
  when_synced_.push_back(std::move(callback));
}

void Informer::start() {
  running_ = true;
  begin_list();
  arm_resync();
}

void Informer::stop() {
  running_ = false;
  call_.cancel();
  timer_.cancel();
  resync_timer_.cancel();
}

template <class Function>
void Informer::tell(Function function) const {
  for (const InformerHandlers& handlers : handlers_) {
    if (running_) {
      function(handlers);
    }
  }
}

void Informer::retry(void (Informer::*step)(), const Error& error, std::string_view what,
                     std::string& trouble) {
  const auto delay = backoff_.next();
  // What stays so, as a kind that an older installation does not know, is said once.
  const bool is_news = trouble != error.message();
  trouble = error.message();
  (log_.*(is_news ? &Log::warning : &Log::debug))(
      what, {{"retry_ms", delay.count()}, {"error", error.message()}});
  timer_ = timers_.after(delay, [this, step] { (this->*step)(); });
}

void Informer::begin_list() {
  listing_ = Listing();
  request_page();
}

void Informer::request_page() {
  const ListOptions options{.label_selector = options_.label_selector,
                            .field_selector = options_.field_selector,
                            .resource_version = "",
                            .limit = options_.page_size,
                            .continue_token = listing_.continue_token,
                            .omit_managed_fields = true};
  call_ = client_.list(options_.resource, options_.namespace_name, options,
                       [this](Result<Json> page) { take_page(std::move(page)); });
}

void Informer::take_page(Result<Json> page) {
  if (!page) {
    // Also when a continue token has expired: from the first page again.
    retry(&Informer::begin_list, page.error(), "list failed", list_trouble_);
    return;
  }
  JsonObject* list = page->if_object();
  Json* items = list == nullptr ? nullptr : list->if_contains("items");
  if (items != nullptr && items->is_array()) {
    for (Json& item : items->get_array()) {
      ObjectKey key = key_of(item);
      listing_.objects[std::move(key)] = keep(std::move(item));
    }
  }
  listing_.continue_token = base::get_string(*page, "metadata.continue").value_or("");
  if (!listing_.continue_token.empty()) {
    request_page();
    return;
  }
  replace_store(std::string(base::get_string(*page, "metadata.resourceVersion").value_or("")));
}

ObjectPtr Informer::keep(Json object) const {
  if (options_.projection) {
    object = options_.projection(std::move(object));
  }
  return std::make_shared<const Json>(std::move(object));
}

void Informer::replace_store(std::string resource_version) {
  Listing listing = std::exchange(listing_, {});
  list_trouble_.clear();
  resource_version_ = std::move(resource_version);
  for (const ObjectKey& key : store_.keys()) {
    if (!listing.objects.contains(key)) {
      forget_object(key);
    }
  }
  for (auto& [key, object] : listing.objects) {
    store_object(key, std::move(object));
  }
  if (!synced_.exchange(true)) {
    log_.debug("synced", {{"objects", store_.size()}});
    for (const auto& callback : std::exchange(when_synced_, {})) {
      callback();
    }
  }
  if (running_) {
    begin_watch();
  }
}

void Informer::store_object(const ObjectKey& key, ObjectPtr object) {
  const ObjectPtr before = store_.put(key, object);
  if (!before) {
    tell([&](const InformerHandlers& handlers) {
      if (handlers.on_added) {
        handlers.on_added(object);
      }
    });
  } else if (!is_same_version(*before, *object)) {
    tell([&](const InformerHandlers& handlers) {
      if (handlers.on_updated) {
        handlers.on_updated(before, object);
      }
    });
  }
}

void Informer::forget_object(const ObjectKey& key) {
  const ObjectPtr last = store_.erase(key);
  if (last) {
    tell([&](const InformerHandlers& handlers) {
      if (handlers.on_deleted) {
        handlers.on_deleted(last);
      }
    });
  }
}

void Informer::begin_watch() {
  std::uniform_int_distribution<std::int64_t> extra(0, options_.min_watch.count());
  heard_ = false;
  watch_start_ = timers_.now();
  const WatchOptions options{.list = {.label_selector = options_.label_selector,
                                      .field_selector = options_.field_selector,
                                      .resource_version = resource_version_,
                                      .omit_managed_fields = true},
                             .timeout = options_.min_watch + seconds(extra(random_))};
  call_ = client_.watch(
      options_.resource, options_.namespace_name, options,
      [this](WatchEvent event) { take_event(std::move(event)); },
      [this](Status status) { end_watch(std::move(status)); });
}

void Informer::take_event(WatchEvent event) {
  heard_ = true;
  watch_trouble_.clear();
  backoff_.reset();
  if (const auto version = base::get_string(event.object, "metadata.resourceVersion")) {
    resource_version_ = *version;
  }
  if (event.type == WatchEvent::Type::kBookmark) {
    return;
  }
  const ObjectKey key = key_of(event.object);
  if (event.type == WatchEvent::Type::kDeleted) {
    forget_object(key);
  } else {
    store_object(key, keep(std::move(event.object)));
  }
}

void Informer::end_watch(Status status) {
  const bool was_good = heard_ || timers_.now() - watch_start_ >= kGoodWatch;
  if (was_good) {
    watch_trouble_.clear();
    backoff_.reset();
  }
  if (status && was_good) {
    begin_watch();
    return;
  }
  const Error error =
      status ? Error(Errc::kUnavailable, "the server ended the watch at once") : status.error();
  switch (error.code()) {
    case Errc::kUnavailable:
    case Errc::kTooManyRequests:
    case Errc::kTimeout:
      if (backoff_.attempts() < kMaxSilentWatches) {
        retry(&Informer::begin_watch, error, "watch ended", watch_trouble_);
        return;
      }
      break;
    default:
      break;
  }
  retry(&Informer::begin_list, error, "watch cannot be resumed", watch_trouble_);
}

void Informer::arm_resync() {
  if (options_.resync.count() <= 0) {
    return;
  }
  resync_timer_ = timers_.after(options_.resync, [this] {
    for (const ObjectPtr& object : store_.list()) {
      tell([&](const InformerHandlers& handlers) {
        if (handlers.on_updated) {
          handlers.on_updated(object, object);
        }
      });
    }
    arm_resync();
  });
}

}  // namespace vk8s::kube
