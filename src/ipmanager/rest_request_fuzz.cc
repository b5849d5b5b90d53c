// Reading of requests: "METHOD PATH QUERY\nBODY".
#include "base/fuzz.h"
#include "base/names.h"
#include "base/text.h"
#include "ipmanager/rest_request.h"

namespace vk8s::ipmanager {
namespace {

using fuzz::require;

// What is accepted may be believed.
void check(const RestRequest& request) {
  require(request.pod.empty() || base::is_dns_subdomain(request.pod), "a pod's name is one");
  require(request.pod_namespace.empty() || base::is_dns_label(request.pod_namespace),
          "a pod's namespace is one");
  require(request.namespace_name.empty() || base::is_dns_label(request.namespace_name),
          "a namespace is one");
  require(request.pool.empty() || base::is_dns_subdomain(request.pool), "a pool's name is one");
  require(base::printable(request.note) == request.note, "a note is printable");
  require(request.limit >= 1 && request.limit <= kMaxPage, "a limit is within limits");
}

// As a client would write it.
std::string body_of(const RestRequest& request) {
  JsonObject out;
  const auto put = [&](Field field, const std::string& value) {
    if (!value.empty()) {
      out[name_of(field)] = value;
    }
  };
  put(Field::kAddress, request.address ? request.address->to_string() : "");
  const std::string full = request.pod_namespace + "/" + request.pod;
  const bool is_long = full.size() > 253;
  put(Field::kFullPodName, request.pod.empty() || is_long ? request.pod : full);
  put(Field::kNamespace, is_long ? request.pod_namespace : "");
  put(Field::kStatus, request.status ? std::string(to_string(*request.status)) : "");
  put(Field::kPool, request.pool);
  put(Field::kNote, request.note);
  put(Field::kResourceVersion, request.resource_version);
  return base::to_string(out);
}

// What was read from a body can be written and read again.
void check_round_trip(const Operation& operation, const RestRequest& read) {
  http::ServerRequest again;
  again.body = body_of(read);
  again.headers = {{"content-type", "application/json"}};
  const auto second = parse_rest_request(operation, again);
  require(second.has_value(), "what was accepted is accepted again");
  require(second->address == read.address && second->pod == read.pod &&
              second->pod_namespace == read.pod_namespace && second->status == read.status &&
              second->pool == read.pool && second->note == read.note &&
              second->resource_version == read.resource_version,
          "it reads the same again");
}

void run(std::string_view input) {
  const std::size_t end = input.find('\n');
  const auto words = base::split(input.substr(0, end), ' ');
  http::ServerRequest request;
  request.method = words.empty() ? "" : words[0];
  request.path = words.size() < 2 ? "" : words[1];
  request.query = words.size() < 3 ? "" : words[2];
  request.body = end == std::string_view::npos ? "" : input.substr(end + 1);
  request.headers = {{"content-type", "application/json"}};
  const auto operation = find_operation(request.method, request.path);
  if (!operation) {
    require(operation.error().status == 404 || operation.error().status == 405, "404 or 405");
    return;
  }
  const auto read = parse_rest_request(**operation, request);
  if (!read) {
    const int status = read.error().status;
    require(status == 400 || status == 413 || status == 415, "400, 413 or 415");
    require(base::parse_json(to_response(read.error()).body).has_value(), "an error is JSON");
    return;
  }
  check(*read);
  if (!request.body.empty()) {
    check_round_trip(**operation, *read);
  }
}

}  // namespace
}  // namespace vk8s::ipmanager

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vk8s::ipmanager::run(vk8s::fuzz::text_of(data, size));
  return 0;
}
