#include "ipmanager/rest_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/ip_allocation.h"
#include "base/json.h"
#include "base/names.h"
#include "base/text.h"

namespace vk8s::ipmanager {
namespace {

tl::unexpected<Refusal> refuse(std::string message, std::string_view field = {}, int status = 400) {
  return tl::unexpected<Refusal>(
      Refusal{.status = status, .message = std::move(message), .field = std::string(field)});
}

using Problem = std::optional<Refusal>;

Problem problem(Field field, std::string_view value, std::string_view wanted) {
  const std::string_view name = name_of(field);
  return Refusal{
      .message = fmt::format("{}: \"{}\" is not {}", name, base::printable(value, 64), wanted),
      .field = std::string(name)};
}

constexpr std::size_t kMaxPodName = 253;
constexpr std::string_view kPodWanted = "a pod: write its namespace and name, as in team-a/web-0";

int value_of_hex(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? value_of_hex(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : value_of_hex(text[i + 2]);
    if (low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

Problem take_pod(Field field, std::string_view value, RestRequest& out) {
  const std::size_t slash = value.find('/');
  const bool has_namespace = slash != std::string_view::npos;
  // Of both together: a longer name can have its namespace beside it.
  if (value.size() > kMaxPodName || (field == Field::kFullPodName && !has_namespace) ||
      (field == Field::kBarePodName && has_namespace)) {
    return problem(field, value, kPodWanted);
  }
  const std::string_view pod = has_namespace ? value.substr(slash + 1) : value;
  if (!base::is_dns_subdomain(pod) ||
      (has_namespace && !base::is_dns_label(value.substr(0, slash)))) {
    return problem(field, value, kPodWanted);
  }
  out.pod = pod;
  if (has_namespace) {
    out.pod_namespace = value.substr(0, slash);
  }
  return std::nullopt;
}

Problem take_note(std::string_view value, RestRequest& out) {
  std::size_t characters = 0;
  for (std::string_view rest = value; !rest.empty(); ++characters) {
    const std::size_t length = base::printable_length(rest);
    if (length == 0) {
      return problem(Field::kNote, value, "printable text");
    }
    rest.remove_prefix(length);
  }
  if (characters > kMaxNoteCharacters) {
    return problem(Field::kNote, value,
                   fmt::format("of {} characters or less", kMaxNoteCharacters));
  }
  out.note = value;
  return std::nullopt;
}

Problem take_number(std::string_view value, RestRequest& out) {
  const auto parsed = std::from_chars(value.data(), value.data() + value.size(), out.limit);
  if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size() || value[0] == '0' ||
      out.limit > kMaxPage) {
    return problem(Field::kLimit, value, fmt::format("a number from 1 to {}", kMaxPage));
  }
  return std::nullopt;
}

Problem take_version(std::string_view value, RestRequest& out) {
  if (value.empty() || value.size() > 20 || value[0] == '0' ||
      !std::all_of(value.begin(), value.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return problem(Field::kResourceVersion, value, "one that a response has had");
  }
  out.resource_version = value;
  return std::nullopt;
}

Problem take_address(std::string_view value, RestRequest& out) {
  const auto address = IpAddress::parse(value);
  if (!address) {
    return Refusal{.message = fmt::format("pod_ip: {}", address.error().message()),
                   .field = "pod_ip"};
  }
  out.address = *address;
  return std::nullopt;
}

Problem take_page(std::string_view value, RestRequest& out) {
  const auto address = api::parse_allocation_name(value);
  if (!address) {
    return problem(Field::kContinue, value, "what the page before said");
  }
  out.after = *address;
  return std::nullopt;
}

Problem take_status(std::string_view value, RestRequest& out) {
  out.status = parse_address_state(value);
  return out.status ? Problem() : problem(Field::kStatus, value, "a status");
}

// The value of one field into its place.
Problem take(Field field, std::string_view value, RestRequest& out) {
  switch (field) {
    case Field::kAddress:
      return take_address(value, out);
    case Field::kPodName:
    case Field::kFullPodName:
    case Field::kBarePodName:
      return take_pod(field, value, out);
    case Field::kNamespace:
      out.namespace_name = value;
      return base::is_dns_label(value) ? Problem() : problem(field, value, "a namespace");
    case Field::kStatus:
      return take_status(value, out);
    case Field::kPool:
      out.pool = value;
      return base::is_dns_subdomain(value) ? Problem() : problem(field, value, "a pool's name");
    case Field::kNote:
      return take_note(value, out);
    case Field::kResourceVersion:
      return take_version(value, out);
    case Field::kLimit:
      return take_number(value, out);
    case Field::kContinue:
      return take_page(value, out);
  }
  return std::nullopt;
}

// --- the query -------------------------------------------------------------------------------

bool is_parameter(const Operation& operation, std::string_view name) {
  return std::any_of(operation.query.begin(), operation.query.end(),
                     [&](const QueryParameter& p) { return name_of(p.field) == name; });
}

Accepted<RestRequest> read_query(const Operation& operation, std::string_view query) {
  const auto parameters = parse_query(query);
  if (!parameters) {
    return tl::unexpected<Refusal>(parameters.error());
  }
  for (const auto& [name, value] : *parameters) {
    if (!is_parameter(operation, name)) {
      return refuse(fmt::format("there is no parameter \"{}\" here", base::printable(name, 64)));
    }
  }
  RestRequest out;
  for (const QueryParameter& parameter : operation.query) {
    const std::string_view name = name_of(parameter.field);
    const auto found = std::find_if(parameters->begin(), parameters->end(),
                                    [&](const auto& each) { return each.first == name; });
    if (found == parameters->end()) {
      if (parameter.required) {
        return refuse(fmt::format("{} is missing", name), name);
      }
      continue;
    }
    if (auto wrong = take(parameter.field, found->second, out)) {
      return tl::unexpected<Refusal>(*std::move(wrong));
    }
  }
  if (out.status == AddressState::kFree) {
    return refuse("status: free addresses are at /api/free-ips", "status");
  }
  return out;
}

// --- the body --------------------------------------------------------------------------------

// How far a body is from one of the shapes it may have.
struct Distance {
  int steps = 0;   // 0 = it has the shape
  Refusal reason;  // the first one

  void add(int weight, Refusal why) {
    if (steps == 0) {
      reason = std::move(why);
    }
    steps += weight;
  }
};

const BodyShape::Member* find_member(const BodyShape& shape, std::string_view name) {
  const auto found =
      std::find_if(shape.members.begin(), shape.members.end(),
                   [&](const auto& member) { return name_of(member.field) == name; });
  return found == shape.members.end() ? nullptr : &*found;
}

// Of a member that the shape has, from what its value may be there.
void compare_value(const BodyShape& shape, Field field, std::string_view value, Distance& out) {
  const bool has_namespace = value.find('/') != std::string_view::npos;
  if (field == Field::kStatus && shape.status && value != to_string(*shape.status)) {
    out.add(10, *problem(field, value, "what it can become here"));
  } else if (field == Field::kFullPodName && !has_namespace) {
    out.add(2, *problem(field, value, kPodWanted));
  } else if (field == Field::kBarePodName && has_namespace) {
    out.add(2, {.message = "namespace: pod_name has one already", .field = "namespace"});
  }
}

// The weights make the message speak of what was meant: a status says that best.
Distance distance(const BodyShape& shape, const JsonObject& body) {
  Distance out;
  for (const auto& [key, value] : body) {
    const BodyShape::Member* member = find_member(shape, key);
    if (member != nullptr) {
      compare_value(shape, member->field, value.get_string(), out);
    } else {
      out.add(3, {.message = fmt::format("{} does not go with status {}", std::string_view(key),
                                         shape.status ? to_string(*shape.status) : ""),
                  .field = key});
    }
  }
  for (const BodyShape::Member& member : shape.members) {
    const std::string_view name = name_of(member.field);
    if (member.required && !body.contains(name)) {
      out.add(1, {.message = fmt::format("{} is missing", name), .field = std::string(name)});
    }
  }
  return out;
}

// An object whose members are strings, of names that some shape has.
Accepted<JsonObject> read_members(const std::vector<BodyShape>& shapes, std::string_view text) {
  const auto document = base::parse_json(text, kMaxRestBodyBytes);
  if (!document || !document->is_object()) {
    return refuse(document ? "the body must be a JSON object"
                           : fmt::format("the body is no JSON: {}", document.error().message()));
  }
  for (const auto& [key, value] : document->get_object()) {
    const std::string_view name = key;
    if (std::none_of(shapes.begin(), shapes.end(),
                     [&](const BodyShape& shape) { return find_member(shape, name) != nullptr; })) {
      return refuse(fmt::format("there is no field \"{}\" here", base::printable(name, 64)));
    }
    if (!value.is_string()) {
      return refuse(fmt::format("{} must be a string", name), name);
    }
  }
  return document->get_object();
}

Accepted<RestRequest> read_body(const std::vector<BodyShape>& shapes, std::string_view text) {
  const auto body = read_members(shapes, text);
  if (!body) {
    return tl::unexpected<Refusal>(body.error());
  }
  const BodyShape* nearest = nullptr;
  Distance least;
  for (const BodyShape& shape : shapes) {
    Distance each = distance(shape, *body);
    if (nearest == nullptr || each.steps < least.steps) {
      nearest = &shape;
      least = std::move(each);
    }
  }
  if (least.steps > 0) {
    return tl::unexpected<Refusal>(std::move(least.reason));
  }
  RestRequest out;
  for (const auto& [key, value] : *body) {
    if (auto wrong = take(find_member(*nearest, key)->field, value.get_string(), out)) {
      return tl::unexpected<Refusal>(*std::move(wrong));
    }
  }
  out.status = nearest->status;
  if (out.pod_namespace.empty()) {
    out.pod_namespace = std::exchange(out.namespace_name, {});
  }
  return out;
}

BodyShape shape_of_query(const Operation& operation) {
  BodyShape out;
  for (const QueryParameter& parameter : operation.query) {
    out.members.push_back({parameter.field, parameter.required});
  }
  return out;
}

bool is_json(std::string_view content_type) {
  const std::string_view type = base::trim(content_type.substr(0, content_type.find(';')));
  constexpr std::string_view kJson = "application/json";
  return type.size() == kJson.size() &&
         std::equal(type.begin(), type.end(), kJson.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

// What the transport says of the body, before it is read.
Problem judge_body(const Operation& operation, const http::ServerRequest& request) {
  if (request.body.empty()) {
    return std::nullopt;
  }
  if (operation.body.empty() && !operation.takes_query_as_body) {
    return Refusal{.message = "no body is taken here"};
  }
  if (request.body.size() > kMaxRestBodyBytes) {
    return Refusal{.status = 413,
                   .message = fmt::format("the body is larger than {} bytes", kMaxRestBodyBytes)};
  }
  if (!is_json(request.header("content-type"))) {
    return Refusal{.status = 415, .message = "Content-Type must be application/json"};
  }
  return std::nullopt;
}

}  // namespace

http::ServerResponse to_response(const Refusal& refusal) {
  JsonObject body;
  body["code"] = code_of(refusal.status);
  body["message"] = base::printable(refusal.message, 1024);
  if (!refusal.field.empty()) {
    body["field"] = refusal.field;
  }
  return {.status = refusal.status,
          .content_type = "application/json",
          .body = base::to_string(body) + "\n",
          .headers = refusal.headers};
}

Accepted<const Operation*> find_operation(std::string_view method, std::string_view path) {
  std::string allowed;
  for (const Operation& operation : operations()) {
    if (operation.path != path) {
      continue;
    }
    if (operation.method == method) {
      return &operation;
    }
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", operation.method);
  }
  if (allowed.empty()) {
    return refuse("there are /api/ip, /api/free-ip and /api/free-ips; see /openapi.json", {}, 404);
  }
  Refusal wrong{.status = 405, .message = fmt::format("there are {} here", allowed)};
  wrong.headers = {{"Allow", allowed}};
  return tl::unexpected<Refusal>(std::move(wrong));
}

Accepted<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const std::string_view part : base::split(query, '&')) {
    if (part.empty()) {
      continue;
    }
    const std::size_t equals = part.find('=');
    const auto name = percent_decode(part.substr(0, equals));
    const auto value = percent_decode(equals == std::string_view::npos ? std::string_view()
                                                                       : part.substr(equals + 1));
    if (!name || !value) {
      return refuse(
          fmt::format("\"{}\": a '%' without two hexadecimal digits", base::printable(part, 64)));
    }
    if (std::any_of(out.begin(), out.end(),
                    [&](const auto& each) { return each.first == *name; })) {
      return refuse(fmt::format("the parameter \"{}\" is given twice", base::printable(*name, 64)));
    }
    if (out.size() == kMaxQueryParameters) {
      return refuse(fmt::format("there are more than {} parameters", kMaxQueryParameters));
    }
    out.emplace_back(*name, *value);
  }
  return out;
}

Accepted<RestRequest> parse_rest_request(const Operation& operation,
                                         const http::ServerRequest& request) {
  if (auto wrong = judge_body(operation, request)) {
    return tl::unexpected<Refusal>(*std::move(wrong));
  }
  const bool is_body = !operation.body.empty() || !request.body.empty();
  if (!is_body) {
    return read_query(operation, request.query);
  }
  if (!request.query.empty()) {
    return refuse("what is asked for stands in the body, so no parameter can be given");
  }
  return read_body(operation.body.empty() ? std::vector{shape_of_query(operation)} : operation.body,
                   request.body);
}

}  // namespace vk8s::ipmanager
