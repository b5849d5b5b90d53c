// A client of one Kubernetes API server: requests, over HTTP/2, on an EventLoop.
//
// Client is asynchronous: every call returns at once and its callback runs on
// the loop's thread exactly once, unless the returned Call is dropped first
// (then never). BlockingClient waits for it, from any thread but the loop's.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/event_loop.h"
#include "base/json.h"
#include "base/log.h"

namespace vk8s::kube {

// A kind of object as the API server serves it.
struct Resource {
  std::string group;    // "" for the core group
  std::string version;  // "v1"
  std::string plural;   // "statefulsets"
  std::string kind;     // "StatefulSet"
  bool namespaced = true;

  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  bool operator==(const Resource&) const = default;
};

// The kinds this project uses (kube/resources.cc lists them): resources::kSecret, ...
namespace resources {
extern const Resource kNamespace, kNode, kPod, kService, kSecret, kConfigMap, kEvent,
    kPersistentVolume, kPersistentVolumeClaim, kServiceAccount, kEndpoints, kDeployment,
    kStatefulSet, kDaemonSet, kEndpointSlice, kNetworkPolicy, kLease, kStorageClass, kClusterRole,
    kClusterRoleBinding, kRole, kRoleBinding, kCertificateSigningRequest, kCustomResourceDefinition,
    kVk8s, kVNodeIPPool, kIPAllocation, kTokenReview, kSubjectAccessReview;
}  // namespace resources

struct ObjectKey {
  std::string namespace_name;  // "" for a cluster-scoped object
  std::string name;
  bool operator==(const ObjectKey&) const = default;
  auto operator<=>(const ObjectKey&) const = default;
};

// How to reach and trust a server, and who one is. Secrets stay in here: never
// logged, never in argv.
struct ClientConfig {
  std::string server;                  // "https://198.18.0.10:6443"
  std::string ca_pem;                  // required: TLS is always verified
  std::string client_certificate_pem;  // either these two ...
  std::string client_key_pem;
  std::string token_file;       // ... or this, read again when it changes
  std::string token;            // ... or this
  std::string tls_server_name;  // verify this name instead of the URL's host
  // Also the field manager of create, update and merge_patch (up to a '/').
  std::string user_agent = "vk8s";

  // Source: client-go tools/clientcmd. data fields and file fields are understood.
  static Result<ClientConfig> from_kubeconfig(std::string_view yaml, std::string_view context = "");
  static Result<ClientConfig> from_kubeconfig_file(const std::string& path);
  // Of others, as from a Secret: kInvalidArgument for one that names a file instead
  // of holding what is in it. No file is opened.
  static Result<ClientConfig> from_foreign_kubeconfig(std::string_view yaml);
  // KUBERNETES_SERVICE_HOST/PORT and the mounted ServiceAccount.
  static Result<ClientConfig> in_cluster();
};

// Ownership of one request or watch: its end cancels it, silently.
class [[nodiscard]] Call {
 public:
  Call() = default;
  explicit Call(std::shared_ptr<void> state) : state_(std::move(state)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&&) noexcept = default;
  void cancel() { state_.reset(); }
  explicit operator bool() const { return state_ != nullptr; }

