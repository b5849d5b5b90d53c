#include "ipmanager/serving_certificate.h"

#include <utility>

namespace vk8s::ipmanager {
namespace {

using namespace std::chrono_literals;
namespace resources = kube::resources;

constexpr auto kLookEvery = 1h;
constexpr std::chrono::hours kLeafLifetime(24 * 90);
constexpr const char* kCertificateKey = "ca.crt";
constexpr const char* kKeyKey = "ca.key";

JsonObject object_of(const kube::Resource& resource, const std::string& namespace_name) {
  JsonObject metadata;
  metadata["name"] = kCaName;
  metadata["namespace"] = namespace_name;
  metadata["labels"] = JsonObject{{"app", Json(kServiceName)}};
  JsonObject out;
  out["apiVersion"] = resource.api_version();
  out["kind"] = resource.kind;
  out["metadata"] = std::move(metadata);
  return out;
}

Result<std::string> secret_value(const Json& secret, const char* key) {
  const JsonObject* data = base::get_object(secret, "data");
  const Json* value = data == nullptr ? nullptr : data->if_contains(key);
  if (value == nullptr || !value->is_string()) {
    return fail(Errc::kInvalidArgument, "it has no {}", key);
  }
  return pki::base64_decode(value->get_string());
}

Result<pki::KeyPair> read_pair(const Json& secret) {
  pki::KeyPair out;
  out.certificate_pem = VK8S_TRY(secret_value(secret, kCertificateKey));
  out.key_pem = VK8S_TRY(secret_value(secret, kKeyKey));
  if (!VK8S_TRY(pki::parse_certificate(out.certificate_pem)).is_ca ||
      !pki::matches_key(out.certificate_pem, out.key_pem)) {
    return fail(Errc::kInvalidArgument, "{} and {} are no CA", kCertificateKey, kKeyKey);
  }
  return out;
}

}  // namespace

pki::LeafRequest leaf_request(std::string_view namespace_name) {
  pki::LeafRequest out;
  out.subject.common_name = kServiceName;
  out.dns_names = {std::string(kServiceName), fmt::format("{}.{}", kServiceName, namespace_name),
                   fmt::format("{}.{}.svc", kServiceName, namespace_name), "localhost"};
  out.ip_addresses = {"127.0.0.1", "::1"};
  out.server = true;
  out.lifetime = kLeafLifetime;
  return out;
}

ServingCertificate::ServingCertificate(Timers& timers, kube::Client& client,
                                       std::string namespace_name, Install install, WallClock clock,
                                       Log log)
    : timers_(timers),
      client_(client),
      namespace_(std::move(namespace_name)),
      install_(std::move(install)),
      clock_(std::move(clock)),
      log_(std::move(log)),
      backoff_(1s, 30s) {}

void ServingCertificate::start() { read_ca(); }

void ServingCertificate::stop() {
  call_.cancel();
  timer_.cancel();
}

void ServingCertificate::read_ca() {
  call_ = client_.get(resources::kSecret, {namespace_, std::string(kCaName)},
                      [this](const Result<Json>& secret) {
                        if (secret) {
                          take_ca(*secret);
                        } else if (secret.error().code() == Errc::kNotFound) {
                          create_ca();
                        } else {
                          retry(secret.error(), "read Secret");
                        }
                      });
}

// Of several replicas one creates it, and the others read it then.
void ServingCertificate::create_ca() {
  const auto ca = pki::create_ca({std::string(kCaName), {}});
  if (!ca) {
    retry(ca.error(), "create a CA");
    return;
  }
  JsonObject secret = object_of(resources::kSecret, namespace_);
  secret["type"] = "Opaque";
  secret["data"] = JsonObject{{kCertificateKey, pki::base64_encode(ca->certificate_pem)},
                              {kKeyKey, pki::base64_encode(ca->key_pem)}};
  call_ = client_.create(resources::kSecret, namespace_, std::move(secret),
                         [this](const Result<Json>& created) {
                           if (created) {
                             log_.info("made a CA", {{"secret", kCaName}});
                             take_ca(*created);
                           } else if (created.error().code() == Errc::kAlreadyExists) {
                             read_ca();
                           } else {
                             retry(created.error(), "create Secret");
                           }
                         });
}

void ServingCertificate::take_ca(const Json& secret) {
  auto ca = read_pair(secret);
  if (!ca) {
    retry(std::move(ca).error().context("delete the Secret {}/{}, and another is made", namespace_,
                                        kCaName),
          "read the CA");
    return;
  }
  read_published(*ca);
}

// Published before the leaf is used: nobody is to meet one that cannot be verified.
void ServingCertificate::read_published(const pki::KeyPair& ca) {
  call_ = client_.get(resources::kConfigMap, {namespace_, std::string(kCaName)},
                      [this, ca](const Result<Json>& map) {
                        if (map) {
                          publish(ca, *map);
                        } else if (map.error().code() == Errc::kNotFound) {
                          publish(ca, std::nullopt);
                        } else {
                          retry(map.error(), "read ConfigMap");
                        }
                      });
}

// By value: a new call ends the one that ca came with.
void ServingCertificate::publish(pki::KeyPair ca, const std::optional<Json>& present) {
  const JsonObject data{{kCertificateKey, ca.certificate_pem}};
  const JsonObject* there = present ? base::get_object(*present, "data") : nullptr;
  if (there != nullptr && *there == data) {
    issue(ca);
    return;
  }
  auto done = [this, ca](const Result<Json>& written) {
    if (written) {
      issue(ca);
    } else {
      retry(written.error(), "write ConfigMap");
    }
  };
  if (present) {
    JsonObject map = present->get_object();
    map["data"] = data;
    call_ = client_.update(resources::kConfigMap, std::move(map), std::move(done));
  } else {
    JsonObject map = object_of(resources::kConfigMap, namespace_);
    map["data"] = data;
    call_ = client_.create(resources::kConfigMap, namespace_, std::move(map), std::move(done));
  }
}

void ServingCertificate::issue(const pki::KeyPair& ca) {
  backoff_.reset();
  look_again_after(kLookEvery);
  if (issuer_ == ca.certificate_pem && clock_() < renewal_) {
    return;
  }
  const auto leaf = pki::issue(ca, leaf_request(namespace_));
  const auto info = leaf ? pki::parse_certificate(leaf->certificate_pem)
                         : Result<pki::CertificateInfo>(tl::unexpected<Error>(leaf.error()));
  const Status installed = info ? install_(*leaf) : Status(tl::unexpected<Error>(info.error()));
  if (!installed) {
    retry(installed.error(), "issue a certificate");
    return;
  }
  issuer_ = ca.certificate_pem;
  renewal_ = pki::renewal_time(*info);
  log_.info("certificate issued");
}

void ServingCertificate::retry(const Error& error, std::string_view what) {
  log_.warning("the certificate is not renewed", {{"step", what}, {"error", error.message()}});
  look_again_after(backoff_.next());
}

void ServingCertificate::look_again_after(std::chrono::nanoseconds delay) {
  timer_ = timers_.after(delay, [this] { read_ca(); });
}

}  // namespace vk8s::ipmanager
