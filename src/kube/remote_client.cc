#include "kube/remote_client.h"

#include "base/text.h"
#include "kube/api_error.h"
#include "kube/remote_watch.h"
#include "kube/request_path.h"

namespace vk8s::kube {
namespace {

// client-go's transport does the same: a ping after 30 s of silence, 15 s to answer.
constexpr auto kProbeInterval = std::chrono::seconds(15);
constexpr auto kProbeTimeout = std::chrono::seconds(15);

constexpr std::size_t kMaxResponseBytes = 256U << 20U;

std::string_view to_string(DeletePropagation propagation) {
  switch (propagation) {
    case DeletePropagation::kBackground:
      return "Background";
    case DeletePropagation::kForeground:
      return "Foreground";
    case DeletePropagation::kOrphan:
      return "Orphan";
  }
  return "";
}

Result<std::string> with_query(Result<std::string> path, const Query& query) {
  if (path) {
    *path += query.text();
  }
  return path;
}

Call wrap(http::Call call) { return Call(std::make_shared<http::Call>(std::move(call))); }

}  // namespace

Result<std::unique_ptr<Client>> Client::create(EventLoop& loop, ClientConfig config, Log log) {
  if (!config.server.starts_with("https://")) {
    return fail(Errc::kInvalidArgument, "API server \"{}\": its URL must begin with https://",
                base::printable(config.server, 256));
  }
  while (config.server.ends_with('/')) {
    config.server.pop_back();
  }
  if (config.ca_pem.empty()) {
    return fail(Errc::kInvalidArgument, "API server {}: no CA to verify it with is given",
                config.server);
  }
  http::ClientOptions options;
  options.user_agent = config.user_agent;
  auto http = VK8S_TRY(http::Client::create(loop, std::move(options), log));
  return std::make_unique<RemoteClient>(loop, std::move(config), std::move(http), std::move(log));
}

RemoteClient::RemoteClient(EventLoop& loop, ClientConfig config, std::unique_ptr<http::Client> http,
                           Log log)
    : loop_(loop),
      config_(std::move(config)),
      http_(std::move(http)),
      log_(std::move(log)),
      identity_(std::make_shared<http::TlsIdentity>(
          http::TlsIdentity{.ca_pem = config_.ca_pem,
                            .client_certificate_pem = config_.client_certificate_pem,
                            .client_key_pem = config_.client_key_pem})),
      token_(config_) {}

RemoteClient::~RemoteClient() = default;

void RemoteClient::set_client_certificate(const std::string& certificate_pem,
                                          const std::string& key_pem) {
  identity_ = std::make_shared<http::TlsIdentity>(
      http::TlsIdentity{identity_->ca_pem, certificate_pem, key_pem});
}

Result<http::Request> RemoteClient::request(const Verb& verb) {
  http::Request request;
  if (!verb.path) {
    return tl::unexpected<Error>(verb.path.error());
  }
  request.method = verb.method;
  request.url = config_.server + *verb.path;
  request.identity = identity_;
  request.server_name = config_.tls_server_name;
  request.timeout = verb.timeout;
  request.max_body_bytes = kMaxResponseBytes;
  request.body = verb.body;
  request.headers.emplace_back("Accept", "application/json");
  if (!verb.body.empty()) {
    request.headers.emplace_back("Content-Type", verb.content_type);
  }
  if (const std::string token = VK8S_TRY(token_.current()); !token.empty()) {
    request.headers.emplace_back("Authorization", "Bearer " + token);
  }
  return request;
}

Call RemoteClient::fail_later(std::function<void()> tell) {
  return Call(
      std::make_shared<Registration>(loop_.after(std::chrono::nanoseconds(0), std::move(tell))));
}

Call RemoteClient::call(Verb verb, Callback callback) {
  Result<http::Request> prepared = request(verb);
  if (!prepared) {
    Error error = std::move(prepared).error().context("{}", verb.what);
    return fail_later([callback = std::move(callback), error = std::move(error)] {
      callback(tl::unexpected<Error>(error));
    });
  }
  // The client outlives its calls' callbacks: http_ is its member.
  auto on_answer = [this, what = std::move(verb.what), omit = verb.omit_managed_fields,
                    callback = std::move(callback)](Result<http::Response> response) {
    if (!response) {
      callback(tl::unexpected<Error>(std::move(response).error().context("{}", what)));
      return;
    }
    if (response->status < 200 || response->status > 299) {
      callback(tl::unexpected<Error>(
          error_from_response(response->status, response->body).context("{}", what)));
      return;
    }
    Result<Json> value = decoder_.decode(response->body, {.omit_managed_fields = omit});
    if (!value) {
      value = tl::unexpected<Error>(std::move(value).error().context("{}: answer", what));
    }
    callback(std::move(value));
  };
  return wrap(http_->send(std::move(*prepared), std::move(on_answer)));
}

Call RemoteClient::get(const Resource& resource, const ObjectKey& key, Callback callback) {
  return call({.what = "get " + describe(resource, key),
               .method = "GET",
               .path = object_path(resource, key)},
              std::move(callback));
}

Call RemoteClient::list(const Resource& resource, std::string_view namespace_name,
                        const ListOptions& options, Callback callback) {
  return call({.what = "list " + describe_collection(resource, namespace_name),
               .method = "GET",
               .path = with_query(collection_path(resource, namespace_name), list_query(options)),
               .timeout = std::chrono::seconds(60),
               .omit_managed_fields = options.omit_managed_fields},
              std::move(callback));
}

Call RemoteClient::create(const Resource& resource, std::string_view namespace_name,
                          const Json& object, Callback callback, bool dry_run) {
  const ObjectKey key{std::string(namespace_name), key_of(object).name};
  Query query;
  query.add_if_set("dryRun", dry_run ? "All" : "");
  return call({.what = (dry_run ? "try to create " : "create ") + describe(resource, key),
               .method = "POST",
               .path = with_query(collection_path(resource, namespace_name), query),
               .body = base::to_string(object)},
              std::move(callback));
}

Call RemoteClient::update(const Resource& resource, const Json& object, Callback callback) {
  const ObjectKey key = key_of(object);
  return call({.what = "update " + describe(resource, key),
               .method = "PUT",
               .path = object_path(resource, key),
               .body = base::to_string(object)},
              std::move(callback));
}

Call RemoteClient::apply(const Resource& resource, const Json& object, const ApplyOptions& options,
                         Callback callback, std::string_view subresource) {
  const ObjectKey key = key_of(object);
  Query query;
  query.add("fieldManager", options.field_manager).add("force", options.force ? "true" : "false");
  return call({.what = "apply " + describe(resource, key),
               .method = "PATCH",
               .path = with_query(object_path(resource, key, subresource), query),
               // JSON is YAML.
               .content_type = "application/apply-patch+yaml",
               .body = base::to_string(object)},
              std::move(callback));
}

Call RemoteClient::merge_patch(const Resource& resource, const ObjectKey& key, const Json& patch,
                               Callback callback, std::string_view subresource) {
  return call({.what = "patch " + describe(resource, key),
               .method = "PATCH",
               .path = object_path(resource, key, subresource),
               .content_type = "application/merge-patch+json",
               .body = base::to_string(patch)},
              std::move(callback));
}

Call RemoteClient::remove(const Resource& resource, const ObjectKey& key,
                          const DeleteOptions& options, Callback callback) {
  JsonObject body{{"kind", "DeleteOptions"},
                  {"apiVersion", "v1"},
                  {"propagationPolicy", to_string(options.propagation).data()}};
  JsonObject preconditions;
  if (!options.uid.empty()) {
    preconditions["uid"] = options.uid;
  }
  if (!options.resource_version.empty()) {
    preconditions["resourceVersion"] = options.resource_version;
  }
  if (!preconditions.empty()) {
    body["preconditions"] = std::move(preconditions);
  }
  if (options.grace_period.count() >= 0) {
    body["gracePeriodSeconds"] = options.grace_period.count();
  }
  return call({.what = "delete " + describe(resource, key),
               .method = "DELETE",
               .path = object_path(resource, key),
               .body = base::to_string(body)},
              std::move(callback));
}

Call RemoteClient::raw(RawRequest raw, std::function<void(Result<RawResponse>)> callback) {
  const std::size_t end = std::min(raw.path.find('?'), raw.path.size());
  std::string what = fmt::format("{} {}", raw.method, base::printable(raw.path.substr(0, end)));
  Verb verb{
      .what = what,
      .method = std::move(raw.method),
      .path = std::move(raw.path),
      .content_type = raw.content_type.empty() ? "application/json" : std::move(raw.content_type),
      .body = std::move(raw.body)};
  Result<http::Request> prepared = request(verb);
  if (!prepared) {
    return fail_later([callback = std::move(callback), error = std::move(prepared).error()] {
      callback(tl::unexpected<Error>(error));
    });
  }
  return wrap(http_->send(
      std::move(*prepared),
      [what = std::move(what), callback = std::move(callback)](Result<http::Response> response) {
        if (!response) {
          callback(tl::unexpected<Error>(std::move(response).error().context("{}", what)));
          return;
        }
        callback(RawResponse{.status = response->status, .body = std::move(response->body)});
      }));
}

Call RemoteClient::watch(const Resource& resource, std::string_view namespace_name,
                         const WatchOptions& options, std::function<void(WatchEvent)> on_event,
                         std::function<void(Status)> on_done) {
  Query query = list_query(options.list);
  query.add("watch", "1").add("allowWatchBookmarks", "true");
  query.add("timeoutSeconds", std::to_string(options.timeout.count()));
  Verb verb{.what = "watch " + describe_collection(resource, namespace_name),
            .method = "GET",
            .path = with_query(collection_path(resource, namespace_name), query),
            // The server ends it; this is for one that forgets to.
            .timeout = options.timeout + std::chrono::seconds(30)};
  Result<http::Request> prepared = request(verb);
  if (!prepared) {
    return fail_later([on_done = std::move(on_done),
                       error = std::move(prepared).error().context("{}", verb.what)] {
      on_done(tl::unexpected<Error>(error));
    });
  }
  auto watch = std::make_shared<RemoteWatch>(verb.what, options.list.omit_managed_fields,
                                             std::move(on_event), std::move(on_done));
  watch->start(*http_, std::move(*prepared));
  watches_.insert(watch);
  ensure_probe();
  return Call(std::make_shared<RemoteWatch::Owner>(std::move(watch)));
}

void RemoteClient::ensure_probe() {
  if (!probe_timer_) {
    probe_timer_ = loop_.after(kProbeInterval, [this] { probe(); });
  }
}

// Asks the server for a sign of life when no watch has brought one. A peer whose
// kernel is gone shows by TCP_USER_TIMEOUT; this is for one that is stuck.
void RemoteClient::probe() {
  probe_timer_.cancel();
  bool heard = false;
  for (auto at = watches_.begin(); at != watches_.end();) {
    const auto watch = at->lock();
    if (!watch || watch->is_done()) {
      at = watches_.erase(at);
      continue;
    }
    heard = watch->take_heard() || heard;
    ++at;
  }
  if (watches_.empty()) {
    probe_call_.cancel();
    return;
  }
  ensure_probe();
  if (heard) {
    return;
  }
  // Exempt from the server's queues, and any answer will do.
  Result<http::Request> prepared = request({.what = "probe",
                                            .method = "GET",
                                            .path = std::string("/livez/ping"),
                                            .timeout = kProbeTimeout - std::chrono::seconds(1)});
  if (!prepared) {
    return;
  }
  probe_call_ = http_->send(std::move(*prepared), [this](Result<http::Response> response) {
    if (!response && response.error().code() == Errc::kTimeout) {
      log_.warning("API server does not answer: connections are cut", {{"server", config_.server}});
      http_->drop_connections();
    }
  });
}

}  // namespace vk8s::kube
