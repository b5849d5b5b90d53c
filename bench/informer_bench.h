// How fast the events of a watch come into an informer's store.
#pragma once

#include <ostream>

#include "base/error.h"

namespace vk8s::bench {

// Figure "informer_events", events a second: over TLS on loopback, from a server
// that has them ready, through kube::Client into the store.
Status bench_informer(std::ostream& out);

}  // namespace vk8s::bench
