// One watch of RemoteClient: its stream of bytes into events. Loop's thread.
#pragma once

#include <memory>
#include <string>

#include "http/client.h"
#include "kube/client.h"
#include "kube/watch_stream.h"

namespace vk8s::kube {

class RemoteWatch : public std::enable_shared_from_this<RemoteWatch> {
 public:
  RemoteWatch(std::string what, bool omit_managed_fields, std::function<void(WatchEvent)> on_event,
              std::function<void(Status)> on_done);

  void start(http::Client& http, http::Request request);

  bool is_done() const { return done_; }
  // Whether bytes have come since the last time it was asked.
  bool take_heard() { return std::exchange(heard_, false); }

  // What the user's Call holds: its end cancels, also from inside an event.
  class Owner {
   public:
    explicit Owner(std::shared_ptr<RemoteWatch> watch) : watch_(std::move(watch)) {}
    ~Owner() { watch_->cancel(); }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

   private:
    std::shared_ptr<RemoteWatch> watch_;
  };

 private:
  void cancel();
  void take_bytes(std::string_view bytes);
  bool take_line(std::string_view line);
  void take_end(Status status);
  void finish(Status status);

  const std::string what_;
  const bool omit_managed_fields_;
  std::function<void(WatchEvent)> on_event_;
  std::function<void(Status)> on_done_;
  http::Call call_;
  LineSplitter lines_;
  Decoder decoder_;
  int http_status_ = 0;
  std::string refusal_;  // the body of an answer that is no success
  bool heard_ = false;
  bool done_ = false;
};

}  // namespace vk8s::kube
