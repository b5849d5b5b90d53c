// The objects of one add-on, read and put in order. A value; once made it is shared by
// all clusters that install it. Pure; any thread, but the loop's: 11 MB of YAML take
// seconds. Bytes of others.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "addons/kinds.h"
#include "addons/login.h"
#include "addons/manifest_files.h"
#include "addons/object_id.h"
#include "base/error.h"

namespace vk8s::addons {

struct Manifest {
  ObjectId id;
  std::string version;  // "v1"
  std::string plural;   // "" where neither Kubernetes nor a CRD of the set knows the kind
  bool namespaced = true;
  Stage stage = Stage::kConfiguration;
  std::string component;  // what users know it as a part of
  Json object;

  std::string api_version() const { return GroupVersion{id.group, version}.to_string(); }
};

// addon.json, where the set has one: {"version": "26.03", "kubernetes": {"min": "1.29",
// "max": "1.34"}, "login": ...}.
struct AddonInfo {
  std::string version;
  std::string min_kubernetes;  // "" = any
  std::string max_kubernetes;
  std::shared_ptr<const LoginInfo> login;  // null: nobody logs in to it (login.h)
};

struct ManifestLimits {
  std::size_t max_objects = 8192;
  std::size_t max_object_bytes = 3U << 20U;  // as JSON: the API server takes no more
  std::size_t max_values = 4'000'000;        // of a file
};

class ManifestSet {
 public:
  // Lists are taken apart. What a server owns (status, uid, ...) is left out, a
  // namespaced object without namespace goes into "default". Refused, with file and
  // document: what is no object, has generateName, or is there twice.
  static Result<ManifestSet> create(std::vector<ManifestFile> files, const ManifestLimits& = {});

  const std::vector<Manifest>& manifests() const { return manifests_; }
  const AddonInfo& info() const { return info_; }
  // images.lock.json, or "".
  const std::string& image_lock() const { return image_lock_; }

  // For who rewrites objects before the set is shared (image_lock.h). Identities stay.
  std::vector<Manifest>& mutable_manifests() { return manifests_; }

 private:
  std::vector<Manifest> manifests_;
  AddonInfo info_;
  std::string image_lock_;
};

// Puts an object of a kind into the place that it can have: "default" where a namespaced
// one has no Namespace, and none for a cluster-scoped one.
void settle_scope(ObjectId& id, Json& object, bool namespaced);

// Of all that will be applied.
std::string digest_of(const ManifestSet& set);
// The same of one object, 32 hexadecimal digits.
std::string digest_of(const Json& object);

}  // namespace vk8s::addons
