#include "addons/field_ownership.h"

#include <algorithm>

#include "addons/object_id.h"
#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxKept = 32;
constexpr std::size_t kMaxPath = 256;
constexpr std::size_t kMaxKeyBytes = 4096;
constexpr int kMaxDepth = 128;

std::string_view view_of(boost::json::string_view text) { return {text.data(), text.size()}; }

// Whether an element of a list is the one that the key ({"name": "web"}) speaks of. What
// an element does not say has a default there.
bool has_key(const Json& element, const JsonObject& key) {
  const JsonObject* fields = element.if_object();
  return fields != nullptr && std::all_of(key.begin(), key.end(), [&](const auto& part) {
           const Json* value = fields->if_contains(part.key());
           return value == nullptr || *value == part.value();
         });
}

// And it says at least one part of the key itself.
bool says_key(const Json& element, const JsonObject& key) {
  return has_key(element, key) && std::any_of(key.begin(), key.end(), [&](const auto& part) {
           return element.get_object().contains(part.key());
         });
}

Json* find_element(Json& list, const JsonObject& key) {
  JsonArray* elements = list.if_array();
  if (elements == nullptr) {
    return nullptr;
  }
  const auto found = std::find_if(elements->begin(), elements->end(),
                                  [&](const Json& element) { return says_key(element, key); });
  return found == elements->end() ? nullptr : &*found;
}

const Json* find_element(const Json* list, const JsonObject& key) {
  // The other one does not write.
  return list == nullptr ? nullptr : find_element(const_cast<Json&>(*list), key);
}

std::string key_text(const JsonObject& key) {
  std::string out;
  for (const auto& [name, value] : key) {
    const std::string text =
        value.is_string() ? std::string(value.get_string()) : base::to_string(value);
    out += fmt::format("{}{}={}", out.empty() ? "" : ",", view_of(name), text);
  }
  return "[" + out + "]";
}

// Whether all of the value is the manager's, and not parts of it alone.
bool is_leaf(const Json& inner) {
  const JsonObject* fields = inner.if_object();
  return fields == nullptr || fields->empty();
}

// What names an object is nobody's field.
Json without_identity(Json object) {
  JsonObject* members = object.if_object();
  if (members != nullptr) {
    members->erase("apiVersion");
    members->erase("kind");
    Json* metadata = members->if_contains("metadata");
    if (metadata != nullptr && metadata->is_object()) {
      metadata->get_object().erase("name");
      metadata->get_object().erase("namespace");
    }
  }
  return object;
}

bool covers(const Json& inner, const Json& value, int depth);

bool covers_members(const JsonObject& fields, const JsonObject& members, int depth) {
  return std::all_of(members.begin(), members.end(), [&](const auto& member) {
    const std::string_view name = view_of(member.key());
    if (member.value().is_null()) {
      return true;
    }
    const Json* inner = fields.if_contains(fmt::format("f:{}", name));
    return inner != nullptr && covers(*inner, member.value(), depth + 1);
  });
}

bool covers_element(const JsonObject& fields, const Json& element, int depth) {
  return std::any_of(fields.begin(), fields.end(), [&](const auto& one) {
    const std::string_view name = view_of(one.key());
    if (!name.starts_with("k:") && !name.starts_with("v:")) {
      return false;
    }
    const auto key = base::parse_json(name.substr(2), kMaxKeyBytes);
    if (!key || name.starts_with("v:")) {
      return key && *key == element;
    }
    return key->is_object() && says_key(element, key->get_object()) &&
           covers(one.value(), element, depth + 1);
  });
}

bool covers(const Json& inner, const Json& value, int depth) {
  if (is_leaf(inner)) {
    return true;
  }
  const JsonObject& fields = inner.get_object();
  if (const JsonObject* members = value.if_object(); members != nullptr && depth <= kMaxDepth) {
    return covers_members(fields, *members, depth);
  }
  const JsonArray* elements = value.if_array();
  return elements != nullptr && depth <= kMaxDepth &&
         std::all_of(elements->begin(), elements->end(),
                     [&](const Json& element) { return covers_element(fields, element, depth); });
}

