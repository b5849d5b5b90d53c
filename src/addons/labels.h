// Labels and the selectors that objects hold (meta/v1 LabelSelector). Pure.
#pragma once

#include <map>
#include <string>

#include "base/json.h"

namespace vk8s::addons {

using Labels = std::map<std::string, std::string>;

// The members of an object that are strings; nullptr has none.
Labels string_members(const Json* object);
// metadata.labels.
Labels labels_of(const Json& object);

// matchLabels and matchExpressions; nullptr and {} select everything, what cannot be
// read nothing.
bool selects(const Json* selector, const Labels& labels);

// Whether all of `wanted` is in `labels`; {} selects nothing: a Service's selector.
bool service_selects(const Labels& wanted, const Labels& labels);

}  // namespace vk8s::addons
