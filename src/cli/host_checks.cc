#include "cli/host_checks.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "cli/clean_text.h"
#include "cli/installation.h"
#include "host/machine_limits.h"
#include "sys/file.h"

namespace vk8s::cli {
namespace {

// CEL's cidr(), which the schema's rules use.
constexpr int kLeastMinor = 31;
constexpr const char* kDefaultClass = "storageclass.kubernetes.io/is-default-class";
constexpr const char* kEnforceLabel = "pod-security.kubernetes.io/enforce";

const JsonArray& items_of(const Json& list) {
  static const JsonArray kNone;
  const JsonArray* items = base::get_array(list, "items");
  return items == nullptr ? kNone : *items;
}

// The member of an object at a path whose key holds dots.
std::string text_under(const Json& object, const char* path, const char* key) {
  const JsonObject* found = base::get_object(object, path);
  const Json* value = found == nullptr ? nullptr : found->if_contains(key);
  return value != nullptr && value->is_string()
             ? base::printable(std::string_view(value->get_string()), 253)
             : std::string();
}

bool is_ready(const Json& node) {
  const JsonArray* conditions = base::get_array(node, "status.conditions");
  return conditions != nullptr &&
         std::any_of(conditions->begin(), conditions->end(), [](const Json& condition) {
           return base::get_string(condition, "type") == "Ready" &&
                  base::get_string(condition, "status") == "True";
         });
}

Finding check_limit(const std::string& root, const std::string& key) {
  const long long least = host::MachineLimits::needed().at(key);
  std::string file = key;
  std::replace(file.begin(), file.end(), '.', '/');
  const auto text = sys::read_file(root + "/" + file);
  if (!text) {
    return unknown(key, text.error());
  }
  const std::string_view number = base::trim(*text);
  long long present = 0;
  std::from_chars(number.data(), number.data() + number.size(), present);
  if (present >= least) {
    return ok(key, fmt::format("{}", present));
  }
  return warn(key, fmt::format("{}: nested nodes may run out of it at some {}", present, least),
              fmt::format("sysctl -w {}={}", key, least));
}

}  // namespace

Finding check_server_version(const Result<kube::ServerVersion>& version,
                             const std::string& server) {
  const std::string subject = "host API server";
  if (!version) {
    return bad(subject, base::printable(version.error().message(), 512),
               "check that the host runs and that --kubeconfig and --context name it; a host on "
               "this machine: 'kubectl vk8s host status'");
  }
  if (version->major == 1 && version->minor < kLeastMinor) {
    return bad(subject, fmt::format("{} at {} is too old", version->text, server),
               fmt::format("upgrade the host to Kubernetes 1.{} or newer", kLeastMinor));
  }
  return ok(subject, fmt::format("{} at {}", version->text, server));
}

Finding check_kind_served(const Result<std::string>& discovery) {
  const std::string subject = "Vk8s resource";
  const std::string fix = "install GS-OptOps: install.sh, or kubectl apply -f config/crd/vk8s.yaml";
  if (!discovery) {
    return discovery.error().code() == Errc::kNotFound
               ? bad(subject, "the host does not serve vk8s.sktelecom.com/v1alpha1", fix)
               : unknown(subject, discovery.error());
  }
  const auto document = base::parse_json(*discovery);
  const JsonArray* served = document ? base::get_array(*document, "resources") : nullptr;
  const bool found =
      served != nullptr && std::any_of(served->begin(), served->end(), [](const Json& resource) {
        return base::get_string(resource, "name") == kube::resources::kVk8s.plural;
      });
  return found ? ok(subject, "vk8s.sktelecom.com/v1alpha1 is served")
               : bad(subject, "the host serves vk8s.sktelecom.com/v1alpha1 without it", fix);
}

Finding check_controller(const Result<Json>& deployment) {
  const std::string subject = "controller";
  const kube::ObjectKey key = controller_deployment();
  if (!deployment) {
    return deployment.error().code() == Errc::kNotFound
               ? bad(subject,
                     fmt::format("there is no Deployment {}/{}", key.namespace_name, key.name),
                     "install GS-OptOps: install.sh")
               : unknown(subject, deployment.error());
  }
  const std::int64_t wanted = base::get_int(*deployment, "spec.replicas").value_or(1);
  const std::int64_t available = base::get_int(*deployment, "status.availableReplicas").value_or(0);
  const std::string what = fmt::format("{} of {} replicas of {}/{} are available", available,
                                       wanted, key.namespace_name, key.name);
  if (available >= 1) {
    return ok(subject, what);
  }
  return bad(subject, what,
             wanted == 0 ? fmt::format("kubectl -n {} scale deployment {} --replicas=1",
                                       key.namespace_name, key.name)
                         : fmt::format("see why: kubectl -n {0} describe pods; kubectl -n {0} logs "
                                       "deployment/{1}",
                                       key.namespace_name, key.name));
}

Finding check_storage_classes(const Result<Json>& list) {
  const std::string subject = "default StorageClass";
  if (!list) {
    return unknown(subject, list.error());
  }
  std::string any;
  for (const Json& storage_class : items_of(*list)) {
    any = clean_field(storage_class, "metadata.name");
    if (text_under(storage_class, "metadata.annotations", kDefaultClass) == "true") {
      return ok(subject, any);
    }
  }
  if (any.empty()) {
    return bad(subject, "the host has no StorageClass: masters have no place for their state",
               "install a provisioner such as local-path-provisioner, or create clusters with "
               "--ephemeral");
  }
  return warn(subject, "none is the default one",
              fmt::format("kubectl annotate storageclass {} {}=true, or create clusters with "
                          "--storage-class",
                          any, kDefaultClass));
}

Finding check_pod_security(const Result<Json>& namespace_object, const std::string& name) {
  const std::string subject = fmt::format("namespace {}", name);
  if (!namespace_object) {
    return namespace_object.error().code() == Errc::kNotFound
               ? bad(subject, "it does not exist", fmt::format("kubectl create namespace {}", name))
               : unknown(subject, namespace_object.error());
  }
  const std::string level = text_under(*namespace_object, "metadata.labels", kEnforceLabel);
  if (level.empty() || level == "privileged") {
    return ok(subject, level.empty() ? "no Pod Security level is enforced by label"
                                     : "Pod Security allows privileged pods");
  }
  return bad(subject,
             fmt::format("Pod Security enforces \"{}\", and nodes are privileged pods", level),
             fmt::format("kubectl label --overwrite namespace {} {}=privileged, if its users may "
                         "be root on the host's nodes",
                         name, kEnforceLabel));
}

Findings check_nodes(const Result<Json>& list) {
  const std::string subject = "host nodes";
  if (!list) {
    return {unknown(subject, list.error())};
  }
  Findings out;
  std::size_t ready = 0;
  for (const Json& node : items_of(*list)) {
    if (is_ready(node)) {
      ++ready;
      continue;
    }
    const std::string name = clean_field(node, "metadata.name");
    out.push_back(warn("host node " + name, "it is not Ready",
                       fmt::format("see why: kubectl describe node {}", name)));
  }
  const std::string what = fmt::format("{} of {} are Ready", ready, items_of(*list).size());
  out.insert(out.begin(), ready > 0 ? ok(subject, what)
                                    : bad(subject, what, "nothing can run until one is Ready"));
  return out;
}

Findings check_machine(const std::string& sysctl_root, const Result<Json>& nodes) {
  const auto text = sys::read_file(sysctl_root + "/kernel/random/boot_id");
  if (!nodes || !text) {
    return {};
  }
  const std::string_view boot_id = base::trim(*text);
  const JsonArray& items = items_of(*nodes);
  const bool runs_here = std::any_of(items.begin(), items.end(), [&](const Json& node) {
    return base::get_string(node, "status.nodeInfo.bootID") == boot_id;
  });
  if (!runs_here) {
    return {};
  }
  return {check_limit(sysctl_root, "fs.inotify.max_user_instances"),
          check_limit(sysctl_root, "fs.inotify.max_user_watches")};
}

Findings check_host(HostApi& api, Surroundings& surroundings) {
  const auto version = api.version();
  Findings out = {check_server_version(version, api.server())};
  if (!version) {
    return out;
  }
  const kube::Resource& kind = kube::resources::kVk8s;
  out.push_back(check_kind_served(api.read("/apis/" + kind.group + "/" + kind.version)));
  out.push_back(check_controller(api.get(kube::resources::kDeployment, controller_deployment())));
  out.push_back(check_storage_classes(api.list(kube::resources::kStorageClass, "")));
  out.push_back(check_pod_security(
      api.get(kube::resources::kNamespace, {.namespace_name = "", .name = api.namespace_name()}),
      api.namespace_name()));
  const Result<Json> nodes = api.list(kube::resources::kNode, "", {.omit_managed_fields = true});
  for (Findings part : {check_nodes(nodes), check_machine(surroundings.sysctl_root, nodes)}) {
    std::move(part.begin(), part.end(), std::back_inserter(out));
  }
  return out;
}

}  // namespace vk8s::cli
