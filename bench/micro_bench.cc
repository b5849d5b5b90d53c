// Figures of parts of the programs: `./bench.sh micro`.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>

#include "allocator_bench.h"
#include "controller_bench.h"
#include "decode_bench.h"
#include "informer_bench.h"
#include "kube/testing/api_server.h"

namespace {

using vk8s::Errc;
using vk8s::fail;
using vk8s::fail_errno;
using vk8s::Status;
namespace bench = vk8s::bench;

// Simulated agents listen on a socket each, and the controller, which inherits the
// limit, streams from all of them at once.
Status allow_descriptors(int clusters) {
  const rlim_t needed = static_cast<rlim_t>(clusters) * 12 + 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail_errno(errno, "read the limit of open files");
  }
  if (limit.rlim_max < needed) {
    return fail(Errc::kExhausted,
                "{} clusters need {} open files, {} are allowed: raise it with ulimit -Hn, or "
                "measure fewer with --clusters",
                clusters, needed, limit.rlim_max);
  }
  limit.rlim_cur = std::max(limit.rlim_cur, needed);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return fail_errno(errno, "raise the limit of open files to {}", needed);
  }
  return {};
}

Status run(const bench::ControllerBenchOptions& options, std::ostream& out) {
  VK8S_TRY(allow_descriptors(options.clusters));
  VK8S_TRY(bench::bench_decoder(out));
  VK8S_TRY(bench::bench_informer(out));
  VK8S_TRY(bench::bench_allocator(out));
  return bench::bench_controller(options, out);
}

}  // namespace

int main(int argc, char** argv) {
  bench::ControllerBenchOptions options;
  std::string file;
  CLI::App app{"Measures parts of the programs by themselves."};
  app.add_option("--controller", options.program, "the program vk8s-controller to measure")
      ->required();
  app.add_option("--clusters", options.clusters, "that it manages, of two nodes each")
      ->check(CLI::Range(1, 2500))
      ->capture_default_str();
  app.add_option("--idle-seconds", options.idle_seconds, "for which it is watched when idle")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--output", file, "where the figures go, a line of JSON each")->required();
  CLI11_PARSE(app, argc, argv);
  if (const auto missing = vk8s::kube::testing::ApiServer::missing_prerequisite()) {
    std::cerr << *missing << "\n";
    return 2;
  }
  std::ofstream out(file);
  const Status status = run(options, out);
  if (!status) {
    std::cerr << status.error().message() << "\n";
  }
  return status ? 0 : 1;
}
