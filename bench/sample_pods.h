// Pods as an API server sends them: what decoder and informer are fed with.
#pragma once

#include <string>

namespace vk8s::bench {

// A running pod of a node, some 5 KB, of which managedFields are about half.
// The same number is the same object.
std::string sample_pod(int number, int resource_version);
// A PodList of sample_pod(0..count-1).
std::string sample_pod_list(int count);

}  // namespace vk8s::bench
