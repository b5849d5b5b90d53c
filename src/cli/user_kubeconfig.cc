#include "cli/user_kubeconfig.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "base/text.h"
#include "cli/document_writer.h"
#include "kube/yaml.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

constexpr std::size_t kMaxBytes = 1U << 20U;
constexpr std::array<const char*, 3> kLists = {"clusters", "users", "contexts"};

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

Result<Json> read_kubeconfig(const std::string& path) {
  const std::string text = VK8S_TRY_CONTEXT(sys::read_file(path, kMaxBytes), "read kubeconfig");
  if (base::trim(text).empty()) {
    return Json(JsonObject());
  }
  Json document =
      VK8S_TRY_CONTEXT(kube::parse_yaml(text, {.max_bytes = kMaxBytes, .max_values = 20'000}),
                       "kubeconfig {}", path);
  if (!document.is_object()) {
    return fail(Errc::kInvalidArgument, "kubeconfig {}: it is not a mapping", path);
  }
  return document;
}

// File names in an entry are relative to the kubeconfig they stand in.
void resolve_files(Json& entry, const char* part, const std::string& folder) {
  JsonObject* object = entry.if_object();
  Json* value = object == nullptr ? nullptr : object->if_contains(part);
  if (value == nullptr || !value->is_object()) {
    return;
  }
  for (const char* key :
       {"certificate-authority", "client-certificate", "client-key", "tokenFile"}) {
    Json* file = value->get_object().if_contains(key);
    if (file != nullptr && file->is_string() && !file->get_string().empty() &&
        file->get_string().front() != '/') {
      *file = Json(folder + "/" + std::string(file->get_string()));
    }
  }
}

const Json* entry_named(const Json& document, const char* list, std::string_view name) {
  if (const JsonArray* entries = base::get_array(document, list)) {
    for (const Json& entry : *entries) {
      if (base::get_string(entry, "name") == name) {
        return &entry;
      }
    }
  }
  return nullptr;
}

// The first file that has an entry wins, as with kubectl.
void add_missing(Json& merged, const Json& document, const std::string& folder) {
  JsonObject& out = merged.get_object();
  const std::string context(base::get_string(document, "current-context").value_or(""));
  if (!context.empty() && !base::get_string(merged, "current-context")) {
    out["current-context"] = context;
  }
  for (const char* list : kLists) {
    const JsonArray* entries = base::get_array(document, list);
    for (std::size_t i = 0; entries != nullptr && i < entries->size(); ++i) {
      Json entry = (*entries)[i];
      const std::string name(base::get_string(entry, "name").value_or(""));
      if (entry_named(merged, list, name) == nullptr) {
        resolve_files(entry, "cluster", folder);
        resolve_files(entry, "user", folder);
        out[list].as_array().push_back(std::move(entry));
      }
    }
  }
}

std::string default_path(const Surroundings& surroundings) {
  const std::string home = surroundings.variable("HOME");
  return home.empty() ? std::string() : home + "/.kube/config";
}

// All files that count, in one document; kNotFound where none exists.
Result<Json> load(const Surroundings& surroundings, const ConnectionOptions& options) {
  Json merged =
      JsonObject{{"clusters", JsonArray()}, {"users", JsonArray()}, {"contexts", JsonArray()}};
  const std::string listed =
      options.kubeconfig.empty() ? surroundings.variable("KUBECONFIG") : options.kubeconfig;
  std::vector<std::string> paths;
  if (!options.kubeconfig.empty()) {
    paths.push_back(options.kubeconfig);
  } else if (!listed.empty()) {
    for (const std::string_view path : base::split(listed, ':')) {
      paths.emplace_back(path);
    }
  } else {
    paths.push_back(default_path(surroundings));
  }
  bool found = false;
  for (const std::string& path : paths) {
    // Only the file asked for by option must exist.
    if (!path.empty() && (!options.kubeconfig.empty() || sys::exists(path))) {
      add_missing(merged, VK8S_TRY(read_kubeconfig(path)), folder_of(path));
      found = true;
    }
  }
  if (!found) {
    return fail(Errc::kNotFound,
                "no kubeconfig of the host cluster: give --kubeconfig, set KUBECONFIG or make "
                "~/.kube/config; a host on this machine is made by 'kubectl vk8s host up'");
  }
  return merged;
}

Result<HostConnection> in_cluster(const ConnectionOptions& options) {
  HostConnection out;
  out.config = VK8S_TRY(kube::ClientConfig::in_cluster());
  out.namespace_name = options.namespace_name;
  if (out.namespace_name.empty()) {
    const auto own = sys::read_file("/var/run/secrets/kubernetes.io/serviceaccount/namespace");
    out.namespace_name = own ? std::string(base::trim(*own)) : "default";
  }
  return out;
}

// The file at the end of symbolic links, so that replacing it keeps the link.
std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> buffer{};
  return ::realpath(path.c_str(), buffer.data()) == nullptr ? path : std::string(buffer.data());
}

// kubectl's lock: whoever made the file writes.
class KubeconfigLock {
 public:
  static Result<KubeconfigLock> acquire(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
    if (!fd && errno == EEXIST) {
      return fail(Errc::kConflict,
                  "{} exists: another program writes the kubeconfig; if none does, remove it",
                  path);
    }
    if (!fd) {
      return fail_errno(errno, "make {}", path);
    }
    return KubeconfigLock(path);
  }
  KubeconfigLock(KubeconfigLock&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  KubeconfigLock& operator=(KubeconfigLock&&) = delete;
  ~KubeconfigLock() {
    if (!path_.empty()) {
      ::unlink(path_.c_str());
    }
  }

 private:
  explicit KubeconfigLock(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

void copy_text(const Json& from, const char* part, std::initializer_list<const char*> keys,
               JsonObject& to) {
  const Json* source = base::find(from, part);
  for (const char* key : keys) {
    if (const auto text = source == nullptr ? std::nullopt : base::get_string(*source, key);
        text && !text->empty()) {
      to[key] = std::string(*text);
    }
  }
}

}  // namespace

Result<HostConnection> find_host(const Surroundings& surroundings,
                                 const ConnectionOptions& options) {
  const Result<Json> document = load(surroundings, options);
  if (!document && document.error().code() == Errc::kNotFound && options.kubeconfig.empty() &&
      options.context.empty() && !surroundings.variable("KUBERNETES_SERVICE_HOST").empty()) {
    return in_cluster(options);
  }
  if (!document) {
    return tl::unexpected<Error>(document.error());
  }
  HostConnection out;
  out.config =
      VK8S_TRY(kube::ClientConfig::from_kubeconfig(base::to_string(*document), options.context));
  out.namespace_name = options.namespace_name;
  const std::string context =
      options.context.empty()
          ? std::string(base::get_string(*document, "current-context").value_or(""))
          : options.context;
  if (const Json* entry = entry_named(*document, "contexts", context);
      entry != nullptr && out.namespace_name.empty()) {
    out.namespace_name = base::get_string(*entry, "context.namespace").value_or("");
  }
  if (out.namespace_name.empty()) {
    out.namespace_name = "default";
  }
  return out;
}

Result<std::string> merge_target(const Surroundings& surroundings, const ConnectionOptions& options,
                                 const std::string& file) {
  if (!file.empty() || !options.kubeconfig.empty()) {
    return file.empty() ? options.kubeconfig : file;
  }
  const std::string listed = surroundings.variable("KUBECONFIG");
  for (const std::string_view path : base::split(listed, ':')) {
    if (!path.empty()) {
      return std::string(path);
    }
  }
  std::string path = default_path(surroundings);
  if (path.empty()) {
    return fail(Errc::kInvalidArgument, "HOME is not set: say where to write with --file");
  }
  return path;
}

Result<Json> rename_kubeconfig(std::string_view issued, std::string_view name) {
  // Refuses what runs programs or reads files, and what cannot be used at all.
  VK8S_TRY(kube::ClientConfig::from_foreign_kubeconfig(issued));
  const Json document = VK8S_TRY(kube::parse_yaml(issued));
  const std::string context(base::get_string(document, "current-context").value_or(""));
  const Json* in_use = entry_named(document, "contexts", context);
  const Json empty;
  const auto part = [&](const char* list, const char* key) -> const Json& {
    const auto wanted =
        in_use == nullptr ? std::nullopt : base::get_string(*in_use, std::string("context.") + key);
    const Json* entry = entry_named(document, list, wanted.value_or(""));
    return entry == nullptr ? empty : *entry;
  };
  JsonObject cluster;
  copy_text(part("clusters", "cluster"), "cluster",
            {"server", "certificate-authority-data", "tls-server-name"}, cluster);
  JsonObject user;
  copy_text(part("users", "user"), "user", {"client-certificate-data", "client-key-data", "token"},
            user);
  if (user.empty()) {
    return fail(Errc::kInvalidArgument, "kubeconfig: its user has no certificate and no token");
  }
  const std::string own(name);
  JsonObject out;
  out["apiVersion"] = "v1";
  out["kind"] = "Config";
  out["clusters"] = JsonArray{JsonObject{{"name", own}, {"cluster", std::move(cluster)}}};
  out["users"] = JsonArray{JsonObject{{"name", own}, {"user", std::move(user)}}};
  out["contexts"] = JsonArray{
      JsonObject{{"name", own}, {"context", JsonObject{{"cluster", own}, {"user", own}}}}};
  out["current-context"] = own;
  return Json(std::move(out));
}

Result<Json> merge_kubeconfigs(Json existing, const Json& added) {
  JsonObject* out = existing.if_object();
  if (out == nullptr) {
    return fail(Errc::kInvalidArgument, "kubeconfig: it is not a mapping");
  }
  out->emplace("apiVersion", "v1");
  out->emplace("kind", "Config");
  for (const char* list : kLists) {
    Json& entries = (*out)[list];
    if (entries.is_null()) {
      entries = JsonArray();
    }
    if (!entries.is_array()) {
      return fail(Errc::kInvalidArgument, "kubeconfig: {} is not a list", list);
    }
    for (const Json& entry : *base::get_array(added, list)) {
      const auto same = [&](const Json& other) {
        return base::get_string(other, "name") == base::get_string(entry, "name");
      };
      JsonArray& all = entries.get_array();
      const auto* const found = std::find_if(all.begin(), all.end(), same);
      if (found == all.end()) {
        all.push_back(entry);
      } else {
        all[static_cast<std::size_t>(found - all.begin())] = entry;
      }
    }
  }
  if (base::get_string(existing, "current-context").value_or("").empty()) {
    (*out)["current-context"] = std::string(*base::get_string(added, "current-context"));
  }
  return existing;
}

Status merge_into_file(const std::string& path, const Json& added) {
  const std::string file = resolved(path);
  VK8S_TRY(sys::ensure_directory(folder_of(file), 0700));
  const KubeconfigLock lock = VK8S_TRY(KubeconfigLock::acquire(file + ".lock"));
  Json existing = JsonObject();
  if (sys::exists(file)) {
    existing = VK8S_TRY_CONTEXT(read_kubeconfig(file), "{} is left as it is", path);
  }
  const Json merged =
      VK8S_TRY_CONTEXT(merge_kubeconfigs(std::move(existing), added), "{} is left as it is", path);
  return sys::write_file(file, to_yaml(merged), {.mode = 0600, .durable = true});
}

}  // namespace vk8s::cli
