#include "addons/login.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "addons/digest.h"
#include "addons/object_id.h"
#include "addons/plan.h"
#include "addons/pod_references.h"
#include "base/names.h"
#include "base/text.h"
#include "pki/password_hash.h"
#include "pki/pki.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxRandomLists = 16;
constexpr std::size_t kMaxPlaces = 16;
constexpr std::size_t kMaxEmail = 254;
constexpr std::size_t kMaxKey = 253;
constexpr std::size_t kRandomBytes = 16;
constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::array<std::string_view, 2> kSecretFields = {"data", "stringData"};
// Of pods: what their login was when they were made.
constexpr std::string_view kLoginAnnotation = "vk8s.sktelecom.com/login";

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_of_address(char c) {
  return is_letter_or_digit(c) || std::string_view("._%+-@").find(c) != std::string_view::npos;
}

Result<SecretPlace> parse_place(const Json* value, std::string_view field) {
  SecretPlace out;
  if (value != nullptr) {
    out.secret = {text_at(*value, "namespace"), text_at(*value, "name")};
    out.key = text_at(*value, "key");
  }
  std::string_view name = out.secret.name;
  name.remove_suffix(name.ends_with("-*") ? 2 : 0);
  if (!base::is_dns_label(out.secret.namespace_name) || !base::is_dns_subdomain(name) ||
      out.key.empty() || out.key.size() > kMaxKey) {
    return fail(Errc::kInvalidArgument, "login.{}: it must have namespace, name and key", field);
  }
  return out;
}

Result<std::vector<SecretPlace>> parse_places(const Json& list) {
  const JsonArray* items = list.if_array();
  if (items == nullptr || items->empty() || items->size() > kMaxPlaces) {
    return fail(Errc::kInvalidArgument, "login.random[]: it must be a list of 1 to {} places",
                kMaxPlaces);
  }
  std::vector<SecretPlace> out;
  for (const Json& item : *items) {
    out.push_back(VK8S_TRY(parse_place(&item, "random[][]")));
  }
  return out;
}

// Null where there is none, or more than one.
const std::size_t* find_secret(const std::map<ObjectId, std::size_t>& items,
                               const kube::ObjectKey& key) {
  const bool is_prefix = key.name.ends_with('*');
  const std::string_view begin =
      std::string_view(key.name).substr(0, key.name.size() - (is_prefix ? 1 : 0));
  const std::size_t* found = nullptr;
  for (auto at = items.lower_bound({"", "Secret", key.namespace_name, std::string(begin)});
       at != items.end() && at->first.group.empty() && at->first.kind == "Secret" &&
       at->first.namespace_name == key.namespace_name &&
       (is_prefix ? at->first.name.starts_with(begin) : at->first.name == begin);
       ++at) {
    if (found != nullptr) {
      return nullptr;
    }
    found = &at->second;
  }
  return found;
}

bool has_key(const Json& secret, const std::string& key) {
  return std::any_of(kSecretFields.begin(), kSecretFields.end(), [&](std::string_view field) {
    const JsonObject* values = base::get_object(secret, field);
    return values != nullptr && values->contains(key);
  });
}

// Puts to in the place of every from in text that is no part of a longer address.
void replace_address(boost::json::string& text, std::string_view from, std::string_view to) {
  std::string out;
  const std::string_view all(text.data(), text.size());
  std::size_t copied = 0;
  for (std::size_t at = all.find(from); at != std::string_view::npos;
       at = all.find(from, at + from.size())) {
    const std::size_t end = at + from.size();
    const bool is_part = (at > 0 && is_of_address(all[at - 1])) ||
                         (end < all.size() && is_of_address(all[end]) && all[end] != '.') ||
                         (end + 1 < all.size() && all[end] == '.' && is_of_address(all[end + 1]));
    if (!is_part) {
      out.append(all.substr(copied, at - copied)).append(to);
      copied = end;
    }
  }
  if (copied > 0) {
    out.append(all.substr(copied));
    text = out;
  }
}

