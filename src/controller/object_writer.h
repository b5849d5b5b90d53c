// Brings the objects of a cluster to their desired state.
//
// The first write of an object is a create: an object that is somebody else's is
// never touched. Later writes are server-side apply that carry the known uid.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/event_loop.h"
#include "controller/batch_client.h"
#include "controller/problem.h"
#include "controller/resource.h"
#include "controller/world.h"

namespace vk8s::controller {

// Any thread but the loop's.
class ObjectWriter {
 public:
  // All outlive it.
  ObjectWriter(BatchClient& client, const World& world);

  // All at once. The objects as they are stored, in order (null where one is not
  // wanted), or the first problem; what could be written is written even then.
  OrProblem<std::vector<Json>> ensure(const Cluster& cluster,
                                      const std::vector<const Resource*>& resources);

  // The object as it is known: from the cache, or just written by this writer.
  World::Object known(const ObjectRef& ref) const;

  // Drops what is remembered of a cluster.
  void forget(const kube::ObjectKey& cluster);

 private:
  struct Recent {
    World::Object object;
    std::chrono::steady_clock::time_point until;
  };

  void remember(const ObjectRef& ref, const Json& object);
  OrProblem<Json> settle_existing(const Cluster& cluster, const ObjectRef& ref,
                                  const Json& desired);
  OrProblem<Json> apply(const ObjectRef& ref, Json desired, const Json& observed);

  BatchClient& client_;
  const World& world_;

  mutable std::mutex mutex_;
  // Guarded by mutex_: what was created and the cache may not show yet.
  std::map<std::string, Recent> recent_;
};

// What to tell about an object that is in the way, where `existing` is not owned
// by this cluster.
Problem conflict_problem(const Cluster& cluster, const ObjectRef& ref, const Json& existing);

// A failed write, in the API server's words.
Problem write_problem(const Error& error);

}  // namespace vk8s::controller
