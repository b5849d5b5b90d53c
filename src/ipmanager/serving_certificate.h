// The server's certificate, and how callers come to trust it.
//
// The CA is in Secret vk8s-ip-manager-ca (ca.crt, ca.key), which the first replica creates;
// its certificate alone is in the ConfigMap of that name. Each replica signs itself a leaf,
// and a new one after two thirds of its life, or when the CA has become another one:
// whoever wants a new CA deletes the Secret.
//
// On the loop's thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "base/event_loop.h"
#include "base/log.h"
#include "kube/backoff.h"
#include "kube/client.h"
#include "pki/pki.h"

namespace vk8s::ipmanager {

inline constexpr std::string_view kServiceName = "vk8s-ip-manager";
inline constexpr std::string_view kCaName = "vk8s-ip-manager-ca";  // Secret and ConfigMap

// The leaf's names: of the Service, and of this machine for a forwarded port.
pki::LeafRequest leaf_request(std::string_view namespace_name);

class ServingCertificate {
 public:
  // Takes a certificate into use.
  using Install = std::function<Status(const pki::KeyPair&)>;
  using WallClock = std::function<pki::WallTime()>;

  // What is passed in outlives it.
  ServingCertificate(Timers& timers, kube::Client& client, std::string namespace_name,
                     Install install, WallClock clock, Log log);
  ServingCertificate(const ServingCertificate&) = delete;
  ServingCertificate& operator=(const ServingCertificate&) = delete;

  void start();
  void stop();
  // The CA is published and a leaf of it in use.
  bool is_installed() const { return issuer_.has_value(); }

 private:
  void read_ca();
  void create_ca();
  void take_ca(const Json& secret);
  void read_published(const pki::KeyPair& ca);
  void publish(pki::KeyPair ca, const std::optional<Json>& present);
  void issue(const pki::KeyPair& ca);
  void retry(const Error& error, std::string_view what);
  void look_again_after(std::chrono::nanoseconds delay);

  Timers& timers_;
  kube::Client& client_;
  const std::string namespace_;
  Install install_;
  WallClock clock_;
  Log log_;
  kube::Backoff backoff_;
  kube::Call call_;
  Registration timer_;
  std::optional<std::string> issuer_;  // the CA of the leaf in use
  pki::WallTime renewal_;
};

}  // namespace vk8s::ipmanager