void replace_addresses(Json& value, std::string_view from, std::string_view to) {
  if (auto* text = value.if_string()) {
    replace_address(*text, from, to);
  } else if (auto* array = value.if_array()) {
    for (Json& item : *array) {
      replace_addresses(item, from, to);
    }
  } else if (auto* object = value.if_object()) {
    for (auto& member : *object) {
      replace_addresses(member.value(), from, to);
    }
  }
}

// Whether that address is anywhere in value; cheaper than a copy to try it on.
bool mentions(const Json& value, std::string_view word) {
  if (const auto* text = value.if_string()) {
    return std::string_view(text->data(), text->size()).find(word) != std::string_view::npos;
  }
  if (const auto* array = value.if_array()) {
    return std::any_of(array->begin(), array->end(),
                       [&](const Json& item) { return mentions(item, word); });
  }
  const auto* object = value.if_object();
  return object != nullptr && std::any_of(object->begin(), object->end(), [&](const auto& member) {
           return mentions(member.value(), word);
         });
}

// The cluster's own plan in the making.
class Personal {
 public:
  explicit Personal(const Plan& plan) : plan_(std::make_shared<Plan>(plan)) {
    for (std::size_t i = 0; i < plan_->manifests().size(); ++i) {
      items_[plan_->manifests()[i].id] = i;
    }
  }

  std::shared_ptr<const Plan> make(const LoginInfo& info, const Login& login) {
    put(info.password_hash, login.password_hash);
    for (const auto& places : info.random) {
      const std::string value = random_value(login.key, places.front());
      for (const SecretPlace& place : places) {
        put(place, value);
      }
    }
    if (!login.email.empty() && login.email != info.email) {
      put_address(info.email, login.email);
    }
    restart_workloads();
    std::string digests = plan_->digest;
    for (const auto& [item, manifest] : plan_->own) {
      digests += "\n" + digest_of(manifest.object);
    }
    plan_->digest = sha256_digest(digests);
    return plan_;
  }

 private:
  static std::string random_value(const std::string& key, const SecretPlace& place) {
    const pki::DerivedKey bytes = pki::derive_key(key, "random " + place.to_string());
    std::string out;
    for (std::size_t i = 0; i < kRandomBytes; ++i) {
      out.push_back(kHexDigits[bytes[i] >> 4U]);
      out.push_back(kHexDigits[bytes[i] & 0xfU]);
    }
    return out;
  }

  Json& own(std::size_t item) {
    return plan_->own.try_emplace(item, plan_->manifest(item)).first->second.object;
  }

  void put(const SecretPlace& place, const std::string& value) {
    const std::size_t* item = find_secret(items_, place.secret);
    if (item == nullptr) {
      return;  // check_login() has seen it
    }
    JsonObject& secret = own(*item).as_object();
    if (Json* plain = secret.if_contains("stringData"); plain != nullptr && plain->is_object()) {
      plain->get_object().erase(place.key);
    }
    Json& data = secret["data"];
    if (!data.is_object()) {
      data.emplace_object();
    }
    data.get_object()[place.key] = pki::base64_encode(value);
  }

  void put_address(std::string_view from, std::string_view to) {
    for (const auto& [id, item] : items_) {
      const Manifest& manifest = plan_->manifest(item);
      if (!is_definition(id.group, id.kind) && mentions(manifest.object, from)) {
        replace_addresses(own(item), from, to);
      }
    }
  }

  // Pods read their environment once.
  void restart_workloads() {
    std::map<PodReference, std::set<std::pair<std::string, std::string>>> changed;
    for (const auto& [item, manifest] : plan_->own) {
      const ObjectId& id = manifest.id;
      if (id.group.empty() && (id.kind == "Secret" || id.kind == "ConfigMap")) {
        changed[{id.kind, id.name}].emplace(id.namespace_name, digest_of(manifest.object));
      }
    }
    for (const auto& [id, item] : items_) {
      const Json* pods = is_workload(id.group, id.kind)
                             ? find_pod_template(plan_->manifest(item).object)
                             : nullptr;
      const Json* spec = pods == nullptr ? nullptr : base::find(*pods, "spec");
      std::string digests;
      for (const PodReference& each :
           spec == nullptr ? std::vector<PodReference>() : pod_references(*spec)) {
        const auto at = changed.find(each);
        for (const auto& [namespace_name, digest] :
             at == changed.end() ? std::set<std::pair<std::string, std::string>>() : at->second) {
          digests += namespace_name == id.namespace_name ? digest : "";
        }
      }
      if (!digests.empty()) {
        annotate(item, sha256_digest(digests).substr(std::string_view("sha256:").size(), 32));
      }
    }
  }

