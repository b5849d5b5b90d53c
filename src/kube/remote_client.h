// Client over HTTP: what Client::create() returns.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "http/client.h"
#include "kube/client.h"
#include "kube/decoder.h"
#include "kube/token_source.h"

namespace vk8s::kube {

class RemoteWatch;

class RemoteClient final : public Client {
 public:
  RemoteClient(EventLoop& loop, ClientConfig config, std::unique_ptr<http::Client> http, Log log);
  ~RemoteClient() override;

  Call get(const Resource&, const ObjectKey&, Callback) override;
  Call list(const Resource&, std::string_view namespace_name, const ListOptions&,
            Callback) override;
  Call create(const Resource&, std::string_view namespace_name, const Json& object, Callback,
              bool dry_run) override;
  Call update(const Resource&, const Json& object, Callback) override;
  Call apply(const Resource&, const Json& object, const ApplyOptions&, Callback,
             std::string_view subresource) override;
  Call merge_patch(const Resource&, const ObjectKey&, const Json& patch, Callback,
                   std::string_view subresource) override;
  Call remove(const Resource&, const ObjectKey&, const DeleteOptions&, Callback) override;
  Call raw(RawRequest, std::function<void(Result<RawResponse>)>) override;
  void set_client_certificate(const std::string& certificate_pem,
                              const std::string& key_pem) override;
  Call watch(const Resource&, std::string_view namespace_name, const WatchOptions&,
             std::function<void(WatchEvent)> on_event,
             std::function<void(Status)> on_done) override;

 private:
  // What one call is: `what` begins its error message ("create Secret a/b").
  struct Verb {
    std::string what;
    std::string method;
    Result<std::string> path;
    std::string content_type = "application/json";
    std::string body;
    std::chrono::milliseconds timeout = std::chrono::seconds(30);
    bool omit_managed_fields = false;
  };
  Call call(Verb verb, Callback callback);
  Result<http::Request> request(const Verb& verb);
  // Ends a call that cannot begin, on the loop.
  Call fail_later(std::function<void()> tell);

  void ensure_probe();
  void probe();

  EventLoop& loop_;
  const ClientConfig config_;
  std::unique_ptr<http::Client> http_;
  Log log_;
  std::shared_ptr<const http::TlsIdentity> identity_;
  TokenSource token_;
  Decoder decoder_;

  // Liveness of the connection the watches share.
  std::set<std::weak_ptr<RemoteWatch>, std::owner_less<>> watches_;
  Registration probe_timer_;
  http::Call probe_call_;
};

}  // namespace vk8s::kube
