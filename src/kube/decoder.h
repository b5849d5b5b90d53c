// JSON of an API server into Json: faster than base::parse_json on the large
// documents of lists and watches (simdjson), and able to leave out
// metadata.managedFields, which is often half of an object.
#pragma once

#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/json.h"

namespace vk8s::kube {

// Depth at most 256. Keeps its buffers between calls; one thread at a time.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;

  struct Options {
    bool omit_managed_fields = false;
  };
  Result<Json> decode(std::string_view text, Options options);
  Result<Json> decode(std::string_view text) { return decode(text, Options{}); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vk8s::kube
