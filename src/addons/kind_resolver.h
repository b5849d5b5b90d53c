// Asks a server how it serves kinds of object that nobody knows beforehand. On the
// loop's thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "addons/object_id.h"
#include "base/error.h"
#include "kube/client.h"

namespace vk8s::addons {

// Kind -> how it is served, from an APIResourceList. Pure; bytes of others: what is no
// kind or has a name that would be no part of a path is passed over.
std::map<std::string, kube::Resource> parse_resource_list(const GroupVersion& version,
                                                          const Json& list);

class KindResolver {
 public:
  // kNotFound: the server does not serve it, now.
  using Done = std::function<void(Result<kube::Resource>)>;

  // client outlives it.
  explicit KindResolver(kube::Client& client) : client_(client) {}

  // In that version only. What was found is remembered, what was not is asked for again.
  // done may be called at once; it is not called after the resolver's end.
  void resolve(const ObjectId& id, const std::string& version, Done done);
  // In that version, else in the one that the server prefers.
  void resolve_any(const ObjectId& id, const std::string& version, Done done);

 private:
  using Kinds = std::map<std::string, kube::Resource>;
  using TakeDocument = std::function<void(Result<Json>)>;

  void get(const std::string& path, TakeDocument take);
  void take_answer(const std::string& path, Result<kube::RawResponse> response);
  void resolve_preferred(const ObjectId& id, Done done);

  kube::Client& client_;
  std::map<GroupVersion, Kinds> known_;
  struct Question {
    kube::Call call;
    std::vector<TakeDocument> waiting;
  };
  std::map<std::string, Question> questions_;  // by path
};

}  // namespace vk8s::addons
