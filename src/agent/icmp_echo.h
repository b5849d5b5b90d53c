// ICMP echo requests of an exact size that are never fragmented, over one link.
// Source: RFC 792; ip(7) IP_PMTUDISC_PROBE; raw(7).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/cidr.h"
#include "base/error.h"
#include "base/event_loop.h"

namespace vk8s::agent {

// A packet is at least so long: the headers of IPv4 and ICMP, and the token.
inline constexpr std::size_t kMinEchoBytes = 20 + 8 + 8;

struct Echo {
  std::uint16_t id = 0;
  std::uint16_t sequence = 0;
  std::uint64_t token = 0;  // who does not see the request cannot answer it
  bool operator==(const Echo&) const = default;
};

// The ICMP message that makes an IPv4 packet of so many bytes, kMinEchoBytes to
// 65535. Pure.
std::vector<std::uint8_t> echo_request(const Echo& echo, std::size_t packet_bytes);

struct EchoReply {
  Echo echo;
  IpAddress source;
  std::size_t packet_bytes = 0;
};
// Hostile bytes: an IPv4 packet as a raw socket gives it. Nothing for whatever is
// no whole echo reply with a token. Pure.
std::optional<EchoReply> parse_echo_reply(std::span<const std::uint8_t> packet);

// Asks one address. One thread: the loop's.
class EchoSocket {
 public:
  // An answer to a request of this socket's, of the size it came in. The socket may
  // end in it. Never from inside send().
  using OnAnswer = std::function<void(std::uint16_t sequence, std::size_t packet_bytes)>;

  virtual ~EchoSocket() = default;
  // What the kernel does not take is lost, like what the network drops.
  virtual void send(std::uint16_t sequence, std::size_t packet_bytes) = 0;
};
using EchoOpener =
    std::function<Result<std::unique_ptr<EchoSocket>>(const IpAddress&, EchoSocket::OnAnswer)>;

// A raw socket each, which needs CAP_NET_RAW, in the calling thread's network
// namespace. IPv4. The loop outlives it.
Result<std::unique_ptr<EchoSocket>> open_icmp_echo(EventLoop& loop, const std::string& link,
                                                   const IpAddress& to,
                                                   EchoSocket::OnAnswer on_answer);

}  // namespace vk8s::agent
