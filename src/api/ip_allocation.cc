#include "api/ip_allocation.h"

#include <fmt/format.h>

#include "api/fields.h"
#include "api/vk8s.h"
#include "base/text.h"

namespace vk8s::api {
namespace {

constexpr std::size_t kGroups = 8;
constexpr std::size_t kLongName = kGroups * 5 - 1;

JsonObject to_json(const IpOwner& owner) {
  JsonObject out;
  out["namespace"] = owner.namespace_name;
  out["pod"] = owner.pod;
  const auto put = [&](std::string_view key, const std::string& value) {
    if (!value.empty()) {
      out[key] = value;
    }
  };
  put("cluster", owner.cluster);
  put("clusterUID", owner.cluster_uid);
  put("node", owner.node);
  return out;
}

IpOwner parse_owner(Fields owner) {
  IpOwner out;
  out.namespace_name = owner.required_text("namespace");
  out.pod = owner.required_text("pod");
  out.cluster = owner.text("cluster");
  out.cluster_uid = owner.text("clusterUID");
  out.node = owner.text("node");
  return out;
}

}  // namespace

std::string IpOwner::to_string() const { return namespace_name + "/" + pod; }

std::string allocation_name(const IpAddress& address) {
  if (address.is_v4()) {
    return address.to_string();
  }
  const auto bytes = address.bytes();
  std::string out;
  for (std::size_t group = 0; group < kGroups; ++group) {
    out += fmt::format("{}{:02x}{:02x}", group == 0 ? "" : "-", bytes[2 * group],
                       bytes[2 * group + 1]);
  }
  return out;
}

Result<IpAddress> parse_allocation_name(std::string_view name) {
  std::string text(name.substr(0, kLongName + 1));
  if (text.find('.') == std::string::npos) {
    for (char& each : text) {
      each = each == '-' ? ':' : each;
    }
  }
  const auto address = IpAddress::parse(text);
  if (!address || allocation_name(*address) != name) {
    return fail(Errc::kInvalidArgument,
                "\"{}\" is not the name of an IPAllocation: it is the address, as in 10.1.0.7 or "
                "fd00-0000-0000-0000-0000-0000-0000-0007",
                base::printable(name, 64));
  }
  return *address;
}

Json to_json(const IpAllocation& allocation) {
  JsonObject metadata;
  metadata["name"] = allocation_name(allocation.address);
  if (!allocation.uid.empty()) {
    metadata["uid"] = allocation.uid;
  }
  if (!allocation.resource_version.empty()) {
    metadata["resourceVersion"] = allocation.resource_version;
  }
  JsonObject spec;
  spec["address"] = allocation.address.to_string();
  if (!allocation.pool.empty()) {
    spec["pool"] = allocation.pool;
  }
  if (allocation.owner) {
    spec["owner"] = to_json(*allocation.owner);
  }
  if (!allocation.note.empty()) {
    spec["note"] = allocation.note;
  }
  if (allocation.releasing) {
    spec["releasing"] = true;
  }
  JsonObject out;
  out["apiVersion"] = kVk8sApiVersion;
  out["kind"] = "IPAllocation";
  out["metadata"] = std::move(metadata);
  out["spec"] = std::move(spec);
  return out;
}

Result<IpAllocation> parse_ip_allocation(const Json& object) {
  IpAllocation out;
  std::optional<Error> error;
  Fields metadata(base::find(object, "metadata"), "metadata", error);
  const std::string name = metadata.required_text("name");
  out.uid = metadata.text("uid");
  out.resource_version = metadata.text("resourceVersion");
  Fields spec(base::find(object, "spec"), "spec", error);
  const std::string address = spec.required_text("address");
  out.pool = spec.text("pool");
  out.note = spec.text("note");
  out.releasing = spec.flag("releasing");
  if (spec.has("owner")) {
    out.owner = parse_owner(Fields(spec.find("owner"), "spec.owner", error));
  }
  if (error) {
    return tl::unexpected<Error>(*std::move(error));
  }
  out.address = VK8S_TRY_CONTEXT(IpAddress::parse(address), "spec.address");
  if (allocation_name(out.address) != name) {
    return fail(Errc::kInvalidArgument, "spec.address is {}, so metadata.name must be {}, not {}",
                out.address.to_string(), allocation_name(out.address), base::printable(name, 253));
  }
  return out;
}

}  // namespace vk8s::api
