// vk8s-ipam: a CNI plugin for IP address management.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "cni/delegate.h"
#include "cni/ipam_plugin.h"

int main() {
  using namespace vk8s;
  const cni::IpamPlugin plugin(
      [](const std::string& socket, const cni::ClaimRequest& request) {
        return cni::ask(socket, request);
      },
      cni::become);
  const cni::Outcome outcome = plugin.run(
      [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value == nullptr ? "" : value);
      },
      STDIN_FILENO);
  std::fputs(outcome.standard_error.c_str(), stderr);
  const bool said =
      std::fputs(outcome.standard_output.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
  return said ? outcome.exit_code : 1;
}
