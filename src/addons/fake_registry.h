// A registry that the http module's own server plays, over loopback, for tests.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "addons/digest.h"
#include "addons/oci_artifact.h"
#include "base/event_loop.h"
#include "http/client.h"
#include "http/server.h"
#include "pki/pki.h"

namespace vk8s::addons::testing {

inline pki::KeyPair make_registry_ca() {
  return pki::create_ca({.common_name = "test-ca", .organizations = {}}).value();
}

class FakeRegistry {
 public:
  struct Seen {
    std::string path;
    std::string query;
    std::string authorization;
  };
  // Comes before the documents; nullopt leaves it to them.
  std::function<std::optional<http::ServerResponse>(const http::ServerRequest&)> intercept;
  std::map<std::string, std::string> documents;  // by path
  std::vector<Seen> seen;

  // loop outlives it.
  explicit FakeRegistry(EventLoop& loop, const pki::KeyPair& ca = make_registry_ca())
      : ca_pem_(ca.certificate_pem) {
    pki::LeafRequest leaf;
    leaf.subject.common_name = "registry";
    leaf.ip_addresses = {"127.0.0.1"};
    leaf.server = true;
    const auto pair = pki::issue(ca, leaf).value();
    server_ = http::Server::start(
                  loop,
                  {.address = "127.0.0.1",
                   .certificate_pem = pair.certificate_pem,
                   .key_pem = pair.key_pem},
                  [this](const http::ServerRequest& request, http::Responder responder) {
                    std::move(responder).send(answer(request));
                  },
                  Log::silent())
                  .value();
    host_ = fmt::format("127.0.0.1:{}", server_->port());
  }

  const std::string& ca_pem() const { return ca_pem_; }
  // Of one that has stopped too.
  const std::string& host() const { return host_; }
  std::string url() const { return "https://" + host_; }
  void stop() { server_.reset(); }

  // kind: "manifests" or "blobs". The digest.
  std::string put(const std::string& repository, const std::string& kind, const std::string& body) {
    const std::string digest = sha256_digest(body);
    documents[fmt::format("/v2/{}/{}/{}", repository, kind, digest)] = body;
    return digest;
  }
  // An artifact with that layer: the digest of its manifest.
  std::string put_artifact(const std::string& repository, const std::string& layer) {
    return put(
        repository, "manifests",
        fmt::format(
            R"({{"artifactType":"{}","layers":[{{"mediaType":"l","digest":"{}","size":{}}}]}})",
            kArtifactType, put(repository, "blobs", layer), layer.size()));
  }

 private:
  http::ServerResponse answer(const http::ServerRequest& request) {
    seen.push_back({request.path, request.query, std::string(request.header("authorization"))});
    if (intercept) {
      if (auto response = intercept(request)) {
        return *std::move(response);
      }
    }
    const auto found = documents.find(request.path);
    if (found == documents.end()) {
      return {.status = 404, .body = "words of the registry"};
    }
    return {.status = 200, .body = request.method == "HEAD" ? "" : found->second};
  }

  std::string ca_pem_;
  std::string host_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace vk8s::addons::testing
