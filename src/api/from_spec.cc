#include "api/from_spec.h"

#include <fmt/format.h>

namespace vk8s::api {
namespace {

constexpr std::size_t kMaxBytes = 64U << 10U;

JsonArray list_of(const std::set<std::string>& texts) {
  JsonArray out;
  for (const std::string& text : texts) {
    out.push_back(Json(text));
  }
  return out;
}

std::set<std::string> read_list(const Json& document, std::string_view name) {
  std::set<std::string> out;
  const JsonArray* list = base::get_array(document, name);
  for (const Json& text : list == nullptr ? JsonArray() : *list) {
    if (text.is_string()) {
      out.emplace(text.get_string());
    }
  }
  return out;
}

}  // namespace

std::string taint_id(std::string_view key, std::string_view effect) {
  return fmt::format("{}:{}", key, effect);
}

FromSpec from_spec(const std::map<std::string, std::string>& labels,
                   const std::vector<Taint>& taints) {
  FromSpec out;
  for (const auto& [key, value] : labels) {
    out.labels.insert(key);
  }
  for (const Taint& taint : taints) {
    out.taints.insert(taint_id(taint.key, taint.effect));
  }
  return out;
}

std::string to_string(const FromSpec& from_spec) {
  JsonObject out;
  out["labels"] = list_of(from_spec.labels);
  out["taints"] = list_of(from_spec.taints);
  return base::to_string(Json(std::move(out)));
}

FromSpec parse_from_spec(std::string_view json) {
  const auto document = base::parse_json(json, kMaxBytes);
  return document ? FromSpec{read_list(*document, "labels"), read_list(*document, "taints")}
                  : FromSpec();
}

}  // namespace vk8s::api
