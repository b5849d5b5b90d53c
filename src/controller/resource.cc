#include "controller/resource.h"

#include <fmt/format.h>

namespace vk8s::controller {

std::string ObjectRef::to_string() const {
  return fmt::format("{} {}/{}", resource->kind, key.namespace_name, key.name);
}

kube::ObjectKey key_of(const Cluster& cluster) {
  return {cluster.namespace_name(), cluster.name()};
}

ObjectRef ref_of(const Cluster& cluster, const kube::Resource& resource, std::string name) {
  return {&resource, {cluster.namespace_name(), std::move(name)}};
}

JsonObject object_of(const Cluster& cluster, const ObjectRef& ref) {
  JsonObject owner;
  owner["apiVersion"] = api::kVk8sApiVersion;
  owner["kind"] = "Vk8s";
  owner["name"] = cluster.name();
  owner["uid"] = cluster.vk8s.metadata.uid;
  owner["controller"] = true;
  owner["blockOwnerDeletion"] = true;

  JsonObject metadata;
  metadata["name"] = ref.key.name;
  metadata["namespace"] = ref.key.namespace_name;
  metadata["labels"] = cluster_labels(cluster);
  metadata["ownerReferences"] = JsonArray{std::move(owner)};

  JsonObject out;
  out["apiVersion"] = ref.resource->api_version();
  out["kind"] = ref.resource->kind;
  out["metadata"] = std::move(metadata);
  return out;
}

bool is_owned_by(const Json& object, std::string_view uid) {
  const JsonArray* owners = base::get_array(object, "metadata.ownerReferences");
  if (owners == nullptr) {
    return false;
  }
  for (const Json& owner : *owners) {
    if (base::get_bool(owner, "controller").value_or(false) &&
        base::get_string(owner, "uid") == uid) {
      return true;
    }
  }
  return false;
}

Json secret_object(const Cluster& cluster, const ObjectRef& ref,
                   const SecretResource::Content& content) {
  JsonObject out = object_of(cluster, ref);
  JsonObject annotations;
  annotations[kNoteAnnotation] = content.note;
  out["metadata"].get_object()["annotations"] = std::move(annotations);
  out["type"] = "Opaque";
  JsonObject data;
  for (const auto& [name, bytes] : content.files) {
    data[name] = pki::base64_encode(bytes);
  }
  out["data"] = std::move(data);
  return out;
}

Result<SecretResource::Content> parse_secret(const Json& secret) {
  SecretResource::Content out;
  if (const JsonObject* annotations = base::get_object(secret, "metadata.annotations")) {
    const Json* note = annotations->if_contains({kNoteAnnotation.data(), kNoteAnnotation.size()});
    if (note != nullptr && note->is_string()) {
      out.note = std::string(note->get_string());
    }
  }
  const JsonObject* data = base::get_object(secret, "data");
  if (data == nullptr) {
    return out;
  }
  for (const auto& [name, value] : *data) {
    if (!value.is_string()) {
      return fail(Errc::kInvalidArgument, "data.{} is not base64 text", std::string_view(name));
    }
    const auto& text = value.get_string();
    out.files[name] = VK8S_TRY_CONTEXT(pki::base64_decode({text.data(), text.size()}), "data.{}",
                                       std::string_view(name));
  }
  return out;
}

std::string fingerprint(const std::vector<std::string_view>& inputs) {
  // FNV-1a, 64 bits: it tells change, it keeps no secret and stops no attacker.
  std::uint64_t hash = 14695981039346656037ULL;
  const auto add = [&hash](unsigned char byte) { hash = (hash ^ byte) * 1099511628211ULL; };
  for (const std::string_view input : inputs) {
    for (const char c : input) {
      add(static_cast<unsigned char>(c));
    }
    add(0xFF);  // so that "a","bc" differs from "ab","c"; no UTF-8 text holds it
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace vk8s::controller
