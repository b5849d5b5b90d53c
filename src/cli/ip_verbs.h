// The verbs of `kubectl vk8s ip`, one file each, and what they have in common.
#pragma once

#include <CLI/App.hpp>
#include <string>
#include <vector>

#include "api/ip_allocation.h"
#include "api/ip_pool.h"
#include "cli/host_api.h"
#include "cli/session.h"

namespace vk8s::cli {

void add_ip_list_command(CLI::App& ip, Session& session);
void add_ip_pools_command(CLI::App& ip, Session& session);
void add_ip_reserve_command(CLI::App& ip, Session& session);
void add_ip_release_command(CLI::App& ip, Session& session);
void add_ip_check_command(CLI::App& ip, Session& session);

// The argument ADDRESS of an address that somebody has: shell completion offers those.
CLI::Option* add_address_argument(CLI::App& verb, std::string& address);
bool takes_taken_address(const CLI::App& verb);

// kInvalidArgument names what is wrong with the text and how it is to be written.
Result<IpAddress> parse_address_argument(std::string_view text);

// Objects that can be read; of those that cannot, what is wrong, safe to show.
template <class T>
struct Readable {
  std::vector<T> items;
  std::vector<std::string> unreadable;
};

struct ListedAllocation {
  api::IpAllocation allocation;
  std::string created;  // RFC 3339
};
// In the order of addresses.
Result<Readable<ListedAllocation>> list_allocations(HostApi& api);
Readable<ListedAllocation> parse_allocations(const JsonArray& objects);
// By age: the earlier has first claim.
Result<Readable<api::IpPool>> list_pools(HostApi& api);
Readable<api::IpPool> parse_pools(const JsonArray& objects);

// "reserved", "allocated" or "deallocating", as the REST service calls it.
std::string_view state_of(const api::IpAllocation& allocation);
// "pod team-a/demo-master-1-0 (node demo-master-1 of Vk8s demo)", "nobody: reserved".
std::string holder_of(const api::IpAllocation& allocation);

// Of a node that is still there the controller would take it again at once. What cannot be
// seen of its Vk8s (no right, no answer, of another version) is an error as well: only that
// it is gone says that nobody wants it.
Status refuse_if_wanted(HostApi& api, const api::IpAllocation& allocation);
// Marks it as given back, only if it is still that very one.
Status begin_release(HostApi& api, const api::IpAllocation& allocation);

}  // namespace vk8s::cli
