#include "api/ip_pool.h"

#include <algorithm>
#include <tuple>

#include "api/fields.h"

namespace vk8s::api {
namespace {

IpRange alone(const IpAddress& address) { return *IpRange::create(address, address); }

// Of a block written as such: what no host may have.
void remove_ends(IpRangeSet& addresses, const std::string& text) {
  const auto block = Cidr::parse(text);
  if (!block) {
    return;  // a range or one address
  }
  if (block->is_v4() && block->prefix_length() < 31) {
    addresses.remove(alone(block->network()));
    addresses.remove(alone(block->last()));
  } else if (!block->is_v4() && block->prefix_length() < 127) {
    addresses.remove(alone(block->network()));
  }
}

Result<std::vector<IpRange>> parse_ranges(const std::vector<std::string>& texts,
                                          std::string_view field, int most) {
  if (texts.size() > static_cast<std::size_t>(most)) {
    return fail(Errc::kInvalidArgument, "{} has {} entries: {} at most", field, texts.size(), most);
  }
  std::vector<IpRange> out;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    out.push_back(VK8S_TRY_CONTEXT(IpRange::parse(texts[i]), "{}[{}]", field, i));
  }
  return out;
}

Result<IpRangeSet> usable_addresses(const IpPool& pool) {
  IpRangeSet out;
  for (const IpRange& range : VK8S_TRY(parse_ranges(pool.ranges, "spec.ranges", kMaxPoolRanges))) {
    out.add(range);
  }
  if (out.empty()) {
    return fail(Errc::kInvalidArgument,
                "spec.ranges is empty: name at least one, as in 10.1.0.0/24 or 10.1.0.5-10.1.0.9");
  }
  for (const std::string& text : pool.ranges) {
    remove_ends(out, text);
  }
  for (const IpRange& range :
       VK8S_TRY(parse_ranges(pool.exclusions, "spec.exclusions", kMaxPoolExclusions))) {
    out.remove(range);
  }
  if (!pool.gateway.empty()) {
    out.remove(alone(VK8S_TRY_CONTEXT(IpAddress::parse(pool.gateway), "spec.gateway")));
  }
  return out;
}

}  // namespace

bool IpPool::allows(std::string_view namespace_name,
                    const std::map<std::string, std::string>& labels_of_cluster) const {
  if (!namespaces.empty() &&
      std::find(namespaces.begin(), namespaces.end(), namespace_name) == namespaces.end()) {
    return false;
  }
  return std::all_of(cluster_labels.begin(), cluster_labels.end(), [&](const auto& wanted) {
    const auto found = labels_of_cluster.find(wanted.first);
    return found != labels_of_cluster.end() && found->second == wanted.second;
  });
}

Result<IpPool> parse_ip_pool(const Json& object) {
  IpPool out;
  std::optional<Error> error;
  Fields metadata(base::find(object, "metadata"), "metadata", error);
  out.name = metadata.required_text("name");
  out.uid = metadata.text("uid");
  out.creation_timestamp = metadata.text("creationTimestamp");
  out.being_deleted = metadata.has("deletionTimestamp");
  Fields spec(base::find(object, "spec"), "spec", error);
  out.ranges = spec.texts("ranges");
  out.exclusions = spec.texts("exclusions");
  out.gateway = spec.text("gateway");
  out.namespaces = spec.texts("namespaces");
  Fields selector(spec.find("clusterSelector"), "spec.clusterSelector", error);
  out.cluster_labels = selector.text_map("matchLabels");
  if (error) {
    return tl::unexpected<Error>(*std::move(error));
  }
  out.addresses = VK8S_TRY(usable_addresses(out));
  return out;
}

bool is_earlier(const IpPool& a, const IpPool& b) {
  return std::tie(a.creation_timestamp, a.name) < std::tie(b.creation_timestamp, b.name);
}

}  // namespace vk8s::api
