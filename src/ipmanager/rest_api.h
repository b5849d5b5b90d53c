// The REST interface: requests to what the Allocator does, and its answers
// back.
//
// On the loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/log.h"
#include "http/server.h"
#include "ipmanager/access_review.h"
#include "ipmanager/allocator.h"
#include "ipmanager/rest_request.h"

namespace vk8s::ipmanager {

class RestApi {
 public:
  using Reply = std::function<void(http::ServerResponse)>;

  // What is passed in outlives it, and calls it back no more when it has ended.
  RestApi(Allocator& allocator, AccessReview& access, Log log);

  // Replies once, maybe from inside the call. Whoever has no right learns
  // nothing of the rest of the request.
  void handle(http::ServerRequest request, Reply reply);

 private:
  struct Job;
  using JobPtr = std::shared_ptr<const Job>;

  void act(const JobPtr& job);
  void list(const JobPtr& job);
  void show_one(const JobPtr& job);
  void create(const JobPtr& job);
  void change(const JobPtr& job);
  void give_to_pod(const JobPtr& job, const api::IpAllocation& present);
  void give_back(const JobPtr& job, const api::IpAllocation& present);
  void release(const JobPtr& job);
  void show_free(const JobPtr& job);
  void list_free(const JobPtr& job);

  void fail(const JobPtr& job, const Error& error) const;
  Allocator::ReleaseCallback when_released(const JobPtr& job,
                                           std::function<http::ServerResponse()> answer) const;

  Allocator& allocator_;
  AccessReview& access_;
  Log log_;
};

// An allocation as the interface shows it.
Json to_rest_json(const api::IpAllocation& allocation);

}  // namespace vk8s::ipmanager