  void annotate(std::size_t item, const std::string& value) {
    // What is found in an object that is not const is not const either.
    Json& pods = *const_cast<Json*>(find_pod_template(own(item)));
    Json& metadata = pods.as_object()["metadata"];
    if (!metadata.is_object()) {
      metadata.emplace_object();
    }
    Json& annotations = metadata.get_object()["annotations"];
    if (!annotations.is_object()) {
      annotations.emplace_object();
    }
    annotations.get_object()[kLoginAnnotation] = value;
  }

  std::shared_ptr<Plan> plan_;
  std::map<ObjectId, std::size_t> items_;
};

}  // namespace

std::string SecretPlace::to_string() const {
  return fmt::format("Secret {}/{}, key {}", secret.namespace_name, secret.name,
                     base::printable(key, 64));
}

bool is_email_address(std::string_view text) {
  const std::size_t at = text.find('@');
  return text.size() <= kMaxEmail && at != std::string_view::npos && at > 0 &&
         at + 1 < text.size() && text.find('@', at + 1) == std::string_view::npos &&
         is_letter_or_digit(text.front()) && is_letter_or_digit(text[at + 1]) &&
         is_letter_or_digit(text.back()) && std::all_of(text.begin(), text.end(), is_of_address);
}

Result<std::shared_ptr<const LoginInfo>> parse_login(const Json& document) {
  const Json* login = base::find(document, "login");
  if (login == nullptr) {
    return nullptr;
  }
  auto out = std::make_shared<LoginInfo>();
  out->email = text_at(*login, "email");
  if (!is_email_address(out->email)) {
    return fail(Errc::kInvalidArgument, "login.email: it must be the address in the manifests");
  }
  out->password_hash = VK8S_TRY(parse_place(base::find(*login, "passwordHash"), "passwordHash"));
  if (const Json* random = base::find(*login, "random")) {
    const JsonArray* lists = random->if_array();
    if (lists == nullptr || lists->size() > kMaxRandomLists) {
      return fail(Errc::kInvalidArgument, "login.random: it must be a list of at most {} lists",
                  kMaxRandomLists);
    }
    for (const Json& list : *lists) {
      out->random.push_back(VK8S_TRY(parse_places(list)));
    }
  }
  return out;
}

Status check_login(const LoginInfo& info, const ManifestSet& set) {
  const bool is_named =
      std::any_of(set.manifests().begin(), set.manifests().end(), [&](const Manifest& manifest) {
        return !is_definition(manifest.id.group, manifest.id.kind) &&
               mentions(manifest.object, info.email);
      });
  if (!is_named) {
    return fail(Errc::kInvalidArgument,
                "addon.json: login.email: no manifest names {} (Secrets' data is not searched)",
                info.email);
  }
  std::map<ObjectId, std::size_t> items;
  for (std::size_t i = 0; i < set.manifests().size(); ++i) {
    items[set.manifests()[i].id] = i;
  }
  std::vector<SecretPlace> places = {info.password_hash};
  for (const auto& list : info.random) {
    places.insert(places.end(), list.begin(), list.end());
  }
  for (const SecretPlace& place : places) {
    const std::size_t* item = find_secret(items, place.secret);
    if (item == nullptr || !has_key(set.manifests()[*item].object, place.key)) {
      return fail(Errc::kInvalidArgument, "addon.json: login: the manifests have no {}",
                  place.to_string());
    }
  }
  return {};
}

std::shared_ptr<const Plan> with_login(const Plan& plan, const Login& login) {
  return Personal(plan).make(*plan.set->info().login, login);
}

}  // namespace vk8s::addons
