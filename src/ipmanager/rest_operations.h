// What the REST interface offers, as one table: routes, the reading of requests, the
// rights asked for and the OpenAPI document are made from it. Pure.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "ipmanager/address_state.h"

namespace vk8s::ipmanager {

// One value of a request; its name there is name_of().
enum class Field {
  kAddress,          // pod_ip
  kPodName,          // pod_name: "web-0" or "team-a/web-0"
  kFullPodName,      // pod_name: "team-a/web-0"
  kBarePodName,      // pod_name: "web-0", with a namespace beside it
  kNamespace,        // namespace
  kStatus,           // status
  kPool,             // pool
  kNote,             // note
  kResourceVersion,  // resource_version
  kLimit,            // limit
  kContinue          // continue
};
std::string_view name_of(Field field);
std::string_view description_of(Field field);

// One of the shapes that a body may have: an object with these members and no other.
struct BodyShape {
  struct Member {
    Field field;
    bool required = false;
  };
  std::vector<Member> members;
  std::optional<AddressState> status;  // the only one, if "status" is a member
};

struct QueryParameter {
  Field field;
  bool required = false;
};

// What a success brings.
enum class Outcome { kAddress, kAddressList, kNothing };

enum class Action { kList, kCreate, kChange, kRelease, kShowFree, kListFree };

struct Operation {
  Action action;
  std::string_view id;       // operationId
  std::string_view method;   // "GET"
  std::string_view path;     // "/api/ip"
  std::string_view verb;     // the right that is needed, on ipallocations
  std::string_view summary;  // a line
  std::string_view description;
  std::vector<QueryParameter> query;
  std::vector<BodyShape> body;  // empty = none is taken
  // Instead of the query; for older clients, and so not in the document.
  bool takes_query_as_body = false;
  Outcome outcome = Outcome::kAddress;
  std::vector<int> statuses;  // of answers, but those that every operation has
};

const std::vector<Operation>& operations();

// Open to everybody who reaches the port.
struct OpenPath {
  std::string_view path;
  std::string_view id;
  std::string_view content_type;
  std::string_view summary;
  std::vector<int> statuses;
};
const std::vector<OpenPath>& open_paths();

// What a status means, for the document; the word in the member "code" of an error.
std::string_view meaning_of(int status);
std::string_view code_of(int status);

inline constexpr std::size_t kMaxNoteCharacters = 256;
inline constexpr std::size_t kDefaultPage = 500;
inline constexpr std::size_t kMaxPage = 1000;

}  // namespace vk8s::ipmanager
