// How fast lists of an API server become Json.
#pragma once

#include <ostream>

#include "base/error.h"

namespace vk8s::bench {

// Figures "decode" and "decode_without_managed_fields" (what informers ask for),
// MB of text a second.
Status bench_decoder(std::ostream& out);

}  // namespace vk8s::bench
