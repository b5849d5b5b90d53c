#include "base/fuzz.h"
#include "cni/record_store.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto record = cni::parse_record(fuzz::text_of(data, size), IpAddress());
  if (!record) {
    return 0;
  }
  fuzz::require(record->netns.starts_with('/') && record->netns_inode > 0,
                "a record names a namespace");
  const auto again = cni::parse_record(cni::to_string(*record), IpAddress());
  fuzz::require(again && *again == *record, "a record survives the round trip");
  return 0;
}
