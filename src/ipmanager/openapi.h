// The OpenAPI 3.1 document of the REST interface, made from rest_operations.h. Pure.
#pragma once

#include <string>

#include "base/json.h"

namespace vk8s::ipmanager {

// Whatever its schemas allow, parse_rest_request() accepts; tests send what they
// describe to the service and compare the answers (openapi_integration_test.cc).
Json openapi_document();

// The same as a file to be read and committed: indented, ends in a newline.
std::string openapi_text();

}  // namespace vk8s::ipmanager
