// How fast static addresses are given, and what they cost.
#pragma once

#include <ostream>

#include "base/error.h"

namespace vk8s::bench {

// On a real API server, one pool of 65,536 addresses that is filled to the last one:
//   allocations              a second, 32 at a time, while it is filled
//   allocation               ms, one after the other, the last thousand addresses
//   allocation_p99           of those
//   allocator_memory         MiB more resident, of a second Allocator that comes to know
//                            the full pool
Status bench_allocator(std::ostream& out);

}  // namespace vk8s::bench
