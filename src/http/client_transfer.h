// One request inside Client: a libcurl easy handle, what it has received so far
// and what of that its owner has been told. Internal to http.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "http/client.h"

namespace vk8s::http {

// What a transfer needs of the engine, which outlives it.
struct EngineHooks {
  // How a connection's socket is opened and closed (the engine keeps track).
  curl_opensocket_callback open_socket;
  curl_closesocket_callback close_socket;
  void* context;
  // Where a transfer puts its id when there is something to tell its owner.
  std::deque<std::uint64_t>* news;
};

class Transfer {
 public:
  using OnResponse = std::function<void(Result<Response>)>;

  Transfer(std::uint64_t id, Request request, OnResponse callback);
  Transfer(std::uint64_t id, Request request, StreamHandlers handlers);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // Checks the request and makes the easy handle ready to be added to a multi.
  Status prepare(const ClientOptions& options, const EngineHooks& hooks);

  std::uint64_t id() const { return id_; }
  CURL* handle() const { return handle_; }
  bool is_stream() const { return streaming_; }
  // The server, to those who count requests: "host:port name".
  const std::string& origin() const { return origin_; }

  // Whether it has been given to the multi handle.
  bool is_started = false;

  // It has ended, by libcurl's word or before it could begin.
  void finish(CURLcode code);
  void finish(Error error);

  // One step of telling: the caller asks again, as long as the owner has not
  // dropped the call, until kNothing or kDone.
  enum class Told { kNothing, kSome, kDone };
  Told tell();
  void news_taken() { news_queued_ = false; }

 private:
  struct Target {
    std::string url;
    std::string connect_to;  // "" or "name:port:host:port"
    std::string origin;
    bool tls = true;
  };
  Result<Target> resolve_target() const;
  Status add_headers();
  void set_tls(const TlsIdentity& identity);
  void set_body();
  void queue_news();
  std::string description() const;
  Error error_of(CURLcode code) const;

  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);
  std::size_t header_line(std::string_view line);
  std::size_t body_bytes(std::string_view bytes);

  const std::uint64_t id_;
  Request request_;
  OnResponse callback_;
  StreamHandlers handlers_;
  const bool streaming_;
  std::deque<std::uint64_t>* news_ = nullptr;
  std::string origin_;

  CURL* handle_ = nullptr;
  curl_slist* header_list_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  char error_text_[CURL_ERROR_SIZE] = {};

  Response response_;  // of a stream: body holds what has not been told yet
  std::size_t header_bytes_ = 0;
  bool headers_complete_ = false;
  bool response_told_ = false;
  bool news_queued_ = false;
  std::optional<Error> own_error_;  // why a callback stopped the transfer
  std::optional<Status> result_;
};

}  // namespace vk8s::http
