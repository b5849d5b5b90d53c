// How the plugin asks who serves this node whether an address is a pod's: one line of
// JSON there, one back, over a Unix stream socket that only root may use.
//
//   {"address":"10.1.0.7","namespace":"team-a","pod":"demo-master-1-0","uid":"..."}
//   {"granted":true}
//   {"granted":false,"reason":"address 10.1.0.7 belongs to team-b/other-0"}
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/cidr.h"
#include "base/error.h"
#include "cni/invocation.h"

namespace vk8s::cni {

inline constexpr std::size_t kMaxLineBytes = 4096;
// Who serves asks the API server, for at most so long ...
inline constexpr std::chrono::milliseconds kAnswerLimit(2000);
// ... and the plugin gives up a little later.
inline constexpr std::chrono::milliseconds kAskLimit(3000);

struct ClaimRequest {
  IpAddress address;
  Pod pod;
  bool operator==(const ClaimRequest&) const = default;
};

struct ClaimAnswer {
  bool granted = false;
  std::string reason;  // why not
  bool operator==(const ClaimAnswer&) const = default;
};

// With the newline. Pure.
std::string to_line(const ClaimRequest& request);
std::string to_line(const ClaimAnswer& answer);
// Without it; bytes of others. kInvalidArgument. Pure.
Result<ClaimRequest> parse_claim_request(std::string_view line);
Result<ClaimAnswer> parse_claim_answer(std::string_view line);

// Asks and waits. kUnavailable (nobody serves) and kTimeout say what to look at.
Result<ClaimAnswer> ask(const std::string& socket_path, const ClaimRequest& request,
                        std::chrono::milliseconds limit = kAskLimit);

// The user that the process at the other end of a Unix socket ran as when it connected.
Result<uid_t> peer_user(int socket);

}  // namespace vk8s::cni
