#include "ipmanager/openapi.h"

#include <fmt/format.h>

#include <initializer_list>

#include "ipmanager/rest_operations.h"

namespace vk8s::ipmanager {
namespace {

constexpr std::string_view kLabel = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
constexpr std::string_view kByte = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
constexpr int kMaxNameLength = 253;

constexpr std::string_view kDescription =
    "Addresses of the VNodeIPPools, which pods keep. An address is one IPAllocation, which this "
    "interface shows and writes. Its status is derived: free without one, reserved without an "
    "owner, allocated with a pod as its owner (whether it runs or not), deallocating once it is "
    "given back and until no pod has it.";

std::string name_pattern() { return fmt::format(R"({0}(\.{0})*)", kLabel); }

JsonObject text(std::string_view pattern, int max_length) {
  JsonObject out;
  out["type"] = "string";
  out["pattern"] = fmt::format("^{}$", pattern);
  out["maxLength"] = max_length;
  return out;
}

JsonObject reference(std::string_view name) {
  return JsonObject{{"$ref", fmt::format("#/components/schemas/{}", name)}};
}

// IPv6, but not the addresses of IPv4 in it: they have a spelling already.
JsonObject address_schema() {
  JsonObject v6;
  v6["type"] = "string";
  v6["format"] = "ipv6";
  v6["not"] =
      JsonObject{{"pattern", "^[0:]*:[fF]{4}:([0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}|[0-9.]+)$"}};
  JsonObject out;
  out["anyOf"] = JsonArray{JsonObject{{"type", "string"}, {"format", "ipv4"}}, std::move(v6)};
  out["examples"] = JsonArray{"10.1.0.7", "fd00::7"};
  return out;
}

JsonObject limit_schema() {
  JsonObject out;
  out["type"] = "integer";
  out["minimum"] = 1;
  out["maximum"] = kMaxPage;
  out["default"] = kDefaultPage;
  return out;
}

JsonObject status_schema(std::initializer_list<AddressState> states) {
  JsonArray words;
  for (const AddressState state : states) {
    words.emplace_back(to_string(state));
  }
  return JsonObject{{"type", "string"}, {"enum", std::move(words)}};
}

JsonObject plain_schema_of(Field field) {
  switch (field) {
    case Field::kAddress:
      return reference("IPAddress");
    case Field::kPodName:
      return text(fmt::format("({}/)?{}", kLabel, name_pattern()), kMaxNameLength);
    case Field::kFullPodName:
      return text(fmt::format("{}/{}", kLabel, name_pattern()), kMaxNameLength);
    case Field::kBarePodName:
    case Field::kPool:
      return text(name_pattern(), kMaxNameLength);
    case Field::kNamespace:
      return text(kLabel, 63);
    case Field::kStatus:
      return status_schema(
          {AddressState::kReserved, AddressState::kAllocated, AddressState::kDeallocating});
    case Field::kNote:
      return text(R"([^\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]*)",
                  kMaxNoteCharacters);
    case Field::kResourceVersion:
      return text("[1-9][0-9]{0,19}", 20);
    case Field::kLimit:
      return limit_schema();
    case Field::kContinue:
      return text(fmt::format(R"((({0}\.){{3}}{0}|([0-9a-f]{{4}}-){{7}}[0-9a-f]{{4}}))", kByte),
                  39);
  }
  return {};
}

std::string_view example_of(Field field) {
  switch (field) {
    case Field::kPodName:
    case Field::kFullPodName:
      return "team-a/web-0";
    case Field::kBarePodName:
      return "web-0";
    case Field::kNamespace:
      return "team-a";
    case Field::kPool:
      return "default";
    case Field::kNote:
      return "the camera at the door";
    default:
      return {};
  }
}

JsonObject schema_of(Field field) {
  JsonObject out = plain_schema_of(field);
  if (const std::string_view example = example_of(field); !example.empty()) {
    out["examples"] = JsonArray{Json(example)};
  }
  return out;
}

JsonObject described(JsonObject schema, std::string_view description) {
  schema["description"] = description;
  return schema;
}

// --- requests --------------------------------------------------------------------------------

JsonArray parameters_of(const Operation& operation) {
  JsonArray out;
  for (const QueryParameter& parameter : operation.query) {
    JsonObject one;
    one["name"] = name_of(parameter.field);
    one["in"] = "query";
    one["required"] = parameter.required;
    one["description"] = description_of(parameter.field);
    one["schema"] = schema_of(parameter.field);
    out.push_back(std::move(one));
  }
  return out;
}

JsonObject object_schema(JsonObject properties, JsonArray required) {
  JsonObject out;
  out["type"] = "object";
  if (!required.empty()) {
    out["required"] = std::move(required);
  }
  out["properties"] = std::move(properties);
  out["additionalProperties"] = false;
  return out;
}

JsonObject schema_of(const BodyShape& shape) {
  JsonObject properties;
  JsonArray required;
  for (const BodyShape::Member& member : shape.members) {
    const std::string_view name = name_of(member.field);
    const bool is_fixed = member.field == Field::kStatus && shape.status;
    properties[name] =
        described(is_fixed ? status_schema({*shape.status}) : schema_of(member.field),
                  description_of(member.field));
    if (member.required) {
      required.emplace_back(name);
    }
  }
  return object_schema(std::move(properties), std::move(required));
}

JsonObject json_content(JsonObject schema) {
  return JsonObject{{"application/json", JsonObject{{"schema", std::move(schema)}}}};
}

JsonObject body_of(const Operation& operation) {
  JsonArray shapes;
  for (const BodyShape& shape : operation.body) {
    shapes.push_back(schema_of(shape));
  }
  JsonObject out;
  out["required"] = true;
  out["content"] = json_content(JsonObject{{"anyOf", std::move(shapes)}});
  return out;
}

// --- answers ---------------------------------------------------------------------------------

JsonObject success(int status, Outcome outcome) {
  JsonObject out;
  out["description"] = meaning_of(status);
  if (outcome != Outcome::kNothing) {
    out["content"] =
        json_content(reference(outcome == Outcome::kAddress ? "Address" : "AddressList"));
  }
  return out;
}

JsonObject responses_of(const Operation& operation) {
  JsonObject out;
  std::vector<int> statuses = operation.statuses;
  statuses.insert(statuses.end(), {400, 401, 403, 500, 503});
  for (const int status : statuses) {
    const std::string key = std::to_string(status);
    if (status < 300) {
      out[key] = success(status, operation.outcome);
    } else {
      out[key] = JsonObject{{"$ref", fmt::format("#/components/responses/{}", code_of(status))}};
    }
  }
  return out;
}

JsonObject error_response(int status) {
  JsonObject out;
  out["description"] = meaning_of(status);
  const auto header = [&](const char* name, const char* description) {
    JsonObject schema{{"type", "string"}};
    out["headers"] =
        JsonObject{{name, JsonObject{{"description", description}, {"schema", std::move(schema)}}}};
  };
  if (status == 401) {
    header("WWW-Authenticate", "Bearer");
  } else if (status == 503) {
    header("Retry-After", "Seconds to wait before the next attempt");
  }
  out["content"] = json_content(reference("Error"));
  return out;
}

constexpr int kErrors[] = {400, 401, 403, 404, 409, 413, 415, 422, 500, 503};

JsonObject error_schema() {
  JsonArray codes;
  for (const int status : kErrors) {
    codes.emplace_back(code_of(status));
  }
  codes.emplace_back(code_of(405));
  JsonObject properties;
  properties["code"] = JsonObject{{"type", "string"}, {"enum", std::move(codes)}};
  properties["message"] = JsonObject{
      {"type", "string"}, {"description", "What is wrong and, where it is known, what to do"}};
  properties["field"] =
      JsonObject{{"type", "string"}, {"description", "Of the request: what is wrong in it"}};
  return object_schema(std::move(properties), JsonArray{"code", "message"});
}

JsonObject entry_schema() {
  JsonObject properties;
  properties["pod_ip"] = described(reference("IPAddress"), "The address.");
  properties["status"] =
      described(status_schema({AddressState::kFree, AddressState::kReserved,
                               AddressState::kAllocated, AddressState::kDeallocating}),
                description_of(Field::kStatus));
  const auto put = [&](const char* name, std::string_view description) {
    properties[name] = described(JsonObject{{"type", "string"}}, description);
  };
  put("pod_name", "Whose it is: \"namespace/name\" of a pod.");
  put("pool", "The VNodeIPPool that it is of.");
  put("cluster", "The Vk8s of which the pod is a node.");
  put("node", "That node's name in the Vk8s.");
  put("note", description_of(Field::kNote));
  put("resource_version", description_of(Field::kResourceVersion));
  return object_schema(std::move(properties), JsonArray{"pod_ip", "status"});
}

JsonObject list_schema() {
  JsonObject properties;
  properties["items"] = JsonObject{{"type", "array"}, {"items", reference("Address")}};
  properties["continue"] =
      described(JsonObject{{"type", "string"}}, "There are more: give it with the next request.");
  return object_schema(std::move(properties), JsonArray{"items"});
}

JsonObject components() {
  JsonObject schemas;
  schemas["IPAddress"] = address_schema();
  schemas["Address"] = entry_schema();
  schemas["AddressList"] = list_schema();
  schemas["Error"] = error_schema();
  JsonObject responses;
  for (const int status : kErrors) {
    responses[code_of(status)] = error_response(status);
  }
  JsonObject token;
  token["type"] = "http";
  token["scheme"] = "bearer";
  token["description"] =
      "Of a ServiceAccount, for the audience of the installation. Rights are those on "
      "ipallocations.vk8s.sktelecom.com.";
  JsonObject out;
  out["schemas"] = std::move(schemas);
  out["responses"] = std::move(responses);
  out["securitySchemes"] = JsonObject{{"token", std::move(token)}};
  return out;
}

// --- paths -----------------------------------------------------------------------------------

std::string in_lower_case(std::string_view method) {
  std::string out(method);
  for (char& each : out) {
    each = static_cast<char>(each - 'A' + 'a');
  }
  return out;
}

JsonObject path_item(const Operation& operation) {
  JsonObject out;
  out["operationId"] = operation.id;
  out["summary"] = operation.summary;
  out["description"] =
      fmt::format("{} Needs the right to {} ipallocations.", operation.description, operation.verb);
  out["security"] = JsonArray{JsonObject{{"token", JsonArray{}}}};
  if (!operation.query.empty()) {
    out["parameters"] = parameters_of(operation);
  }
  if (!operation.body.empty()) {
    out["requestBody"] = body_of(operation);
  }
  out["responses"] = responses_of(operation);
  return out;
}

JsonObject path_item(const OpenPath& path) {
  JsonObject schema;
  schema["type"] = path.content_type == "text/plain" ? "string" : "object";
  JsonObject responses;
  for (const int status : path.statuses) {
    JsonObject one;
    one["description"] = status == 200 ? path.summary : std::string_view("Not yet, or not now");
    one["content"] = JsonObject{{path.content_type, JsonObject{{"schema", schema}}}};
    responses[std::to_string(status)] = std::move(one);
  }
  JsonObject out;
  out["operationId"] = path.id;
  out["summary"] = path.summary;
  out["security"] = JsonArray{};
  out["responses"] = std::move(responses);
  return out;
}

JsonObject paths() {
  JsonObject out;
  for (const Operation& operation : operations()) {
    if (!out.contains(operation.path)) {
      out[operation.path] = JsonObject();
    }
    out[operation.path].as_object()[in_lower_case(operation.method)] = path_item(operation);
  }
  for (const OpenPath& path : open_paths()) {
    out[path.path] = JsonObject{{"get", path_item(path)}};
  }
  return out;
}

void write_indented(const Json& value, std::size_t depth, std::string& out) {
  const std::string margin(2 * depth, ' ');
  const auto* array = value.if_array();
  const auto* object = value.if_object();
  if (array != nullptr && !array->empty()) {
    const char* separator = "[\n";
    for (const Json& item : *array) {
      out += fmt::format("{}{}  ", std::exchange(separator, ",\n"), margin);
      write_indented(item, depth + 1, out);
    }
    out += fmt::format("\n{}]", margin);
  } else if (object != nullptr && !object->empty()) {
    const char* separator = "{\n";
    for (const auto& [key, item] : *object) {
      out += fmt::format("{}{}  {}: ", std::exchange(separator, ",\n"), margin,
                         base::to_string(Json(key)));
      write_indented(item, depth + 1, out);
    }
    out += fmt::format("\n{}}}", margin);
  } else {
    out += base::to_string(value);
  }
}

}  // namespace

Json openapi_document() {
  JsonObject info;
  info["title"] = "vk8s-ip-manager";
  info["version"] = "1";
  info["description"] = kDescription;
  info["license"] = JsonObject{{"name", "Apache-2.0"}, {"identifier", "Apache-2.0"}};
  JsonObject out;
  out["openapi"] = "3.1.0";
  out["info"] = std::move(info);
  out["servers"] = JsonArray{JsonObject{{"url", "https://vk8s-ip-manager.vk8s-system.svc:5002"}}};
  out["paths"] = paths();
  out["components"] = components();
  return out;
}

std::string openapi_text() {
  std::string out;
  write_indented(openapi_document(), 0, out);
  return out + "\n";
}

}  // namespace vk8s::ipmanager
