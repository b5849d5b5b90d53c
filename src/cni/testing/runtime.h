// A container runtime's side of CNI, for root tests and benchmarks: executes a plugin
// with what containerd gives it, in the network namespace that plays the node.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "base/json.h"
#include "cni/invocation.h"
#include "sys/netns.h"

namespace vk8s::cni::testing {

// A pod's sandbox: a network namespace, named by the process; its end removes it.
class Container {
 public:
  // id: unique in this process.
  static Result<Container> create(const std::string& id, Pod pod);
  Container(Container&& other) noexcept
      : id_(std::move(other.id_)),
        pod_(std::move(other.pod_)),
        space_(std::exchange(other.space_, std::nullopt)) {}
  Container& operator=(Container&&) = delete;
  Container(const Container&) = delete;
  ~Container();

  const std::string& id() const { return id_; }
  const Pod& pod() const { return pod_; }
  const sys::NetNs& space() const { return *space_; }
  std::string netns() const { return sys::NetNs::path_of(id_); }
  // The namespace goes, as if the sandbox had died without a DEL.
  void die();

 private:
  Container(std::string id, Pod pod, sys::NetNs space)
      : id_(std::move(id)), pod_(std::move(pod)), space_(std::move(space)) {}
  std::string id_;
  Pod pod_;
  std::optional<sys::NetNs> space_;
};

struct Answer {
  int exit_code = 0;
  Json output;        // null: there was none
  std::string words;  // on standard error

  bool ok() const { return exit_code == 0; }
  int code() const;             // of an error
  std::string message() const;  // likewise
  std::string address() const;  // of a result: "10.1.200.7/16"
};

class Runtime {
 public:
  // node: outlives it. plugin_path: CNI_PATH.
  Runtime(const sys::NetNs& node, std::string plugin_path)
      : node_(node), plugin_path_(std::move(plugin_path)) {}

  // Executes the plugin that the configuration names as "type".
  Answer call(Verb verb, const Container& container, const Json& config) const;
  // GC, STATUS, VERSION; plugin: another than "type", as an IPAM plugin by itself.
  Answer call(Verb verb, const std::string& plugin, const Json& config) const;

 private:
  Answer execute(const std::string& plugin, const Json& config,
                 std::map<std::string, std::string> environment) const;

  const sys::NetNs& node_;
  std::string plugin_path_;
};

}  // namespace vk8s::cni::testing
