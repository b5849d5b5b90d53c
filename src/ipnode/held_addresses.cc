#include "ipnode/held_addresses.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "api/ip_allocation.h"

namespace vk8s::ipnode {
namespace {

using std::chrono::milliseconds;

// Of a burst, one patch.
constexpr milliseconds kSettle(200);
constexpr auto kSweepInterval = std::chrono::seconds(30);
constexpr milliseconds kFirstRetry(500);
constexpr milliseconds kLongestRetry(30'000);

}  // namespace

std::string held_ips(const std::vector<cni::Record>& records) {
  JsonArray all;
  for (const cni::Record& record : records) {
    if (all.size() < kMaxPublished) {
      all.push_back(
          JsonObject{{"ip", record.address.to_string()}, {"pod", record.pod.to_string()}});
    }
  }
  return base::to_string(all);
}

Result<std::unique_ptr<HeldAddresses>> HeldAddresses::start(EventLoop& loop, kube::Client& client,
                                                            std::string node, std::string store,
                                                            Log log) {
  std::unique_ptr<HeldAddresses> held(
      new HeldAddresses(loop, client, std::move(node), std::move(store), std::move(log)));
  HeldAddresses* self = held.get();
  held->inotify_.reset(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  VK8S_TRY(held->watch_folder());
  held->changed_ = loop.watch(held->inotify_.get(), EventLoop::Interest::kReadable,
                              [self] { self->on_change(); });
  held->sweep();
  // The Node may still say what an earlier process had.
  held->publish();
  return held;
}

HeldAddresses::HeldAddresses(EventLoop& loop, kube::Client& client, std::string node,
                             std::string store, Log log)
    : loop_(loop),
      client_(client),
      node_(std::move(node)),
      store_(std::move(store)),
      log_(std::move(log)),
      backoff_(kFirstRetry, kLongestRetry) {}

// A folder that is watched already stays so.
Status HeldAddresses::watch_folder() {
  VK8S_TRY(store_.ensure_folder());
  constexpr auto kEvents = IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR;
  if (::inotify_add_watch(inotify_.get(), store_.folder().c_str(), kEvents) < 0) {
    return fail_errno(errno, "watch folder {}", store_.folder());
  }
  return {};
}

void HeldAddresses::on_change() {
  std::array<char, 4096> events{};
  while (::read(inotify_.get(), events.data(), events.size()) > 0) {
  }
  publication_ = loop_.after(kSettle, [this] { publish(); });
}

void HeldAddresses::sweep() {
  if (const Status watched = watch_folder(); !watched) {
    log_.warning("records of addresses are not followed", {{"error", watched.error().message()}});
  }
  const auto swept = store_.sweep();
  if (swept && *swept > 0) {
    log_.info("records of containers that are gone removed", {{"count", *swept}});
  } else if (!swept && swept.error().code() != Errc::kUnavailable) {
    log_.warning("records of addresses are not swept", {{"error", swept.error().message()}});
  }
  sweep_ = loop_.after(kSweepInterval, [this] { sweep(); });
}

void HeldAddresses::publish() {
  if (call_) {
    return;  // on_published() looks again
  }
  const auto records = store_.list();
  if (!records) {
    log_.warning("records of addresses are not read", {{"error", records.error().message()}});
    return;
  }
  const std::string text = held_ips(*records);
  if (is_published_ && text == published_) {
    return;
  }
  call_ = client_.merge_patch(
      kube::resources::kNode, {"", node_},
      {{"metadata", {{"annotations", {{api::kHeldIpsAnnotation, text}}}}}},
      [this, text](const Result<Json>& patched) { on_published(text, patched); });
}

void HeldAddresses::on_published(const std::string& text, const Result<Json>& patched) {
  call_.cancel();
  if (!patched) {  // as before the kubelet has made the Node
    log_.debug("addresses not published", {{"error", patched.error().message()}});
    publication_ = loop_.after(backoff_.next(), [this] { publish(); });
    return;
  }
  backoff_.reset();
  is_published_ = true;
  published_ = text;
  publish();
}

}  // namespace vk8s::ipnode
