#include "cni/record_store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/json.h"
#include "base/text.h"
#include "base/unique_fd.h"
#include "sys/file.h"

namespace vk8s::cni {
namespace {

constexpr std::size_t kMaxRecordBytes = 8192;
constexpr std::string_view kLockName = ".lock";
constexpr std::string_view kUnfinished = ".new";

std::string text_at(const Json& document, std::string_view path) {
  return std::string(base::get_string(document, path).value_or(""));
}

std::string folder_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

}  // namespace

std::string to_string(const Record& record) {
  return base::to_string(JsonObject{{"containerID", record.attachment.container_id},
                                    {"ifname", record.attachment.interface_name},
                                    {"network", record.network},
                                    {"namespace", record.pod.namespace_name},
                                    {"pod", record.pod.name},
                                    {"podUID", record.pod.uid},
                                    {"netns", record.netns},
                                    {"netnsInode", record.netns_inode}}) +
         "\n";
}

Result<Record> parse_record(std::string_view text, const IpAddress& address) {
  const Json document = VK8S_TRY(base::parse_json(text, kMaxRecordBytes));
  Record out;
  out.address = address;
  out.attachment = {text_at(document, "containerID"), text_at(document, "ifname")};
  out.network = text_at(document, "network");
  out.pod = {text_at(document, "namespace"), text_at(document, "pod"), text_at(document, "podUID")};
  out.netns = text_at(document, "netns");
  const std::int64_t inode = base::get_int(document, "netnsInode").value_or(0);
  out.netns_inode = static_cast<std::uint64_t>(inode);
  const bool complete = !out.attachment.container_id.empty() &&
                        !out.attachment.interface_name.empty() && out.netns.starts_with('/') &&
                        out.netns.find('\0') == std::string::npos && inode > 0;
  if (!complete) {
    return fail(Errc::kInvalidArgument, "not a record of an address");
  }
  return out;
}

Result<std::uint64_t> netns_inode(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  struct stat info {};
  struct statfs file_system {};
  if (!fd || ::fstat(fd.get(), &info) != 0 || ::fstatfs(fd.get(), &file_system) != 0) {
    return fail_errno(errno, "open network namespace {}", path);
  }
  if (file_system.f_type != NSFS_MAGIC) {
    return fail(Errc::kInvalidArgument, "{} is not a network namespace", path);
  }
  return info.st_ino;
}

NetnsState netns_state(const Record& record) {
  const auto inode = netns_inode(record.netns);
  if (inode) {
    return *inode == record.netns_inode ? NetnsState::kAlive : NetnsState::kGone;
  }
  switch (inode.error().code()) {
    case Errc::kNotFound:
      return sys::exists(folder_of(record.netns)) ? NetnsState::kGone : NetnsState::kNotSeen;
    case Errc::kInvalidArgument:
      return NetnsState::kNotSeen;
    default:
      return NetnsState::kAlive;
  }
}

// Held by who changes the folder; the kernel lets go of it with its holder.
class RecordStore::Lock {
 public:
  enum class Wait { kYes, kNo };

  static Result<Lock> take(const std::string& folder, Wait wait) {
    const std::string path = fmt::format("{}/{}", folder, kLockName);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd) {
      return fail_errno(errno, "open {}", path);
    }
    const int operation = wait == Wait::kYes ? LOCK_EX : LOCK_EX | LOCK_NB;
    while (::flock(fd.get(), operation) != 0) {
      if (errno == EWOULDBLOCK) {
        return fail(Errc::kUnavailable, "{} is held by another process", path);
      }
      if (errno != EINTR) {
        return fail_errno(errno, "lock {}", path);
      }
    }
    return Lock(std::move(fd));
  }

