#include "host/oci_spec.h"

#include <array>
#include <charconv>

#include "base/text.h"

namespace vk8s::host {
namespace {

// By bit. Source: include/uapi/linux/capability.h.
constexpr std::array<std::string_view, 41> kCapabilities = {"CAP_CHOWN",
                                                            "CAP_DAC_OVERRIDE",
                                                            "CAP_DAC_READ_SEARCH",
                                                            "CAP_FOWNER",
                                                            "CAP_FSETID",
                                                            "CAP_KILL",
                                                            "CAP_SETGID",
                                                            "CAP_SETUID",
                                                            "CAP_SETPCAP",
                                                            "CAP_LINUX_IMMUTABLE",
                                                            "CAP_NET_BIND_SERVICE",
                                                            "CAP_NET_BROADCAST",
                                                            "CAP_NET_ADMIN",
                                                            "CAP_NET_RAW",
                                                            "CAP_IPC_LOCK",
                                                            "CAP_IPC_OWNER",
                                                            "CAP_SYS_MODULE",
                                                            "CAP_SYS_RAWIO",
                                                            "CAP_SYS_CHROOT",
                                                            "CAP_SYS_PTRACE",
                                                            "CAP_SYS_PACCT",
                                                            "CAP_SYS_ADMIN",
                                                            "CAP_SYS_BOOT",
                                                            "CAP_SYS_NICE",
                                                            "CAP_SYS_RESOURCE",
                                                            "CAP_SYS_TIME",
                                                            "CAP_SYS_TTY_CONFIG",
                                                            "CAP_MKNOD",
                                                            "CAP_LEASE",
                                                            "CAP_AUDIT_WRITE",
                                                            "CAP_AUDIT_CONTROL",
                                                            "CAP_SETFCAP",
                                                            "CAP_MAC_OVERRIDE",
                                                            "CAP_MAC_ADMIN",
                                                            "CAP_SYSLOG",
                                                            "CAP_WAKE_ALARM",
                                                            "CAP_BLOCK_SUSPEND",
                                                            "CAP_AUDIT_READ",
                                                            "CAP_PERFMON",
                                                            "CAP_BPF",
                                                            "CAP_CHECKPOINT_RESTORE"};

JsonArray to_array(const std::vector<std::string>& texts) {
  JsonArray out;
  for (const std::string& text : texts) {
    out.emplace_back(text);
  }
  return out;
}

JsonArray to_array(std::initializer_list<std::string_view> texts) {
  JsonArray out;
  for (const std::string_view text : texts) {
    out.emplace_back(text);
  }
  return out;
}

JsonObject mount(std::string_view destination, std::string_view type, std::string_view source,
                 std::initializer_list<std::string_view> options) {
  return {{"destination", destination},
          {"type", type},
          {"source", source},
          {"options", to_array(options)}};
}

JsonArray make_mounts(const ContainerSpec& spec) {
  JsonArray mounts;
  mounts.push_back(mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}));
  mounts.push_back(
      mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}));
  mounts.push_back(
      mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}));
  mounts.push_back(mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}));
  mounts.push_back(mount("/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755"}));
  const std::string_view access = spec.is_node ? "rw" : "ro";
  mounts.push_back(mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  if (spec.is_node) {
    mounts.push_back(mount("/sys/fs/cgroup", "cgroup", "cgroup",
                           {"nosuid", "noexec", "nodev", "relatime", "rw"}));
    mounts.push_back(mount("/dev/kmsg", "bind", "/dev/kmsg", {"bind", "rw"}));
  }
  for (const BindMount& bind : spec.binds) {
    mounts.push_back(mount(bind.destination, "bind", bind.source,
                           {"rbind", "rslave", bind.read_only ? "ro" : "rw"}));
  }
  return mounts;
}

JsonObject make_linux(const ContainerSpec& spec) {
  JsonArray namespaces;
  for (const std::string_view type : {"pid", "ipc", "uts", "mount", "cgroup"}) {
    namespaces.push_back(JsonObject{{"type", type}});
  }
  namespaces.push_back(JsonObject{{"type", "network"}, {"path", spec.netns_path}});
  JsonObject section = {
      {"namespaces", std::move(namespaces)},
      {"cgroupsPath", spec.cgroup},
      // The machine's later mounts may come in, nothing goes out.
      {"rootfsPropagation", "rslave"},
      {"resources",
       {{"devices", JsonArray{JsonObject{{"allow", spec.is_node}, {"access", "rwm"}}}}}}};
  if (!spec.is_node) {
    section["maskedPaths"] =
        to_array({"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
                  "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"});
    section["readonlyPaths"] =
        to_array({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
  }
  return section;
}

JsonObject make_process(const ContainerSpec& spec) {
  JsonArray environment;
  for (const auto& [key, value] : spec.environment) {
    environment.emplace_back(fmt::format("{}={}", key, value));
  }
  const JsonArray capabilities = to_array(spec.capabilities);
  JsonObject process = {
      {"terminal", false},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"args", to_array(spec.argv)},
      {"env", std::move(environment)},
      {"cwd", "/"},
      {"noNewPrivileges", !spec.is_node},
      {"capabilities",
       {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}}};
  if (spec.open_files != 0) {
    process["rlimits"] = JsonArray{JsonObject{
        {"type", "RLIMIT_NOFILE"}, {"soft", spec.open_files}, {"hard", spec.open_files}}};
  }
  return process;
}

}  // namespace

Json make_oci_spec(const ContainerSpec& spec) {
  JsonObject annotations;
  for (const auto& [key, value] : spec.annotations) {
    annotations[key] = value;
  }
  return JsonObject{{"ociVersion", "1.2.0"},
                    {"process", make_process(spec)},
                    {"root", {{"path", spec.root}, {"readonly", false}}},
                    {"hostname", spec.host_name},
                    {"mounts", make_mounts(spec)},
                    {"annotations", std::move(annotations)},
                    {"linux", make_linux(spec)}};
}

std::vector<std::string> capability_names(std::uint64_t mask) {
  std::vector<std::string> names;
  for (std::size_t bit = 0; bit < kCapabilities.size(); ++bit) {
    if ((mask >> bit & 1U) != 0) {
      names.emplace_back(kCapabilities.at(bit));
    }
  }
  return names;
}

Result<std::uint64_t> parse_bounding_set(std::string_view proc_status) {
  constexpr std::string_view kKey = "CapBnd:";
  for (const std::string_view line : base::split(proc_status, '\n')) {
    if (!line.starts_with(kKey)) {
      continue;
    }
    const std::string_view digits = base::trim(line.substr(kKey.size()));
    std::uint64_t mask = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), mask, 16);
    if (parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size()) {
      return mask;
    }
  }
  return fail(Errc::kInvalidArgument, "/proc/self/status has no CapBnd");
}

}  // namespace vk8s::host
