// Which container on this node has which address that it brought along: one file an
// address, in a folder that a restart of the node empties (below /run), because its
// containers end with it.
//
// A record is written beside its place and linked there, so it is never there in
// part and never twice; who changes the folder holds its lock. It names the network
// namespace that it is for, by path and inode: once that is gone nobody uses the
// address here, and the record may be taken over or swept.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/cidr.h"
#include "base/error.h"
#include "cni/invocation.h"
#include "cni/network_config.h"

namespace vk8s::cni {

struct Record {
  IpAddress address;
  Attachment attachment;
  std::string network;
  Pod pod;
  std::string netns;
  std::uint64_t netns_inode = 0;

  bool operator==(const Record&) const = default;
};

// The file's content; its name says the address. Pure.
std::string to_string(const Record& record);
// kInvalidArgument where something is missing; what it does not know it passes over, as
// another version of the plugin may have written it.
Result<Record> parse_record(std::string_view text, const IpAddress& address);

// The inode of the namespace at a path; kInvalidArgument for a file of another kind.
Result<std::uint64_t> netns_inode(const std::string& path);

enum class NetnsState {
  kAlive,  // or it could not be found out
  kGone,
  // Nothing is there: gone, seen from where the runtime mounts its namespaces; from
  // another mount namespace it says nothing.
  kNotSeen,
};
NetnsState netns_state(const Record& record);

// Any thread and any process; no call waits longer than another's takes.
class RecordStore {
 public:
  explicit RecordStore(std::string folder) : folder_(std::move(folder)) {}

  const std::string& folder() const { return folder_; }
  // Made for root alone.
  Status ensure_folder() const;

  // By address. A file that is no record is left out; no folder: no record.
  Result<std::vector<Record>> list() const;
  Result<std::optional<Record>> find(const Attachment& attachment) const;

  // To be called where the namespaces of containers are seen. Takes over the record of
  // a namespace that is not alive. kAlreadyExists: a container that lives has the
  // address; the message names its pod.
  Status add(const Record& record) const;
  // These return how many are removed; none is no error.
  Result<int> remove(const Attachment& attachment) const;
  // What other attachments of the network have.
  Result<int> keep_only(std::string_view network, const std::vector<Attachment>& valid) const;
  // What namespaces have that are surely gone, and what a writer that died left.
  // kUnavailable: somebody else changes the folder just now; nothing was done.
  Result<int> sweep() const;

 private:
  class Lock;
  std::string path_of(const IpAddress& address) const;
  Result<int> remove_if(const std::function<bool(const Record&)>& unwanted) const;

  std::string folder_;
};

}  // namespace vk8s::cni