 private:
  explicit Lock(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

std::string RecordStore::path_of(const IpAddress& address) const {
  return fmt::format("{}/{}", folder_, address.to_string());
}

Status RecordStore::ensure_folder() const { return sys::ensure_directory(folder_, 0700); }

Result<std::vector<Record>> RecordStore::list() const {
  if (!sys::exists(folder_)) {
    return std::vector<Record>{};
  }
  std::vector<Record> out;
  for (const std::string& name : VK8S_TRY(sys::list_directory(folder_))) {
    const auto address = IpAddress::parse(name);
    if (!address || address->to_string() != name) {
      continue;
    }
    const auto text = sys::read_file(path_of(*address), kMaxRecordBytes);
    auto record = text ? parse_record(*text, *address) : tl::unexpected<Error>(text.error());
    if (record) {
      out.push_back(*std::move(record));
    }
  }
  std::sort(out.begin(), out.end(),
            [](const Record& a, const Record& b) { return a.address < b.address; });
  return out;
}

Result<std::optional<Record>> RecordStore::find(const Attachment& attachment) const {
  for (Record& record : VK8S_TRY(list())) {
    if (record.attachment == attachment) {
      return std::move(record);
    }
  }
  return std::nullopt;
}

Status RecordStore::add(const Record& record) const {
  VK8S_TRY(ensure_folder());
  const Lock lock = VK8S_TRY(Lock::take(folder_, Lock::Wait::kYes));
  const std::string path = path_of(record.address);
  const auto text = sys::read_file(path, kMaxRecordBytes);
  if (!text && text.error().code() != Errc::kNotFound) {
    return tl::unexpected<Error>(text.error());
  }
  if (text) {
    const Record other =
        VK8S_TRY_CONTEXT(parse_record(*text, record.address),
                         "{} (remove it if no container has {})", path, record.address.to_string());
    if (other.attachment != record.attachment && netns_state(other) == NetnsState::kAlive) {
      return fail(Errc::kAlreadyExists,
                  "address {} is in use on this node by pod {} (container {})",
                  record.address.to_string(), other.pod.to_string(), other.attachment.container_id);
    }
  }
  const std::string unfinished = fmt::format("{}/{}", folder_, kUnfinished);
  VK8S_TRY(sys::write_file(unfinished, to_string(record), {.mode = 0600}));
  // A new record is linked, which never replaces; only one that was judged is replaced.
  const int placed =
      text ? ::rename(unfinished.c_str(), path.c_str()) : ::link(unfinished.c_str(), path.c_str());
  const int error_number = errno;
  if (!text || placed != 0) {
    ::unlink(unfinished.c_str());
  }
  return placed == 0 ? Status() : fail_errno(error_number, "record {}", path);
}

Result<int> RecordStore::remove_if(const std::function<bool(const Record&)>& unwanted) const {
  int removed = 0;
  for (const Record& record : VK8S_TRY(list())) {
    if (!unwanted(record)) {
      continue;
    }
    const std::string path = path_of(record.address);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
      return fail_errno(errno, "remove {}", path);
    }
    ++removed;
  }
  return removed;
}

Result<int> RecordStore::remove(const Attachment& attachment) const {
  if (!sys::exists(folder_)) {
    return 0;
  }
  const Lock lock = VK8S_TRY(Lock::take(folder_, Lock::Wait::kYes));
  return remove_if([&](const Record& record) { return record.attachment == attachment; });
}

Result<int> RecordStore::keep_only(std::string_view network,
                                   const std::vector<Attachment>& valid) const {
  if (!sys::exists(folder_)) {
    return 0;
  }
  const Lock lock = VK8S_TRY(Lock::take(folder_, Lock::Wait::kYes));
  return remove_if([&](const Record& record) {
    return record.network == network &&
           std::find(valid.begin(), valid.end(), record.attachment) == valid.end();
  });
}

Result<int> RecordStore::sweep() const {
  if (!sys::exists(folder_)) {
    return 0;
  }
  const Lock lock = VK8S_TRY(Lock::take(folder_, Lock::Wait::kNo));
  for (const std::string& name : VK8S_TRY(sys::list_directory(folder_))) {
    if (name.starts_with(kUnfinished)) {  // whoever writes one holds the lock
      ::unlink(fmt::format("{}/{}", folder_, name).c_str());
    }
  }
  return remove_if([](const Record& record) { return netns_state(record) == NetnsState::kGone; });
}

}  // namespace vk8s::cni
