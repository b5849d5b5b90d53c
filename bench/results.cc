#include "results.h"

#include <fmt/format.h>

#include <algorithm>

namespace vk8s::bench {

void write_result(std::ostream& out, const std::string& name, const std::string& unit,
                  std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  const double median = n % 2 == 1 ? samples[n / 2] : (samples[n / 2 - 1] + samples[n / 2]) / 2;
  out << fmt::format(
             R"({{"name": "{}", "unit": "{}", "median": {:.3f}, "min": {:.3f}, "max": {:.3f}, "n": {}}})",
             name, unit, median, samples.front(), samples.back(), n)
      << std::endl;
}

}  // namespace vk8s::bench
