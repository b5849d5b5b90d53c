#include "kube/remote_watch.h"

#include "kube/api_error.h"

namespace vk8s::kube {
namespace {

// etcd takes objects up to 1.5 MiB; as JSON with managedFields they are larger.
constexpr std::size_t kMaxLineBytes = 16U << 20U;
constexpr std::size_t kMaxRefusalBytes = 64U << 10U;

}  // namespace

RemoteWatch::RemoteWatch(std::string what, bool omit_managed_fields,
                         std::function<void(WatchEvent)> on_event,
                         std::function<void(Status)> on_done)
    : what_(std::move(what)),
      omit_managed_fields_(omit_managed_fields),
      on_event_(std::move(on_event)),
      on_done_(std::move(on_done)),
      lines_(kMaxLineBytes) {}

void RemoteWatch::start(http::Client& http, http::Request request) {
  const auto weak = weak_from_this();
  call_ = http.stream(std::move(request), {.on_response =
                                               [weak](const http::Response& response) {
                                                 if (const auto self = weak.lock()) {
                                                   self->http_status_ = response.status;
                                                 }
                                               },
                                           .on_data =
                                               [weak](std::string_view bytes) {
                                                 if (const auto self = weak.lock()) {
                                                   self->take_bytes(bytes);
                                                 }
                                               },
                                           .on_done =
                                               [weak](Status status) {
                                                 if (const auto self = weak.lock()) {
                                                   self->take_end(std::move(status));
                                                 }
                                               }});
}

void RemoteWatch::cancel() {
  done_ = true;
  call_.cancel();
}

void RemoteWatch::finish(Status status) {
  if (done_) {
    return;
  }
  done_ = true;
  call_.cancel();
  if (!status) {
    status = tl::unexpected<Error>(std::move(status).error().context("{}", what_));
  }
  on_done_(std::move(status));
}

void RemoteWatch::take_bytes(std::string_view bytes) {
  heard_ = true;
  if (http_status_ != 200) {
    const std::size_t room = kMaxRefusalBytes - std::min(kMaxRefusalBytes, refusal_.size());
    refusal_.append(bytes.substr(0, room));
    return;
  }
  Status fed = lines_.feed(bytes, [this](std::string_view line) { return take_line(line); });
  if (!fed) {
    finish(std::move(fed));
  }
}

bool RemoteWatch::take_line(std::string_view line) {
  Result<WatchEvent> event = parse_watch_event(line, decoder_, omit_managed_fields_);
  if (!event) {
    finish(tl::unexpected<Error>(std::move(event).error()));
    return false;
  }
  on_event_(std::move(*event));
  return !done_;
}

void RemoteWatch::take_end(Status status) {
  if (status && http_status_ != 200) {
    status = tl::unexpected<Error>(error_from_response(http_status_, refusal_));
  } else if (status && lines_.is_mid_line()) {
    status = fail(Errc::kUnavailable, "the stream ended within an event");
  }
  finish(std::move(status));
}

}  // namespace vk8s::kube
