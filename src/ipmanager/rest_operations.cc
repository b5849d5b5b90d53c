#include "ipmanager/rest_operations.h"

namespace vk8s::ipmanager {
namespace {

constexpr BodyShape::Member required(Field field) { return {field, true}; }
constexpr BodyShape::Member optional(Field field) { return {field, false}; }

Operation list_operation() {
  return {.action = Action::kList,
          .id = "listAddresses",
          .method = "GET",
          .path = "/api/ip",
          .verb = "list",
          .summary = "The addresses that somebody has",
          .description =
              "In the order of the addresses; a page that is not the last one has \"continue\". "
              "With pod_ip also one that nobody has, if a pool holds it (status free).",
          .query = {{Field::kAddress},
                    {Field::kPodName},
                    {Field::kNamespace},
                    {Field::kStatus},
                    {Field::kPool},
                    {Field::kLimit},
                    {Field::kContinue}},
          .outcome = Outcome::kAddressList,
          .statuses = {200, 404}};
}

Operation create_operation() {
  return {.action = Action::kCreate,
          .id = "createAddress",
          .method = "POST",
          .path = "/api/ip",
          .verb = "create",
          .summary = "Reserve an address for nobody, or give one to a pod",
          .description =
              "Without pod_ip the pod gets any free one. A pod has one address only: it gets "
              "the same again (200 instead of 201).",
          .body = {{.members = {required(Field::kAddress), optional(Field::kStatus),
                                optional(Field::kPool), optional(Field::kNote)},
                    .status = AddressState::kReserved},
                   {.members = {required(Field::kFullPodName), optional(Field::kAddress),
                                optional(Field::kStatus), optional(Field::kPool),
                                optional(Field::kNote)},
                    .status = AddressState::kAllocated},
                   {.members = {required(Field::kBarePodName), required(Field::kNamespace),
                                optional(Field::kAddress), optional(Field::kStatus),
                                optional(Field::kPool), optional(Field::kNote)},
                    .status = AddressState::kAllocated}},
          .statuses = {201, 200, 404, 409, 413, 415, 422}};
}

Operation change_operation() {
  return {.action = Action::kChange,
          .id = "changeAddress",
          .method = "PUT",
          .path = "/api/ip",
          .verb = "update",
          .summary = "Give a reserved address to a pod, or give one back",
          .description =
              "reserved to allocated, with a pod_name; reserved or allocated to deallocating. "
              "With resource_version only if it is still that.",
          .body = {{.members = {required(Field::kAddress), required(Field::kFullPodName),
                                optional(Field::kStatus), optional(Field::kResourceVersion)},
                    .status = AddressState::kAllocated},
                   {.members = {required(Field::kAddress), required(Field::kBarePodName),
                                required(Field::kNamespace), optional(Field::kStatus),
                                optional(Field::kResourceVersion)},
                    .status = AddressState::kAllocated},
                   {.members = {required(Field::kAddress), required(Field::kStatus),
                                optional(Field::kFullPodName), optional(Field::kResourceVersion)},
                    .status = AddressState::kDeallocating}},
          .statuses = {200, 404, 409, 413, 415, 422}};
}

Operation release_operation() {
  return {.action = Action::kRelease,
          .id = "releaseAddress",
          .method = "DELETE",
          .path = "/api/ip",
          .verb = "delete",
          .summary = "Give an address back",
          .description =
              "It is free once no pod has it. With pod_name only if that pod is its owner. "
              "Nothing to give back is no error.",
          .query = {{Field::kAddress, true}, {Field::kFullPodName}},
          .takes_query_as_body = true,
          .outcome = Outcome::kNothing,
          .statuses = {204, 409, 413, 415}};
}

Operation show_free_operation() {
  return {.action = Action::kShowFree,
          .id = "showFreeAddress",
          .method = "GET",
          .path = "/api/free-ip",
          .verb = "list",
          .summary = "An address that nobody has",
          .description = "It is not reserved by this: POST without pod_ip finds and takes one.",
          .query = {{Field::kPool}},
          .statuses = {200, 404}};
}

Operation list_free_operation() {
  return {.action = Action::kListFree,
          .id = "listFreeAddresses",
          .method = "GET",
          .path = "/api/free-ips",
          .verb = "list",
          .summary = "Addresses that nobody has",
          .description = "The first ones, in order.",
          .query = {{Field::kPool}, {Field::kLimit}},
          .outcome = Outcome::kAddressList,
          .statuses = {200, 404}};
}

}  // namespace

const std::vector<Operation>& operations() {
  static const std::vector<Operation> kOperations = {list_operation(),      create_operation(),
                                                     change_operation(),    release_operation(),
                                                     show_free_operation(), list_free_operation()};
  return kOperations;
}

const std::vector<OpenPath>& open_paths() {
  static const std::vector<OpenPath> kPaths = {
      {"/healthz", "healthz", "text/plain", "The process runs", {200}},
      {"/readyz",
       "readyz",
       "text/plain",
       "It knows all addresses, and its certificate is published",
       {200, 503}},
      {"/metrics",
       "metrics",
       "text/plain",
       "Counts of addresses and requests, for Prometheus",
       {200}},
      {"/openapi.json", "openapi", "application/json", "This document", {200}}};
  return kPaths;
}

std::string_view name_of(Field field) {
  switch (field) {
    case Field::kAddress:
      return "pod_ip";
    case Field::kPodName:
    case Field::kFullPodName:
    case Field::kBarePodName:
      return "pod_name";
    case Field::kNamespace:
      return "namespace";
    case Field::kStatus:
      return "status";
    case Field::kPool:
      return "pool";
    case Field::kNote:
      return "note";
    case Field::kResourceVersion:
      return "resource_version";
    case Field::kLimit:
      return "limit";
    case Field::kContinue:
      return "continue";
  }
  return "";
}

std::string_view description_of(Field field) {
  switch (field) {
    case Field::kAddress:
      return "The address, IPv4 or IPv6; IPv4-mapped IPv6 is refused.";
    case Field::kPodName:
      return "The pod, \"namespace/name\", or its name alone.";
    case Field::kFullPodName:
      return "The pod, \"namespace/name\".";
    case Field::kBarePodName:
      return "The pod's name; its namespace stands beside it.";
    case Field::kNamespace:
      return "The pod's namespace.";
    case Field::kStatus:
      return "How the address stands.";
    case Field::kPool:
      return "A VNodeIPPool.";
    case Field::kNote:
      return "What the address is for, in a person's words.";
    case Field::kResourceVersion:
      return "Of the IPAllocation: changes with every write.";
    case Field::kLimit:
      return "How many at most.";
    case Field::kContinue:
      return "Of the page before: go on after it.";
  }
  return "";
}

std::string_view code_of(int status) {
  switch (status) {
    case 400:
      return "BadRequest";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 405:
      return "MethodNotAllowed";
    case 409:
      return "Conflict";
    case 413:
      return "TooLarge";
    case 415:
      return "UnsupportedMediaType";
    case 422:
      return "NotPossible";
    case 503:
      return "Unavailable";
    default:
      return "InternalError";
  }
}

std::string_view meaning_of(int status) {
  switch (status) {
    case 200:
      return "Done";
    case 201:
      return "The address is the pod's, or reserved, as of now";
    case 204:
      return "Given back, or gone already";
    case 400:
      return "The request is malformed";
    case 401:
      return "No token, or one that is not accepted";
    case 403:
      return "The token's user has not the right";
    case 404:
      return "There is no such address or pool";
    case 405:
      return "The path has no such method";
    case 409:
      return "Somebody else has the address (who is named), or none is left";
    case 413:
      return "The body is too large";
    case 415:
      return "The body is not application/json";
    case 422:
      return "The pools do not allow it";
    case 503:
      return "The API server is away, or the addresses are not known yet: try again";
    default:
      return "A fault of the server";
  }
}

}  // namespace vk8s::ipmanager
