// Reads an artifact and looks for images in a registry. On the loop's thread.
// Source: OCI distribution-spec v1.1, "Pull".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "addons/image_lock.h"
#include "addons/oci_artifact.h"
#include "addons/registry_call.h"

namespace vk8s::addons {

// Its layer, with the digest that the reference leads to, wherever it came from.
class ArtifactFetch {
 public:
  using Done = std::function<void(Result<std::string>)>;

  // client outlives it.
  ArtifactFetch(http::Client& client, RegistryAccess access, ArtifactReference reference,
                ArtifactLimits limits = {});

  // done is called once, from the loop, unless the fetch ends before.
  void start(Done done);

 private:
  using TakeBody = std::function<void(std::string)>;

  void get_manifest(const std::string& digest, bool may_be_index);
  void take_manifest(const std::string& body, bool may_be_index);
  void get(const std::string& what, const std::string& digest, std::size_t max_bytes,
           TakeBody take);
  void end(Result<std::string> result);

  http::Client& client_;
  const RegistryAccess access_;
  const ArtifactReference reference_;
  const ArtifactLimits limits_;
  Done done_;
  std::unique_ptr<RegistryCall> call_;
  std::unique_ptr<RegistryCall> ended_;  // the one whose answer is being looked at
};

// Which of some images the registry does not hold.
class ImageSearch {
 public:
  // missing, by "repository@digest"; an error where that cannot be told.
  using Done = std::function<void(Result<std::vector<std::string>> missing)>;

  // prefix: before their repositories, of the path; "" or "team". client outlives it.
  ImageSearch(http::Client& client, RegistryAccess access, std::string prefix);

  // Likewise. images: at least one.
  void start(const std::vector<LockedImage>& images, Done done);

 private:
  void take(const std::string& image, Result<http::Response> response);

  http::Client& client_;
  const RegistryAccess access_;
  const std::string prefix_;
  Done done_;
  std::vector<std::unique_ptr<RegistryCall>> calls_;
  std::size_t unanswered_ = 0;
  std::vector<std::string> missing_;
  std::optional<Error> error_;
};

}  // namespace vk8s::addons
