// A Kubernetes API server in memory, for unit tests of what uses a Client.
//
// What it gets right: uid and resourceVersion rules (409), generateName,
// generation, finalizers and deletion, status apart from the rest, merge patch,
// field ownership so far that a field no longer applied goes, selectors, watches
// with history, 410 Gone. What it leaves out: admission and schemas (any kind
// exists), apply conflicts between managers, lists merged by key (replaced).
//
// On one thread, that of the timers it is made with: answers come through
// timers.after(0), so with FakeTimers on advance(0ns), never from inside a call.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "kube/client.h"

namespace vk8s::kube {

// One call that was made, in order.
struct FakeRequest {
  std::string verb;  // get list create dry-run update apply patch delete watch
  Resource resource;
  ObjectKey key;  // the name is "" for list, watch and generateName
  std::string subresource;
  Json body;  // of create, update, apply, patch
};

class FakeClient final : public Client {
 public:
  explicit FakeClient(Timers& timers);
  ~FakeClient() override;

  // --- for the test -------------------------------------------------------------
  // Answers a request with an error instead of doing it.
  using Hook = std::function<std::optional<Error>(const FakeRequest&)>;
  void set_hook(Hook hook) { hook_ = std::move(hook); }
  // The next `times` requests of this verb on this resource fail.
  void fail_next(std::string verb, const Resource& resource, Error error, int times = 1);

  const std::vector<FakeRequest>& requests() const { return requests_; }
  void clear_requests() { requests_.clear(); }

  // Writes an object as it is, status included, as a server's own controllers would;
  // watches see it.
  void put(const Resource& resource, Json object);
  // nullptr where there is none.
  const Json* peek(const Resource& resource, const ObjectKey& key) const;
  // Objects of this kind are answered when they are created, and not stored: reviews.
  using Review = std::function<Json(const Json& object)>;
  void set_review(const Resource& resource, Review review);
  // As garbage collection would: dependents of a deleted owner go too. Off at first.
  void collect_garbage(bool on) { collects_garbage_ = on; }

  // Ends every running watch, in good order or with an error.
  void end_watches(Status status);
  // Versions up to now are too old to watch from.
  void forget_history();
  void send_bookmarks();
  int running_watches() const;

  // Answer of raw(); else 404.
  using RawHandler = std::function<std::optional<RawResponse>(const RawRequest&)>;
  void set_raw(RawHandler handler) { raw_ = std::move(handler); }

  // --- Client -------------------------------------------------------------------
  Call get(const Resource&, const ObjectKey&, Callback) override;
  Call list(const Resource&, std::string_view namespace_name, const ListOptions&,
            Callback) override;
  Call create(const Resource&, std::string_view namespace_name, const Json& object, Callback,
              bool dry_run = false) override;
  Call update(const Resource&, const Json& object, Callback) override;
  Call apply(const Resource&, const Json& object, const ApplyOptions&, Callback,
             std::string_view subresource = "") override;
  Call merge_patch(const Resource&, const ObjectKey&, const Json& patch, Callback,
                   std::string_view subresource = "") override;
  Call remove(const Resource&, const ObjectKey&, const DeleteOptions&, Callback) override;
  Call raw(RawRequest, std::function<void(Result<RawResponse>)>) override;
  Call watch(const Resource&, std::string_view namespace_name, const WatchOptions&,
             std::function<void(WatchEvent)> on_event,
             std::function<void(Status)> on_done) override;

 private:
  struct Watch;
  struct Change {
    std::int64_t version;
    std::string collection;
    WatchEvent event;
    Json previous;  // null: there was none
  };
  using Collection = std::map<ObjectKey, Json>;

  std::optional<Error> refusal(const FakeRequest& request);
  Call answer(std::function<void()> tell);
  Call reply(FakeRequest request, Callback callback,
             const std::function<Result<Json>()>& operation);
  static std::string collection_name(const Resource& resource);
  Collection& collection(const Resource& resource);
  Result<Json*> existing(const Resource& resource, const ObjectKey& key);
  Result<Json> do_list(const Resource& resource, std::string_view namespace_name,
                       const ListOptions& options);
  Result<Json> do_create(const Resource& resource, std::string_view namespace_name, Json object,
                         bool dry_run);
  // Makes `object` the stored one, with what the server keeps of the old one.
  Result<Json> do_replace(const Resource& resource, const ObjectKey& key, Json object,
                          std::string_view subresource);
  Result<Json> do_apply(const Resource& resource, const Json& object, const ApplyOptions& options,
                        const std::string& subresource);
  Result<Json> do_remove(const Resource& resource, const ObjectKey& key,
                         const DeleteOptions& options);
  void erase(const Resource& resource, const ObjectKey& key);
  void erase_dependents(const std::string& uid);
  // Gives object its version and tells the watches.
  void publish(WatchEvent::Type type, const Resource& resource, Json& object, Json previous);

  Timers& timers_;
  std::int64_t version_ = 100;
  std::int64_t oldest_version_ = 0;
  std::uint64_t last_uid_ = 0;
  std::map<std::string, Collection> collections_;
  std::map<std::string, Resource> resources_;
  // "<uid> <manager> <subresource>" -> what was applied last.
  std::map<std::string, Json> applied_;
  std::vector<Change> history_;
  std::vector<std::weak_ptr<Watch>> watches_;
  std::vector<FakeRequest> requests_;
  struct Failure {
    std::string verb;
    Resource resource;
    Error error;
    int times;
  };
  std::vector<Failure> failures_;
  Hook hook_;
  std::map<std::string, Review> reviews_;  // by collection
  RawHandler raw_;
  bool collects_garbage_ = false;
};

}  // namespace vk8s::kube
