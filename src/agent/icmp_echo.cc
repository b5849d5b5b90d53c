#include "agent/icmp_echo.h"

#include <linux/icmp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <random>

#include "base/unique_fd.h"

namespace vk8s::agent {
namespace {

constexpr std::size_t kIpHeaderBytes = 20;
constexpr std::size_t kIcmpHeaderBytes = 8;
constexpr std::size_t kMaxPacketBytes = 65535;

std::uint16_t read_u16(std::span<const std::uint8_t> bytes, std::size_t at) {
  return static_cast<std::uint16_t>((bytes[at] << 8U) | bytes[at + 1]);
}

void write_u16(std::span<std::uint8_t> bytes, std::size_t at, std::uint16_t value) {
  bytes[at] = static_cast<std::uint8_t>(value >> 8U);
  bytes[at + 1] = static_cast<std::uint8_t>(value & 0xffU);
}

// RFC 1071; 0 over a message that holds its own.
std::uint16_t checksum(std::span<const std::uint8_t> bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += i % 2 == 0 ? std::uint32_t{bytes[i]} << 8U : std::uint32_t{bytes[i]};
  }
  while (sum > 0xffffU) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum & 0xffffU);
}

class IcmpEchoSocket final : public EchoSocket {
 public:
  IcmpEchoSocket(UniqueFd fd, const IpAddress& to, OnAnswer on_answer)
      : fd_(std::move(fd)), to_(to), on_answer_(std::move(on_answer)), buffer_(kMaxPacketBytes) {
    std::random_device random;
    echo_.id = static_cast<std::uint16_t>(random());
    echo_.token = (std::uint64_t{random()} << 32U) | random();
  }

  Status watch(EventLoop& loop) {
    readable_ = loop.watch(fd_.get(), EventLoop::Interest::kReadable, [this] { receive(); });
    return readable_ ? Status() : fail(Errc::kExhausted, "watch an ICMP socket");
  }

  void send(std::uint16_t sequence, std::size_t packet_bytes) override {
    echo_.sequence = sequence;
    const auto message = echo_request(echo_, packet_bytes);
    [[maybe_unused]] const auto sent =
        ::send(fd_.get(), message.data(), message.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }

 private:
  // One packet a turn of the loop: a flood of them holds up nothing else.
  void receive() {
    const auto got = ::recv(fd_.get(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (got <= 0) {
      return;
    }
    const auto reply = parse_echo_reply(std::span(buffer_).first(static_cast<std::size_t>(got)));
    if (!reply || reply->source != to_ || reply->echo.id != echo_.id ||
        reply->echo.token != echo_.token) {
      return;
    }
    const OnAnswer on_answer = on_answer_;  // this may end in it
    on_answer(reply->echo.sequence, reply->packet_bytes);
  }

  UniqueFd fd_;
  IpAddress to_;
  OnAnswer on_answer_;
  std::vector<std::uint8_t> buffer_;
  Echo echo_;
  Registration readable_;
};

template <class T>
bool set_option(const UniqueFd& fd, int level, int name, const T& value) {
  return ::setsockopt(fd.get(), level, name, &value, sizeof value) == 0;
}

}  // namespace

std::vector<std::uint8_t> echo_request(const Echo& echo, std::size_t packet_bytes) {
  std::vector<std::uint8_t> message(std::clamp(packet_bytes, kMinEchoBytes, kMaxPacketBytes) -
                                    kIpHeaderBytes);
  message[0] = ICMP_ECHO;
  write_u16(message, 4, echo.id);
  write_u16(message, 6, echo.sequence);
  std::memcpy(message.data() + kIcmpHeaderBytes, &echo.token, sizeof echo.token);
  write_u16(message, 2, checksum(message));
  return message;
}

std::optional<EchoReply> parse_echo_reply(std::span<const std::uint8_t> packet) {
  if (packet.size() < kMinEchoBytes || packet[0] >> 4U != 4 || packet[9] != IPPROTO_ICMP ||
      read_u16(packet, 2) != packet.size()) {
    return std::nullopt;
  }
  const std::size_t header_bytes = (packet[0] & 0xfU) * std::size_t{4};
  if (header_bytes < kIpHeaderBytes ||
      packet.size() < header_bytes + kIcmpHeaderBytes + sizeof(Echo::token)) {
    return std::nullopt;
  }
  const auto message = packet.subspan(header_bytes);
  const auto source = IpAddress::from_bytes(packet.subspan(12, 4));
  if (message[0] != ICMP_ECHOREPLY || message[1] != 0 || checksum(message) != 0 || !source) {
    return std::nullopt;
  }
  EchoReply reply{.echo = {.id = read_u16(message, 4), .sequence = read_u16(message, 6)},
                  .source = *source,
                  .packet_bytes = packet.size()};
  std::memcpy(&reply.echo.token, message.data() + kIcmpHeaderBytes, sizeof reply.echo.token);
  return reply;
}

Result<std::unique_ptr<EchoSocket>> open_icmp_echo(EventLoop& loop, const std::string& link,
                                                   const IpAddress& to,
                                                   EchoSocket::OnAnswer on_answer) {
  UniqueFd fd(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMP));
  if (!fd) {
    return fail_errno(errno, "open a raw ICMP socket");
  }
  const icmp_filter only_replies{.data = ~(1U << unsigned{ICMP_ECHOREPLY})};
  // Held to the link's MTU alone: what the kernel believes of the path is not asked.
  if (!set_option(fd, SOL_RAW, ICMP_FILTER, only_replies) ||
      !set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_PROBE}) ||
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, link.c_str(),
                   static_cast<socklen_t>(link.size())) != 0) {
    return fail_errno(errno, "set up an ICMP socket on link {}", link);
  }
  sockaddr_in peer{};
  peer.sin_family = AF_INET;
  std::memcpy(&peer.sin_addr, to.bytes().data(), sizeof peer.sin_addr);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&peer), sizeof peer) != 0) {
    return fail_errno(errno, "reach {} over link {}", to.to_string(), link);
  }
  auto socket = std::make_unique<IcmpEchoSocket>(std::move(fd), to, std::move(on_answer));
  VK8S_TRY(socket->watch(loop));
  return std::unique_ptr<EchoSocket>(std::move(socket));
}

}  // namespace vk8s::agent
