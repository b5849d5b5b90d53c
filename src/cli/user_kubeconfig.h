// The user's kubeconfig: found as kubectl finds it, read, and written back.
// Source: client-go tools/clientcmd/loader.go and config.go.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "cli/surroundings.h"
#include "kube/client.h"

namespace vk8s::cli {

// The options that say which cluster is the host.
struct ConnectionOptions {
  std::string kubeconfig;      // "" = $KUBECONFIG, else ~/.kube/config, else the pod's own account
  std::string context;         // "" = the current one
  std::string namespace_name;  // "" = that of the context, else "default"
};

struct HostConnection {
  kube::ClientConfig config;
  std::string namespace_name;
};

// kNotFound where there is no kubeconfig, kInvalidArgument for one that cannot be used.
Result<HostConnection> find_host(const Surroundings& surroundings,
                                 const ConnectionOptions& options);

// Where `kubeconfig --merge` writes: `file`, else --kubeconfig, else the first of
// $KUBECONFIG, else ~/.kube/config.
Result<std::string> merge_target(const Surroundings& surroundings, const ConnectionOptions& options,
                                 const std::string& file);

// A kubeconfig with one cluster, user and context of the given name, made of the
// current context of `issued`. Only addresses, certificates and tokens are taken over:
// kInvalidArgument or kUnsupported for one that would run programs or read files.
Result<Json> rename_kubeconfig(std::string_view issued, std::string_view name);

// `existing` with the entries of `added` in place of those of the same names. The
// rest stays, and so does current-context unless there was none.
Result<Json> merge_kubeconfigs(Json existing, const Json& added);

// Merges into a file (0600, replaced atomically, a link followed), or makes it.
// kConflict while another program holds <path>.lock, as kubectl does while it writes;
// a file that cannot be parsed is left as it is.
Status merge_into_file(const std::string& path, const Json& added);

}  // namespace vk8s::cli