// Leaves out of one object what one manager owns.
class Splitter {
 public:
  Splitter(std::string manager, std::vector<KeptField>& kept)
      : manager_(std::move(manager)), kept_(kept) {}

  void split(Json& wanted, const Json* live, const JsonObject& fields, const std::string& path,
             int depth) {
    if (depth > kMaxDepth) {
      return;
    }
    for (const auto& [name, inner] : fields) {
      const std::string_view key = view_of(name);
      if (key.starts_with("f:")) {
        split_field(wanted, live, key.substr(2), inner, path, depth);
      } else if (key.starts_with("k:")) {
        split_element(wanted, live, key.substr(2), inner, path, depth);
      }
      // "." is the field itself; "v:" and "i:" are members of a set, which it may share.
    }
  }

 private:
  void split_field(Json& wanted, const Json* live, std::string_view name, const Json& inner,
                   const std::string& path, int depth) {
    JsonObject* object = wanted.if_object();
    Json* value = object == nullptr ? nullptr : object->if_contains({name.data(), name.size()});
    if (value == nullptr) {
      return;
    }
    const JsonObject* live_object = live == nullptr ? nullptr : live->if_object();
    const Json* live_value =
        live_object == nullptr ? nullptr : live_object->if_contains({name.data(), name.size()});
    const std::string here = path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
    const bool is_whole = is_leaf(inner) || (!value->is_object() && !value->is_array());
    if (!is_whole) {
      split(*value, live_value, inner.get_object(), here, depth + 1);
    } else if (live_value != nullptr && !(*live_value == *value)) {
      keep(here);
      object->erase(boost::json::string_view(name.data(), name.size()));
    }
  }

  void split_element(Json& wanted, const Json* live, std::string_view key_json, const Json& inner,
                     const std::string& path, int depth) {
    const auto key = base::parse_json(key_json, kMaxKeyBytes);
    if (!key || !key->is_object() || is_leaf(inner)) {
      return;
    }
    Json* element = find_element(wanted, key->get_object());
    const Json* live_element = find_element(live, key->get_object());
    if (element != nullptr && live_element != nullptr) {
      split(*element, live_element, inner.get_object(), path + key_text(key->get_object()),
            depth + 1);
    }
  }

  void keep(const std::string& path) {
    if (kept_.size() < kMaxKept) {
      kept_.push_back({.path = base::printable(path, kMaxPath), .manager = manager_});
    }
  }

  const std::string manager_;
  std::vector<KeptField>& kept_;
};

}  // namespace

bool owns_all(const Json& wanted, const Json& live, std::string_view manager) {
  const JsonArray* entries = base::get_array(live, "metadata.managedFields");
  const Json fields_of_wanted = without_identity(wanted);
  return entries != nullptr &&
         std::any_of(entries->begin(), entries->end(), [&](const Json& entry) {
           const Json* fields = base::find(entry, "fieldsV1");
           return fields != nullptr && !is_leaf(*fields) &&
                  base::get_string(entry, "manager") == manager &&
                  base::get_string(entry, "operation") == "Apply" &&
                  text_at(entry, "subresource").empty() && covers(*fields, fields_of_wanted, 0);
         });
}

OwnershipSplit split_by_ownership(const Json& wanted, const Json& live, std::string_view manager) {
  OwnershipSplit result{.object = wanted, .kept = {}};
  const JsonArray* entries = base::get_array(live, "metadata.managedFields");
  if (entries == nullptr) {
    return result;
  }
  for (const Json& entry : *entries) {
    const JsonObject* fields = base::get_object(entry, "fieldsV1");
    const std::string owner = text_at(entry, "manager");
    if (fields == nullptr || (owner == manager && text_at(entry, "operation") == "Apply")) {
      continue;
    }
    Splitter(base::printable(owner, 128), result.kept).split(result.object, &live, *fields, "", 0);
  }
  return result;
}

}  // namespace vk8s::addons
