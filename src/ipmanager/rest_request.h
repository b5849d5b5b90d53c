// A request of the REST interface: bytes of others, read with limits into values that
// may be believed. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/cidr.h"
#include "http/server.h"
#include "ipmanager/address_state.h"
#include "ipmanager/rest_operations.h"

namespace vk8s::ipmanager {

// Why a request is not done: {"code", "message", "field"}.
struct Refusal {
  int status = 400;
  std::string message;
  std::string field = {};  // of the request; "" = none in particular
  http::HeaderList headers = {};
};
http::ServerResponse to_response(const Refusal& refusal);

template <class T>
using Accepted = tl::expected<T, Refusal>;

struct RestRequest {
  std::optional<IpAddress> address;
  std::string pod;
  std::string pod_namespace;   // "" = the pod of that name in any
  std::string namespace_name;  // of a list: only what belongs to its pods
  std::optional<AddressState> status;
  std::string pool;
  std::string note;
  std::string resource_version;
  std::size_t limit = kDefaultPage;
  std::optional<IpAddress> after;  // the last one of the page before
};

inline constexpr std::size_t kMaxRestBodyBytes = 16U << 10U;
inline constexpr std::size_t kMaxQueryParameters = 16;

// 404 and 405, the latter with Allow.
Accepted<const Operation*> find_operation(std::string_view method, std::string_view path);

// 400, 413, 415. What is accepted is what the operation's shapes allow.
Accepted<RestRequest> parse_rest_request(const Operation& operation,
                                         const http::ServerRequest& request);

// Names and values of "a=b&c=d", percent-decoded, in order.
Accepted<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace vk8s::ipmanager