 private:
  std::shared_ptr<void> state_;
};

struct ListOptions {
  std::string label_selector;
  std::string field_selector;
  std::string resource_version;  // "" = most recent
  int limit = 0;                 // objects a page; 0 = all at once
  std::string continue_token;
  bool omit_managed_fields = false;  // leave metadata.managedFields out of the result
};

struct ApplyOptions {
  std::string field_manager;  // "vk8s-controller"
  bool force = true;          // take over fields of other managers
};

enum class DeletePropagation { kBackground, kForeground, kOrphan };

struct DeleteOptions {
  DeletePropagation propagation = DeletePropagation::kBackground;
  std::string uid;                        // only if it is still that very object
  std::string resource_version;           // only if nobody has written to it since
  std::chrono::seconds grace_period{-1};  // -1 = the object's own
};

struct WatchEvent {
  enum class Type { kAdded, kModified, kDeleted, kBookmark };
  Type type;
  Json object;
};

struct WatchOptions {
  ListOptions list;                   // resource_version is where to go on from
  std::chrono::seconds timeout{420};  // the server ends the watch after this
};

// Any verb and path, for what the typed calls do not cover.
struct RawRequest {
  std::string method;        // "GET"
  std::string path;          // "/api/v1/nodes?limit=1"
  std::string content_type;  // of the body
  std::string body;
};

struct RawResponse {
  int status = 0;
  std::string body;
};

class Client {
 public:
  using Callback = std::function<void(Result<Json>)>;

  // loop outlives the client.
  static Result<std::unique_ptr<Client>> create(EventLoop& loop, ClientConfig config, Log log);
  virtual ~Client() = default;

  virtual Call get(const Resource&, const ObjectKey&, Callback) = 0;
  // namespace_name "" lists all namespaces. The result is the List object.
  virtual Call list(const Resource&, std::string_view namespace_name, const ListOptions&,
                    Callback) = 0;
  virtual Call create(const Resource&, std::string_view namespace_name, const Json& object,
                      Callback, bool dry_run = false) = 0;
  // PUT; the object carries metadata.resourceVersion (else it is unconditional).
  virtual Call update(const Resource&, const Json& object, Callback) = 0;
  // Server-side apply (KEP-555). subresource: "" or "status". With metadata.uid of
  // another object than the one there is: kInvalidArgument; with a uid and no
  // object: kConflict, and nothing is created.
  virtual Call apply(const Resource&, const Json& object, const ApplyOptions&, Callback,
                     std::string_view subresource = "") = 0;
  // RFC 7396.
  virtual Call merge_patch(const Resource&, const ObjectKey&, const Json& patch, Callback,
                           std::string_view subresource = "") = 0;
  virtual Call remove(const Resource&, const ObjectKey&, const DeleteOptions&, Callback) = 0;
  virtual Call raw(RawRequest, std::function<void(Result<RawResponse>)>) = 0;
  // Who one is from the next request on: a certificate that was renewed. Requests
  // and watches that run go on with the one they began with.
  virtual void set_client_certificate(const std::string& /*certificate_pem*/,
                                      const std::string& /*key_pem*/) {}

  // Each event in order; then done once: a value when the server ended it in
  // good order (go on from the last resourceVersion), else the error (kGone:
  // list again). A silent death of the connection shows within 45 s.
  virtual Call watch(const Resource&, std::string_view namespace_name, const WatchOptions&,
                     std::function<void(WatchEvent)> on_event,
                     std::function<void(Status)> on_done) = 0;
};

// The same, waiting. Any thread but the loop's.
class BlockingClient {
 public:
  // client outlives it.
  explicit BlockingClient(EventLoop& loop, Client& client,
                          std::chrono::milliseconds timeout = std::chrono::seconds(30));

  Result<Json> get(const Resource&, const ObjectKey&);
  Result<Json> list(const Resource&, std::string_view namespace_name, const ListOptions& = {});
  Result<Json> create(const Resource&, std::string_view namespace_name, const Json& object,
                      bool dry_run = false);
  Result<Json> update(const Resource&, const Json& object);
  Result<Json> apply(const Resource&, const Json& object, const ApplyOptions&,
                     std::string_view subresource = "");
  Result<Json> merge_patch(const Resource&, const ObjectKey&, const Json& patch,
                           std::string_view subresource = "");
  Result<Json> remove(const Resource&, const ObjectKey&, const DeleteOptions& = {});
  Result<RawResponse> raw(RawRequest);

 private:
  EventLoop& loop_;
  Client& client_;
  std::chrono::milliseconds timeout_;
};

}  // namespace vk8s::kube
