#include "decode_bench.h"

#include <chrono>
#include <string>
#include <vector>

#include "kube/decoder.h"
#include "results.h"
#include "sample_pods.h"

namespace vk8s::bench {
namespace {

constexpr int kPods = 2000;
constexpr int kSamples = 10;

Result<std::vector<double>> megabytes_per_second(const std::string& text,
                                                 kube::Decoder::Options options) {
  kube::Decoder decoder;
  std::vector<double> out;
  // One more than is counted: the first one grows the decoder's buffers.
  for (int i = 0; i <= kSamples; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const Json list = VK8S_TRY(decoder.decode(text, options));
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    const JsonArray* items = base::get_array(list, "items");
    if (items == nullptr || items->size() != kPods) {
      return fail(Errc::kInternal, "the decoded list has not {} pods", kPods);
    }
    if (i > 0) {
      out.push_back(static_cast<double>(text.size()) / 1e6 / elapsed.count());
    }
  }
  return out;
}

}  // namespace

Status bench_decoder(std::ostream& out) {
  const std::string text = sample_pod_list(kPods);
  write_result(out, "decode", "MB/s", VK8S_TRY(megabytes_per_second(text, {})));
  write_result(out, "decode_without_managed_fields", "MB/s",
               VK8S_TRY(megabytes_per_second(text, {.omit_managed_fields = true})));
  return {};
}

}  // namespace vk8s::bench
