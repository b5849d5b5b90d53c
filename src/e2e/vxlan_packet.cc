#include "e2e/vxlan_packet.h"

#include <charconv>

#include "base/text.h"

namespace vk8s::e2e {
namespace {

constexpr std::size_t kIpHeader = 20;
constexpr std::size_t kUdpHeader = 8;
constexpr char kUdp = 17;

void put16(std::string& out, std::size_t value) {
  out += static_cast<char>(value >> 8U & 0xffU);
  out += static_cast<char>(value & 0xffU);
}

Status put_mac(std::string& out, const std::string& text) {
  const auto parts = base::split(text, ':');
  for (const std::string_view part : parts) {
    unsigned byte = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), byte, 16);
    if (parts.size() != 6 || parsed.ptr != part.data() + part.size() || byte > 0xff) {
      return fail(Errc::kInvalidArgument, "\"{}\" is no MAC address", base::printable(text, 40));
    }
    out += static_cast<char>(byte);
  }
  return parts.empty() ? fail(Errc::kInvalidArgument, "a MAC address is missing") : Status();
}

void put_address(std::string& out, const IpAddress& address) {
  for (const std::uint8_t byte : address.bytes()) {
    out += static_cast<char>(byte);
  }
}

// Source: RFC 1071.
std::uint16_t internet_checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[i])) << 8U |
           static_cast<std::uint8_t>(bytes[i + 1]);
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffffU) + (sum >> 16U);
  }
  return static_cast<std::uint16_t>(~sum);
}

std::string ip_header(const InnerDatagram& datagram, std::size_t length, std::uint16_t checksum) {
  std::string out("\x45\x00", 2);
  put16(out, length);
  out.append(4, '\0');  // identification, fragment
  out += '\x40';        // time to live
  out += kUdp;
  put16(out, checksum);
  put_address(out, datagram.from);
  put_address(out, datagram.to);
  return out;
}

}  // namespace

Result<std::string> vxlan_packet(const InnerDatagram& datagram, std::uint32_t vni) {
  const std::size_t udp_length = kUdpHeader + datagram.payload.size();
  const std::size_t ip_length = kIpHeader + udp_length;
  std::string out("\x08\x00\x00\x00", 4);
  out += static_cast<char>(vni >> 16U & 0xffU);
  put16(out, vni & 0xffffU);
  out += '\0';
  VK8S_TRY(put_mac(out, datagram.to_mac));
  VK8S_TRY(put_mac(out, datagram.from_mac));
  put16(out, 0x0800);
  out += ip_header(datagram, ip_length, internet_checksum(ip_header(datagram, ip_length, 0)));
  put16(out, datagram.port);
  put16(out, datagram.port);
  put16(out, udp_length);
  put16(out, 0);  // no checksum: allowed in IPv4
  return out + datagram.payload;
}

}  // namespace vk8s::e2e
