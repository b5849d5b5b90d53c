// Secret <cr>-kubeflow-password: generated once, for add-ons with a login.
#include <openssl/rand.h>

#include <array>

#include "controller/resource.h"

namespace vk8s::controller {
namespace {

constexpr std::string_view kFile = "password";
// No letter that looks like another: people type it. 32 of them: 5 bits each.
constexpr std::string_view kLetters = "abcdefghijkmnpqrstuvwxyz23456789";
constexpr std::size_t kLength = 24;

Result<std::string> generate() {
  std::array<unsigned char, kLength> bytes{};
  if (::RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
    return fail(Errc::kInternal, "no random numbers for a password");
  }
  std::string out;
  for (const unsigned char byte : bytes) {
    out.push_back(kLetters[byte % kLetters.size()]);
  }
  return out;
}

class PasswordSecret final : public SecretResource {
 public:
  ObjectRef ref(const Cluster& cluster) const override {
    return ref_of(cluster, kube::resources::kSecret, cluster.password_secret());
  }

  std::string inputs(const Cluster&) const override { return "once"; }

  // A user may write another one into it.
  Result<Content> content(const Cluster&, const Content& existing, pki::WallTime) const override {
    if (existing.files.contains(std::string(kFile))) {
      return existing;
    }
    return Content{{{std::string(kFile), VK8S_TRY(generate())}}, "generated"};
  }
};

}  // namespace

std::unique_ptr<SecretResource> make_password_secret() {
  return std::make_unique<PasswordSecret>();
}

}  // namespace vk8s::controller
