#include "addons/manifest_set.h"

#include <algorithm>
#include <map>

#include "addons/component.h"
#include "addons/digest.h"
#include "base/names.h"
#include "base/text.h"
#include "kube/yaml.h"

namespace vk8s::addons {
namespace {

constexpr std::string_view kInfoFile = "addon.json";
constexpr std::string_view kLockFile = "images.lock.json";
constexpr std::size_t kMaxLockBytes = 1U << 20U;
constexpr int kMaxListDepth = 4;

// Where an object stands, for messages.
struct Place {
  std::string file;
  std::size_t document = 0;
  std::string to_string() const {
    return fmt::format("{} document {}", base::printable(file, 256), document);
  }
};

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && text != "." && text != ".." &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > ' ' && c < 127 && c != '/' && c != '%'; });
}

bool is_kind(std::string_view text) {
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
}

// They become parts of a path.
bool is_api_version(std::string_view group, std::string_view version) {
  return base::is_dns_label(version) && (group.empty() || base::is_dns_subdomain(group));
}

void leave_out_what_servers_own(JsonObject& object) {
  object.erase("status");
  if (JsonObject* metadata = object["metadata"].if_object()) {
    for (const char* field : {"creationTimestamp", "deletionTimestamp", "generation",
                              "managedFields", "resourceVersion", "selfLink", "uid"}) {
      metadata->erase(field);
    }
  }
  // A controller fills in the rules of what is aggregated.
  if (object["kind"] == "ClusterRole" && object.contains("aggregationRule")) {
    object.erase("rules");
  }
}

class SetReader {
 public:
  explicit SetReader(const ManifestLimits& limits) : limits_(limits) {}

  Status read_file(const ManifestFile& file) {
    place_ = {.file = file.path, .document = 0};
    for (Json& document : VK8S_TRY_CONTEXT(parse(file), "{}", base::printable(file.path, 256))) {
      ++place_.document;
      VK8S_TRY_CONTEXT(add(std::move(document), 0), "{}", place_.to_string());
    }
    return {};
  }

  Result<std::vector<Manifest>> finish() {
    for (const Manifest& manifest : manifests_) {
      if (is_definition(manifest.id.group, manifest.id.kind)) {
        VK8S_TRY(learn_kind(manifest));
      }
    }
    std::map<ObjectId, std::size_t> seen;
    for (std::size_t i = 0; i < manifests_.size(); ++i) {
      settle_scope(manifests_[i]);
      if (!seen.emplace(manifests_[i].id, i).second) {
        return fail(Errc::kInvalidArgument, "{} is in the manifests twice",
                    manifests_[i].id.to_string());
      }
    }
    name_components(manifests_, files_);
    return std::move(manifests_);
  }

 private:
  Result<std::vector<Json>> parse(const ManifestFile& file) const {
    std::vector<Json> documents;
    if (file.path.ends_with(".json")) {
      documents.push_back(VK8S_TRY(base::parse_json(file.content, file.content.size())));
    } else {
      const kube::YamlLimits limits{.max_bytes = file.content.size(),
                                    .max_values = limits_.max_values};
      documents = VK8S_TRY(kube::parse_yaml_documents(file.content, limits));
    }
    return documents;
  }

  Status add(Json document, int depth) {
    JsonObject* object = document.if_object();
    if (object == nullptr) {
      return fail(Errc::kInvalidArgument, "it is no object");
    }
    const std::string kind = text_at(document, "kind");
    if (Json* items = object->if_contains("items"); items != nullptr && kind.ends_with("List")) {
      return add_list(*items, depth);
    }
    if (manifests_.size() >= limits_.max_objects) {
      return fail(Errc::kTooLarge, "more than {} objects", limits_.max_objects);
    }
    Manifest manifest = VK8S_TRY(read(std::move(document)));
    manifests_.push_back(std::move(manifest));
    files_.push_back(place_.file);
    return {};
  }

  Status add_list(Json& items, int depth) {
    if (!items.is_array() || depth >= kMaxListDepth) {
      return fail(Errc::kInvalidArgument, "a List without a list of items, or nested too deeply");
    }
    for (Json& item : items.get_array()) {
      VK8S_TRY(add(std::move(item), depth + 1));
    }
    return {};
  }

