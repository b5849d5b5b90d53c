#include "addons/kind_resolver.h"

#include <utility>

#include "addons/kinds.h"
#include "base/names.h"
#include "base/text.h"
#include "kube/api_error.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxDocumentBytes = 1U << 20U;

Error not_served(const ObjectId& id, std::string_view version) {
  return {
      Errc::kNotFound,
      fmt::format("{}: the cluster does not serve {} {}", id.to_string(),
                  base::printable(GroupVersion{id.group, std::string(version)}.to_string(), 128),
                  base::printable(id.kind, 64))};
}

std::string path_of(const GroupVersion& version) {
  return version.group.empty() ? "/api/" + version.version
                               : "/apis/" + version.group + "/" + version.version;
}

bool is_path_part(std::string_view text) { return base::is_dns_subdomain(text); }

}  // namespace

std::map<std::string, kube::Resource> parse_resource_list(const GroupVersion& version,
                                                          const Json& list) {
  std::map<std::string, kube::Resource> kinds;
  const JsonArray* resources = base::get_array(list, "resources");
  if (resources == nullptr) {
    return kinds;
  }
  for (const Json& one : *resources) {
    const std::string plural = text_at(one, "name");
    const std::string kind = text_at(one, "kind");
    // One with a slash is a subresource.
    if (is_path_part(plural) && !kind.empty() && kind.size() <= 63) {
      kinds.try_emplace(kind, kube::Resource{version.group, version.version, plural, kind,
                                             base::get_bool(one, "namespaced").value_or(true)});
    }
  }
  return kinds;
}

void KindResolver::get(const std::string& path, TakeDocument take) {
  Question& question = questions_[path];
  question.waiting.push_back(std::move(take));
  if (question.waiting.size() == 1) {
    question.call = client_.raw({.method = "GET", .path = path, .content_type = "", .body = ""},
                                [this, path](Result<kube::RawResponse> response) {
                                  take_answer(path, std::move(response));
                                });
  }
}

void KindResolver::take_answer(const std::string& path, Result<kube::RawResponse> response) {
  Result<Json> document = !response ? Result<Json>(tl::unexpected<Error>(response.error()))
                          : response->status != 200
                              ? Result<Json>(tl::unexpected<Error>(
                                    kube::error_from_response(response->status, response->body)))
                              : base::parse_json(response->body, kMaxDocumentBytes);
  const auto found = questions_.find(path);
  // Kept to the end: this is its callback.
  const Question question = std::move(found->second);
  questions_.erase(found);
  for (const TakeDocument& take : question.waiting) {
    take(document);
  }
}

void KindResolver::resolve(const ObjectId& id, const std::string& version, Done done) {
  const GroupVersion wanted{id.group, version};
  if (const auto builtin = find_builtin_kind(id.group, id.kind)) {
    done(kube::Resource{id.group, version, builtin->plural, id.kind, builtin->namespaced});
    return;
  }
  const auto known = known_.find(wanted);
  if (known != known_.end() && known->second.contains(id.kind)) {
    done(known->second.at(id.kind));
    return;
  }
  if (!is_path_part(id.group) || !is_path_part(version)) {
    done(tl::unexpected<Error>(not_served(id, version)));
    return;
  }
  get(path_of(wanted), [this, id, wanted, done = std::move(done)](Result<Json> document) {
    if (!document) {
      done(tl::unexpected<Error>(document.error().code() == Errc::kNotFound
                                     ? not_served(id, wanted.version)
                                     : document.error()));
      return;
    }
    Kinds& kinds = known_[wanted] = parse_resource_list(wanted, *document);
    const auto found = kinds.find(id.kind);
    if (found == kinds.end()) {
      done(tl::unexpected<Error>(not_served(id, wanted.version)));
    } else {
      done(found->second);
    }
  });
}

void KindResolver::resolve_any(const ObjectId& id, const std::string& version, Done done) {
  resolve(id, version, [this, id, done = std::move(done)](Result<kube::Resource> resource) {
    if (resource || resource.error().code() != Errc::kNotFound || !is_path_part(id.group)) {
      done(std::move(resource));
    } else {
      resolve_preferred(id, done);
    }
  });
}

void KindResolver::resolve_preferred(const ObjectId& id, Done done) {
  get("/apis/" + id.group, [this, id, done = std::move(done)](Result<Json> document) {
    if (!document) {
      done(tl::unexpected<Error>(document.error().code() == Errc::kNotFound ? not_served(id, "")
                                                                            : document.error()));
      return;
    }
    resolve(id, text_at(*document, "preferredVersion.version"), done);
  });
}

}  // namespace vk8s::addons
