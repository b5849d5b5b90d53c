#include "kube/fake_client.h"

#include <algorithm>
#include <charconv>

#include "kube/fake_watch.h"
#include "kube/merge.h"
#include "kube/request_path.h"

namespace vk8s::kube {
namespace {

std::int64_t parse_version(std::string_view text) {
  std::int64_t version = 0;
  std::from_chars(text.data(), text.data() + text.size(), version);
  return version;
}

}  // namespace

FakeClient::FakeClient(Timers& timers) : timers_(timers) {}
FakeClient::~FakeClient() = default;

void FakeClient::fail_next(std::string verb, const Resource& resource, Error error, int times) {
  failures_.push_back({std::move(verb), resource, std::move(error), times});
}

std::optional<Error> FakeClient::refusal(const FakeRequest& request) {
  requests_.push_back(request);
  for (Failure& failure : failures_) {
    if (failure.times > 0 && failure.verb == request.verb && failure.resource == request.resource) {
      --failure.times;
      return failure.error;
    }
  }
  return hook_ ? hook_(request) : std::nullopt;
}

Call FakeClient::answer(std::function<void()> tell) {
  return Call(
      std::make_shared<Registration>(timers_.after(std::chrono::nanoseconds(0), std::move(tell))));
}

Call FakeClient::reply(FakeRequest request, Callback callback,
                       const std::function<Result<Json>()>& operation) {
  const std::string what = request.verb + " " + describe(request.resource, request.key);
  const std::optional<Error> refused = refusal(request);
  Result<Json> result = refused ? Result<Json>(tl::unexpected<Error>(*refused)) : operation();
  if (!result) {
    result = tl::unexpected<Error>(std::move(result).error().context("{}", what));
  }
  return answer([callback = std::move(callback), result = std::move(result)] { callback(result); });
}

Call FakeClient::get(const Resource& resource, const ObjectKey& key, Callback callback) {
  return reply({"get", resource, key, "", nullptr}, std::move(callback),
               [&]() -> Result<Json> { return *VK8S_TRY(existing(resource, key)); });
}

Call FakeClient::list(const Resource& resource, std::string_view namespace_name,
                      const ListOptions& options, Callback callback) {
  return reply({"list", resource, {std::string(namespace_name), ""}, "", nullptr},
               std::move(callback), [&] { return do_list(resource, namespace_name, options); });
}

Call FakeClient::create(const Resource& resource, std::string_view namespace_name,
                        const Json& object, Callback callback, bool dry_run) {
  const ObjectKey key{std::string(namespace_name), key_of(object).name};
  return reply({dry_run ? "dry-run" : "create", resource, key, "", object}, std::move(callback),
               [&]() -> Result<Json> {
                 const auto review = reviews_.find(collection_name(resource));
                 return review != reviews_.end()
                            ? review->second(object)
                            : do_create(resource, namespace_name, object, dry_run);
               });
}

void FakeClient::set_review(const Resource& resource, Review review) {
  reviews_[collection_name(resource)] = std::move(review);
}

Call FakeClient::update(const Resource& resource, const Json& object, Callback callback) {
  const ObjectKey key = key_of(object);
  return reply({"update", resource, key, "", object}, std::move(callback),
               [&] { return do_replace(resource, key, object, ""); });
}

Call FakeClient::apply(const Resource& resource, const Json& object, const ApplyOptions& options,
                       Callback callback, std::string_view subresource) {
  const std::string part(subresource);
  return reply({"apply", resource, key_of(object), part, object}, std::move(callback),
               [&] { return do_apply(resource, object, options, part); });
}

Call FakeClient::merge_patch(const Resource& resource, const ObjectKey& key, const Json& patch,
                             Callback callback, std::string_view subresource) {
  return reply({"patch", resource, key, std::string(subresource), patch}, std::move(callback),
               [&]() -> Result<Json> {
                 Json object = *VK8S_TRY(existing(resource, key));
                 merge_patch_into(object, patch);
                 return do_replace(resource, key, std::move(object), subresource);
               });
}

Call FakeClient::remove(const Resource& resource, const ObjectKey& key,
                        const DeleteOptions& options, Callback callback) {
  return reply({"delete", resource, key, "", nullptr}, std::move(callback),
               [&] { return do_remove(resource, key, options); });
}

Call FakeClient::raw(RawRequest request, std::function<void(Result<RawResponse>)> callback) {
  RawResponse response{.status = 404, .body = ""};
  if (raw_) {
    response = raw_(request).value_or(response);
  }
  return answer([callback = std::move(callback), response] { callback(response); });
}

Call FakeClient::watch(const Resource& resource, std::string_view namespace_name,
                       const WatchOptions& options, std::function<void(WatchEvent)> on_event,
                       std::function<void(Status)> on_done) {
  auto watch = std::make_shared<Watch>(timers_);
  watch->on_event = std::move(on_event);
  watch->on_done = std::move(on_done);
  Collection& objects = collection(resource);
  watch->collection = collection_name(resource);
  auto filter = FakeFilter::create(namespace_name, options.list);
  const std::int64_t from = parse_version(options.list.resource_version);
  auto refused = refusal({"watch", resource, {std::string(namespace_name), ""}, "", nullptr});
  if (refused || !filter) {
    watch->finish(tl::unexpected<Error>(refused ? *refused : filter.error()));
  } else if (from > 0 && from < oldest_version_) {
    watch->finish(fail(Errc::kGone, "too old resource version: {} ({})", from, oldest_version_));
  } else {
    watch->filter = std::move(*filter);
    if (from == 0) {
      for (const auto& [key, object] : objects) {
        if (watch->filter.matches(object)) {
          watch->push({WatchEvent::Type::kAdded, object});
        }
      }
    } else {
      for (const Change& change : history_) {
        if (change.version > from && change.collection == watch->collection) {
          if (auto event = watch->seen(change.event, change.previous)) {
            watch->push(std::move(*event));
          }
        }
      }
    }
    watches_.push_back(watch);
  }
  struct Owner {
    std::shared_ptr<Watch> watch;
    explicit Owner(std::shared_ptr<Watch> w) : watch(std::move(w)) {}
    ~Owner() { watch->is_over = true; }
  };
  return Call(std::make_shared<Owner>(std::move(watch)));
}

void FakeClient::end_watches(Status status) {
  for (const auto& weak : std::exchange(watches_, {})) {
    if (const auto watch = weak.lock()) {
      watch->finish(status);
    }
  }
}

void FakeClient::forget_history() {
  history_.clear();
  oldest_version_ = ++version_;
}

void FakeClient::send_bookmarks() {
  for (const auto& weak : watches_) {
    if (const auto watch = weak.lock()) {
      const Json bookmark = {{"metadata", {{"resourceVersion", std::to_string(version_)}}}};
      watch->push({WatchEvent::Type::kBookmark, bookmark});
    }
  }
}

int FakeClient::running_watches() const {
  return static_cast<int>(std::count_if(watches_.begin(), watches_.end(), [](const auto& weak) {
    const auto watch = weak.lock();
    return watch && !watch->is_over && !watch->end;
  }));
}

void FakeClient::publish(WatchEvent::Type type, const Resource& resource, Json& object,
                         Json previous) {
  object.as_object()["metadata"].as_object()["resourceVersion"] = std::to_string(++version_);
  Change change{.version = version_,
                .collection = collection_name(resource),
                .event = {type, object},
                .previous = std::move(previous)};
  std::erase_if(watches_, [](const auto& weak) {
    const auto watch = weak.lock();
    return !watch || watch->is_over;
  });
  for (const auto& weak : watches_) {
    const auto watch = weak.lock();
    if (watch && watch->collection == change.collection) {
      if (auto event = watch->seen(change.event, change.previous)) {
        watch->push(std::move(*event));
      }
    }
  }
  history_.push_back(std::move(change));
}

}  // namespace vk8s::kube
