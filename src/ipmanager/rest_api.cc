#include "ipmanager/rest_api.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ipmanager/allocation_index.h"

namespace vk8s::ipmanager {

struct RestApi::Job {
  const Operation& operation;
  RestRequest request;
  Reply reply;

  void refuse(Refusal refusal) const { reply(to_response(refusal)); }
};

namespace {

http::ServerResponse json_response(int status, const JsonObject& body) {
  return {
      .status = status, .content_type = "application/json", .body = base::to_string(body) + "\n"};
}

http::ServerResponse list_response(JsonArray items, const std::optional<IpAddress>& last) {
  JsonObject body;
  body["items"] = std::move(items);
  if (last) {
    body["continue"] = api::allocation_name(*last);
  }
  return json_response(200, body);
}

http::ServerResponse no_content() { return {.status = 204, .content_type = ""}; }

JsonObject free_json(const IpAddress& address, const std::string& pool) {
  JsonObject out;
  out["pod_ip"] = address.to_string();
  out["status"] = to_string(AddressState::kFree);
  if (!pool.empty()) {
    out["pool"] = pool;
  }
  return out;
}

api::IpOwner owner_of(const RestRequest& request) {
  return {.namespace_name = request.pod_namespace, .pod = request.pod};
}

// What a list asks of each.
bool matches(const AllocationIndex::Glance& each, const RestRequest& request) {
  const auto is = [](std::string_view wanted, std::string_view value) {
    return wanted.empty() || wanted == value;
  };
  return is(request.pod, each.pod) && is(request.pod_namespace, each.namespace_name) &&
         is(request.namespace_name, each.namespace_name) && is(request.pool, each.pool) &&
         (!request.status || *request.status == each.state());
}

bool is_pod_of(const RestRequest& request, const api::IpAllocation& allocation) {
  return allocation.owner && allocation.owner->pod == request.pod &&
         allocation.owner->namespace_name == request.pod_namespace;
}

Refusal conflict(const api::IpAllocation& present) {
  const std::string name = present.address.to_string();
  if (present.releasing) {
    return {.status = 409,
            .message = fmt::format("{} has been given back, and is free once no pod has it", name),
            .field = "pod_ip"};
  }
  return {.status = 409,
          .message = present.owner ? fmt::format("{} is of {}", name, present.owner->to_string())
                                   : fmt::format("{} is reserved", name),
          .field = "pod_ip"};
}

int status_of(Errc code) {
  switch (code) {
    case Errc::kInvalidArgument:
      return 422;
    case Errc::kNotFound:
      return 404;
    case Errc::kAlreadyExists:
    case Errc::kConflict:
    case Errc::kExhausted:
      return 409;
    case Errc::kUnavailable:
    case Errc::kTimeout:
    case Errc::kTooManyRequests:
    case Errc::kCancelled:
      return 503;
    default:
      return 500;
  }
}

Refusal unavailable(std::string message) {
  return {.status = 503, .message = std::move(message), .headers = {{"Retry-After", "1"}}};
}

Refusal access_refusal(const Error& error) {
  switch (error.code()) {
    case Errc::kUnauthorized:
      return {
          .status = 401, .message = error.message(), .headers = {{"WWW-Authenticate", "Bearer"}}};
    case Errc::kForbidden:
      return {.status = 403, .message = error.message()};
    default:
      return unavailable(error.message());
  }
}

}  // namespace

Json to_rest_json(const api::IpAllocation& allocation) {
  JsonObject out;
  out["pod_ip"] = allocation.address.to_string();
  out["status"] = to_string(state_of(allocation));
  const auto put = [&](const char* name, const std::string& value) {
    if (!value.empty()) {
      out[name] = value;
    }
  };
  if (allocation.owner) {
    put("pod_name", allocation.owner->to_string());
    put("cluster", allocation.owner->cluster);
    put("node", allocation.owner->node);
  }
  put("pool", allocation.pool);
  put("note", allocation.note);
  put("resource_version", allocation.resource_version);
  return out;
}

RestApi::RestApi(Allocator& allocator, AccessReview& access, Log log)
    : allocator_(allocator), access_(access), log_(std::move(log)) {}

void RestApi::handle(http::ServerRequest request, Reply reply) {
  const auto operation = find_operation(request.method, request.path);
  if (!operation) {
    reply(to_response(operation.error()));
    return;
  }
  const std::string authorization(request.header("authorization"));
  access_.check(authorization, (*operation)->verb,
                [this, operation = *operation, request = std::move(request),
                 reply = std::move(reply)](const Status& allowed) {
                  if (!allowed) {
                    reply(to_response(access_refusal(allowed.error())));
                    return;
                  }
                  auto parsed = parse_rest_request(*operation, request);
                  if (!parsed) {
                    reply(to_response(parsed.error()));
                    return;
                  }
                  act(std::make_shared<const Job>(Job{*operation, *std::move(parsed), reply}));
                });
}

void RestApi::act(const JobPtr& job) {
  if (!allocator_.has_synced()) {
    job->refuse(unavailable("the addresses are not known yet"));
    return;
  }
  switch (job->operation.action) {
    case Action::kList:
      return list(job);
    case Action::kCreate:
      return create(job);
    case Action::kChange:
      return change(job);
    case Action::kRelease:
      return release(job);
    case Action::kShowFree:
      return show_free(job);
    case Action::kListFree:
      return list_free(job);
  }
}

void RestApi::list(const JobPtr& job) {
  const RestRequest& request = job->request;
  if (request.address) {
    show_one(job);
    return;
  }
  JsonArray items;
  std::optional<IpAddress> last;
  bool is_cut = false;
  allocator_.index().visit(request.after, [&](const AllocationIndex::Glance& each) {
    if (!matches(each, request)) {
      return true;
    }
    is_cut = items.size() == request.limit;
    if (!is_cut) {
      last = each.address;
      items.push_back(to_rest_json(allocator_.find(each.address).value()));
    }
    return !is_cut;
  });
  job->reply(list_response(std::move(items), is_cut ? last : std::nullopt));
}

void RestApi::show_one(const JobPtr& job) {
  const RestRequest& request = job->request;
  JsonArray items;
  if (const auto found = allocator_.find(*request.address)) {
    if (matches(AllocationIndex::Glance::of(*found), request)) {
      items.push_back(to_rest_json(*found));
    }
  } else {
    const auto pool = allocator_.pool_of(*request.address);
    if (!pool) {
      job->refuse({.status = 404, .message = pool.error().message(), .field = "pod_ip"});
      return;
    }
    const bool is_of_somebody =
        request.status || !(request.pod + request.pod_namespace + request.namespace_name).empty();
    if (!is_of_somebody && (request.pool.empty() || request.pool == *pool)) {
      items.push_back(free_json(*request.address, *pool));
    }
  }
  job->reply(list_response(std::move(items), std::nullopt));
}

void RestApi::create(const JobPtr& job) {
  const RestRequest& request = job->request;
  AllocationRequest wanted;
  wanted.address = request.address;
  wanted.pool = request.pool;
  wanted.note = request.note;
  bool had_one = false;
  if (!request.pod.empty()) {
    wanted.owner = owner_of(request);
    had_one = !allocator_.find_by_owner(*wanted.owner).empty();
  }
  allocator_.allocate(std::move(wanted), [this, job, had_one](Result<api::IpAllocation> made) {
    if (!made) {
      fail(job, made.error());
      return;
    }
    job->reply(json_response(had_one ? 200 : 201, to_rest_json(*made).get_object()));
  });
}

void RestApi::change(const JobPtr& job) {
  const RestRequest& request = job->request;
  const auto present = allocator_.find(*request.address);
  if (!present) {
    job->refuse({.status = 404,
                 .message = fmt::format("nobody has {}: POST reserves or gives it",
                                        request.address->to_string()),
                 .field = "pod_ip"});
  } else if (request.status == AddressState::kAllocated) {
    give_to_pod(job, *present);
  } else {
    give_back(job, *present);
  }
}

void RestApi::give_to_pod(const JobPtr& job, const api::IpAllocation& present) {
  AllocationRequest wanted;
  wanted.address = present.address;
  if (present.owner) {
    if (!is_pod_of(job->request, present)) {
      job->refuse(conflict(present));
      return;
    }
    wanted.owner = present.owner;
    wanted.resource_version = job->request.resource_version;
  } else if (present.releasing) {
    job->refuse(conflict(present));
    return;
  } else {
    wanted.owner = owner_of(job->request);
    wanted.reservation = job->request.resource_version;
  }
  allocator_.allocate(std::move(wanted), [this, job](Result<api::IpAllocation> made) {
    if (!made) {
      fail(job, made.error());
      return;
    }
    job->reply(json_response(200, to_rest_json(*made).get_object()));
  });
}

void RestApi::give_back(const JobPtr& job, const api::IpAllocation& present) {
  if (!job->request.pod.empty() && !is_pod_of(job->request, present)) {
    job->refuse(conflict(present));
    return;
  }
  Expect expect = Expect::holder_of(present);
  expect.resource_version = job->request.resource_version;
  expect.is_of_no_living_node = true;
  allocator_.release(present.address, std::move(expect),
                     when_released(job, [this, after = present]() mutable {
                       // With its new version, where the watch has shown that.
                       const auto now = allocator_.find(after.address);
                       if (now && now->releasing) {
                         after = *now;
                       }
                       after.releasing = true;
                       return json_response(200, to_rest_json(after).get_object());
                     }));
}

void RestApi::release(const JobPtr& job) {
  const RestRequest& request = job->request;
  Expect expect = request.pod.empty() ? Expect::anybody() : Expect::owner(owner_of(request));
  if (const auto present = allocator_.find(*request.address)) {
    if (!request.pod.empty() && !is_pod_of(request, *present)) {
      job->refuse(conflict(*present));
      return;
    }
    // Whoever it has come to since is not whom the caller may have seen.
    expect = Expect::holder_of(*present);
  }
  expect.is_of_no_living_node = true;
  allocator_.release(*request.address, std::move(expect), when_released(job, no_content));
}

Allocator::ReleaseCallback RestApi::when_released(
    const JobPtr& job, std::function<http::ServerResponse()> answer) const {
  return [this, job, answer = std::move(answer)](const Status& released) {
    if (released) {
      job->reply(answer());
    } else {
      fail(job, released.error());
    }
  };
}

void RestApi::show_free(const JobPtr& job) {
  const std::string& pool = job->request.pool;
  const auto found = allocator_.list_free(pool, 1);
  if (!found) {
    fail(job, found.error());
  } else if (found->empty()) {
    job->refuse({.status = 404,
                 .message = pool.empty() ? "no pool has a free address"
                                         : fmt::format("pool {} has no free address", pool),
                 .field = pool.empty() ? "" : "pool"});
  } else {
    job->reply(json_response(
        200, free_json(found->front(), allocator_.pool_of(found->front()).value_or(pool))));
  }
}

void RestApi::list_free(const JobPtr& job) {
  const std::string& pool = job->request.pool;
  const auto found = allocator_.list_free(pool, job->request.limit);
  if (!found) {
    fail(job, found.error());
    return;
  }
  JsonArray items;
  for (const IpAddress& address : *found) {
    items.push_back(free_json(address, allocator_.pool_of(address).value_or(pool)));
  }
  job->reply(list_response(std::move(items), std::nullopt));
}

void RestApi::fail(const JobPtr& job, const Error& error) const {
  Refusal refusal{.status = status_of(error.code()), .message = error.message()};
  if (refusal.status == 503) {
    refusal = unavailable(error.message());
  } else if (refusal.status == 500) {
    log_.error("a request failed", {{"operation", job->operation.id}, {"error", error.message()}});
  } else if (error.code() == Errc::kConflict && !job->request.resource_version.empty()) {
    refusal.field = "resource_version";
  } else if (error.code() == Errc::kNotFound || !job->request.address) {
    refusal.field = error.code() == Errc::kExhausted ? "" : "pool";
  } else {
    refusal.field = "pod_ip";
  }
  job->refuse(std::move(refusal));
}

}  // namespace vk8s::ipmanager
