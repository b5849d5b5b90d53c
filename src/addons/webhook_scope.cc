#include "addons/webhook_scope.h"

#include <algorithm>

namespace vk8s::addons {
namespace {

// Whether the list holds one of the words.
bool lists(const Json& rule, std::string_view field,
           std::initializer_list<std::string_view> words) {
  const JsonArray* values = base::get_array(rule, field);
  return values != nullptr && std::any_of(values->begin(), values->end(), [&](const Json& value) {
           const auto* text = value.if_string();
           return text != nullptr &&
                  std::find(words.begin(), words.end(),
                            std::string_view(text->data(), text->size())) != words.end();
         });
}

bool rule_matches(const Json& rule, const AdmissionSubject& subject) {
  return lists(rule, "operations", {"*", "CREATE", "UPDATE"}) &&
         lists(rule, "apiGroups", {"*", subject.group}) &&
         lists(rule, "resources", {"*", "*/*", subject.plural});
}

}  // namespace

bool is_called_for(const Json& webhook, const AdmissionSubject& subject) {
  const JsonArray* rules = base::get_array(webhook, "rules");
  const bool matches = rules != nullptr &&
                       std::any_of(rules->begin(), rules->end(),
                                   [&](const Json& rule) { return rule_matches(rule, subject); });
  return matches && selects(base::find(webhook, "objectSelector"), subject.labels) &&
         (!subject.namespace_labels ||
          selects(base::find(webhook, "namespaceSelector"), *subject.namespace_labels));
}

bool is_worth_waiting_for(std::string_view configuration_kind, const Json& webhook) {
  return configuration_kind == "MutatingWebhookConfiguration" ||
         base::get_string(webhook, "failurePolicy").value_or("Fail") == "Fail";
}

}  // namespace vk8s::addons
