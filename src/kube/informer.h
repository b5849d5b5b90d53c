// Keeps a Store equal to the objects of one kind on the server, and tells
// handlers of each difference.
//
// It lists in pages, then watches from there. A watch that ends is resumed from
// the last resourceVersion seen (events and bookmarks); kGone, or one that cannot
// be resumed, makes it list again, and the difference to the store is told. So
// handlers are level-triggered: they may miss a state in between, never the last.
//
// Source: client-go tools/cache/reflector.go and shared_informer.go.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "base/log.h"
#include "kube/backoff.h"
#include "kube/client.h"
#include "kube/store.h"

namespace vk8s::kube {

// What of an object is kept in the store.
using Projection = std::function<Json(Json)>;

// Keeps these dotted paths (no arrays on the way) and what every object needs:
// apiVersion, kind, and of metadata name, namespace, uid, resourceVersion,
// generation, deletionTimestamp, labels, ownerReferences, finalizers.
Projection keep_fields(std::vector<std::string> paths);

struct InformerOptions {
  Resource resource;
  std::string namespace_name;  // "" = all
  std::string label_selector;
  std::string field_selector;
  Projection projection;  // empty = everything but managedFields
  std::map<std::string, IndexFunction> indexes;
  std::chrono::seconds resync{0};  // > 0: tells every object as updated so often
  int page_size = 500;
  std::chrono::seconds min_watch{300};            // a watch lasts between this and twice this
  std::chrono::milliseconds max_backoff{10'000};  // between failed attempts
};

// Called on the loop's thread after the store has changed. Empty ones are skipped.
struct InformerHandlers {
  std::function<void(const ObjectPtr& object)> on_added;
  std::function<void(const ObjectPtr& before, const ObjectPtr& object)> on_updated;
  std::function<void(const ObjectPtr& last)> on_deleted;
};

// On the loop's thread, but store() and has_synced(): any. client outlives it.
class Informer {
 public:
  Informer(Timers& timers, Client& client, InformerOptions options, Log log);
  Informer(const Informer&) = delete;
  Informer& operator=(const Informer&) = delete;

  // Before start().
  void add_handlers(InformerHandlers handlers);
  // Called once, when the first list is in the store and has been told.
  void when_synced(std::function<void()> callback);

  void start();
  // No handler is called afterwards.
  void stop();

  const Store& store() const { return store_; }
  bool has_synced() const { return synced_.load(); }

 private:
  struct Listing {
    std::map<ObjectKey, ObjectPtr> objects;
    std::string continue_token;
  };

  void begin_list();
  void request_page();
  void take_page(Result<Json> page);
  void replace_store(std::string resource_version);
  void begin_watch();
  void take_event(WatchEvent event);
  void end_watch(Status status);
  void retry(void (Informer::*step)(), const Error& error, std::string_view what,
             std::string& trouble);
  void arm_resync();

  ObjectPtr keep(Json object) const;
  void store_object(const ObjectKey& key, ObjectPtr object);
  void forget_object(const ObjectKey& key);
  template <class Function>
  void tell(Function function) const;

  Timers& timers_;
  Client& client_;
  const InformerOptions options_;
  Log log_;
  Store store_;
  std::vector<InformerHandlers> handlers_;
  std::vector<std::function<void()>> when_synced_;
  std::atomic<bool> synced_ = false;

  bool running_ = false;
  Call call_;
  Registration timer_;
  Registration resync_timer_;
  Backoff backoff_;
  std::minstd_rand random_;
  Listing listing_;
  std::string resource_version_;
  // That were told of last; "" = none since all was well. Of lists and of watches: one may
  // go on failing while the other succeeds.
  std::string list_trouble_;
  std::string watch_trouble_;
  bool heard_ = false;  // whether the running watch has brought anything
  Timers::TimePoint watch_start_;
};

}  // namespace vk8s::kube