  Result<Manifest> read(Json document) const {
    JsonObject& object = document.get_object();
    leave_out_what_servers_own(object);
    const auto [group, version] = GroupVersion::parse(text_at(document, "apiVersion"));
    Manifest manifest;
    manifest.id = {.group = group,
                   .kind = text_at(document, "kind"),
                   .namespace_name = text_at(document, "metadata.namespace"),
                   .name = text_at(document, "metadata.name")};
    manifest.version = version;
    if (!is_api_version(group, version) || !is_kind(manifest.id.kind)) {
      return fail(Errc::kInvalidArgument, "apiVersion and kind must name a kind of object");
    }
    if (!is_name(manifest.id.name) ||
        (!manifest.id.namespace_name.empty() && !is_name(manifest.id.namespace_name))) {
      return fail(Errc::kInvalidArgument, "a {} without a valid metadata.name and namespace",
                  manifest.id.kind);
    }
    if (const std::size_t size = base::to_string(document).size();
        size > limits_.max_object_bytes) {
      return fail(Errc::kTooLarge, "{} has {} bytes: API servers take {}", manifest.id.to_string(),
                  size, limits_.max_object_bytes);
    }
    manifest.stage = stage_of(manifest.id.group, manifest.id.kind);
    manifest.object = std::move(document);
    return manifest;
  }

  Status learn_kind(const Manifest& definition) {
    const std::string group = text_at(definition.object, "spec.group");
    const std::string kind = text_at(definition.object, "spec.names.kind");
    const std::string plural = text_at(definition.object, "spec.names.plural");
    const std::string scope = text_at(definition.object, "spec.scope");
    if (!base::is_dns_subdomain(group) || !is_kind(kind) || !base::is_dns_label(plural) ||
        (scope != "Namespaced" && scope != "Cluster")) {
      return fail(Errc::kInvalidArgument,
                  "{}: spec.group, names and scope must say what it defines",
                  definition.id.to_string());
    }
    kinds_[{group, kind}] = {.plural = plural, .namespaced = scope == "Namespaced"};
    return {};
  }

  void settle_scope(Manifest& manifest) const {
    const auto own = kinds_.find({manifest.id.group, manifest.id.kind});
    const auto info = own != kinds_.end() ? std::optional(own->second)
                                          : find_builtin_kind(manifest.id.group, manifest.id.kind);
    if (!info) {
      return;
    }
    manifest.plural = info->plural;
    manifest.namespaced = info->namespaced;
    addons::settle_scope(manifest.id, manifest.object, info->namespaced);
  }

  const ManifestLimits& limits_;
  Place place_;
  std::vector<Manifest> manifests_;
  std::vector<std::string> files_;                                 // of manifests_
  std::map<std::pair<std::string, std::string>, KindInfo> kinds_;  // what the set's CRDs define
};

Result<AddonInfo> parse_info(std::string_view text) {
  const Json document = VK8S_TRY_CONTEXT(base::parse_json(text, 65536), "{}", kInfoFile);
  AddonInfo info{.version = base::printable(text_at(document, "version"), 64),
                 .min_kubernetes = base::printable(text_at(document, "kubernetes.min"), 16),
                 .max_kubernetes = base::printable(text_at(document, "kubernetes.max"), 16),
                 .login = VK8S_TRY_CONTEXT(parse_login(document), "{}", kInfoFile)};
  return info;
}

}  // namespace

Result<ManifestSet> ManifestSet::create(std::vector<ManifestFile> files,
                                        const ManifestLimits& limits) {
  ManifestSet set;
  SetReader reader(limits);
  for (ManifestFile& file : files) {
    if (file.path == kInfoFile) {
      set.info_ = VK8S_TRY(parse_info(file.content));
    } else if (file.path == kLockFile) {
      if (file.content.size() > kMaxLockBytes) {
        return fail(Errc::kTooLarge, "{}: more than {} bytes", kLockFile, kMaxLockBytes);
      }
      set.image_lock_ = std::move(file.content);
    } else {
      VK8S_TRY(reader.read_file(file));
      // The text is many times what is kept of the next one.
      std::string().swap(file.content);
    }
  }
  set.manifests_ = VK8S_TRY(reader.finish());
  if (set.manifests_.empty()) {
    return fail(Errc::kInvalidArgument, "no object is in the manifests");
  }
  if (set.info_.login) {
    VK8S_TRY(check_login(*set.info_.login, set));
  }
  return set;
}

void settle_scope(ObjectId& id, Json& object, bool namespaced) {
  JsonObject& metadata = object.at("metadata").as_object();
  if (!namespaced) {
    id.namespace_name.clear();
    metadata.erase("namespace");
  } else if (id.namespace_name.empty()) {
    id.namespace_name = "default";
    metadata["namespace"] = "default";
  }
}

std::string digest_of(const Json& object) {
  return sha256_digest(base::to_string(object)).substr(std::string_view("sha256:").size(), 32);
}

std::string digest_of(const ManifestSet& set) {
  std::string text;
  for (const Manifest& manifest : set.manifests()) {
    text += digest_of(manifest.object) + "\n";
  }
  return sha256_digest(text);
}

}  // namespace vk8s::addons
