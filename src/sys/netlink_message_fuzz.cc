#include <cstring>
#include <memory>

#include "base/fuzz.h"
#include "sys/netlink_message.h"

namespace {
using namespace vk8s;

void read_all(const sys::NetlinkAttributes& attributes, const char* begin, const char* end,
              int levels) {
  for (int type = 0; type < 64; ++type) {
    const nlattr* attribute = attributes.find(type);
    const auto bytes = attributes.bytes(type);
    fuzz::require(bytes.empty() || (bytes.data() >= begin && bytes.data() + bytes.size() <= end),
                  "an attribute lies in its message");
    attributes.u32(type);
    attributes.u8(type);
    fuzz::require(attributes.text(type).size() <= bytes.size(), "nothing becomes longer");
    attributes.address(type);
    attributes.mac(type);
    if (attribute != nullptr && levels > 0) {
      read_all(sys::NetlinkAttributes(attribute), begin, end, levels - 1);
    }
  }
}

}  // namespace

// The first byte is the size of the family's header, the rest what follows nlmsghdr.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t family_header_bytes = data[0] % 32U;
  const std::size_t payload = size - 1;
  // Of exactly that size: what is read beyond it shows.
  const std::size_t length = sizeof(nlmsghdr) + payload;
  const auto buffer = std::make_unique<char[]>(length);
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(length);
  std::memcpy(buffer.get(), &header, sizeof header);
  if (payload > 0) {
    std::memcpy(buffer.get() + sizeof header, data + 1, payload);
  }
  const sys::NetlinkAttributes attributes(reinterpret_cast<const nlmsghdr*>(buffer.get()),
                                          family_header_bytes);
  read_all(attributes, buffer.get(), buffer.get() + length, 2);
  return 0;
}
