#include "e2e/machine_state.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "base/text.h"
#include "e2e/command.h"
#include "sys/file.h"
#include "sys/netlink.h"

namespace vk8s::e2e {
namespace {

constexpr std::string_view kOurs = "e2e";
constexpr std::string_view kFolder = "/var/lib/vk8s-e2e";

std::string section(std::string_view name, std::vector<std::string> lines) {
  std::sort(lines.begin(), lines.end());
  return fmt::format("[{}]\n{}\n", name, fmt::join(lines, "\n"));
}

std::vector<std::string> links() {
  std::vector<std::string> out;
  auto netlink = sys::Netlink::open();
  const auto all = netlink ? netlink->list_links() : tl::unexpected(netlink.error());
  if (all) {
    for (const sys::Link& link : *all) {
      if (link.name.starts_with(kOurs) || link.kind.empty()) {
        out.push_back(link.name);
      }
    }
  }
  return out;
}

std::vector<std::string> namespaces() {
  std::vector<std::string> out;
  for (const std::string& name : sys::NetNs::list().value_or(std::vector<std::string>())) {
    if (name.starts_with(kOurs)) {
      out.push_back(name);
    }
  }
  return out;
}

std::vector<std::string> mounts() {
  std::vector<std::string> out;
  const std::string text = sys::read_file("/proc/self/mountinfo").value_or("");
  for (const std::string_view line : base::split(text, '\n')) {
    if (line.find(kFolder) != std::string_view::npos) {
      out.emplace_back(line);
    }
  }
  return out;
}

std::vector<std::string> cgroups() {
  std::vector<std::string> out;
  std::error_code error;
  const std::filesystem::recursive_directory_iterator all("/sys/fs/cgroup", error);
  for (const auto& entry : all) {
    if (entry.path().filename().string().starts_with(kOurs)) {
      out.push_back(entry.path().string());
    }
  }
  return out;
}

std::vector<std::string> files() {
  std::vector<std::string> out;
  for (const char* path : {"/var/lib/vk8s-e2e", "/run/e2e-host"}) {
    if (sys::exists(path)) {
      out.emplace_back(path);
    }
  }
  return out;
}

}  // namespace

std::string machine_state() {
  const auto rules = run({.argv = {"nft", "list", "ruleset"}});
  return section("links", links()) + section("namespaces", namespaces()) +
         section("mounts", mounts()) + section("cgroups", cgroups()) + section("files", files()) +
         section("nftables", {rules ? *rules : rules.error().message()});
}

}  // namespace vk8s::e2e
