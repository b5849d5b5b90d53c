// The syntax of names, as Kubernetes' API server checks it.
// Source: k8s.io/apimachinery/pkg/util/validation. Pure; any thread.
#pragma once

#include <string_view>

namespace vk8s::base {

// RFC 1123 label: a-z, 0-9 and '-', at most 63, alphanumeric at both ends.
bool is_dns_label(std::string_view text);
// Labels joined by dots, at most 253: names of most objects.
bool is_dns_subdomain(std::string_view text);
// What a certificate may carry as a DNS name: a subdomain, or "*." and one.
// Underscores and upper case are refused.
bool is_certificate_dns_name(std::string_view text);
// A label's, annotation's or taint's key: "name" or "prefix.example/name".
bool is_qualified_name(std::string_view text);
// "" or at most 63 of A-Z, a-z, 0-9, '-', '_', '.', alphanumeric at both ends.
bool is_label_value(std::string_view text);

}  // namespace vk8s::base
