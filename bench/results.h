// Figures of a benchmark: samples in, one line of JSON a figure out.
#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace vk8s::bench {

// {"name": ..., "unit": ..., "median": ..., "min": ..., "max": ..., "n": ...}
// samples: at least one.
void write_result(std::ostream& out, const std::string& name, const std::string& unit,
                  std::vector<double> samples);

}  // namespace vk8s::bench
