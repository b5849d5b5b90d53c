#include "base/fuzz.h"
#include "controller/inner_ports.h"

// The input is a Service of a virtual cluster.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vk8s;
  const auto target = base::parse_json(fuzz::text_of(data, size));
  if (!target) {
    return 0;
  }
  api::PortSpec wanted;
  wanted.name = "web";
  wanted.port = 80;
  wanted.service = "default/web";
  if (const auto port = controller::inner_node_port(*target)) {
    fuzz::require(*port > 0 && *port <= 65535, "ports are ports");
  }
  const auto service = controller::inner_port_service(wanted, *target);
  if (!service) {
    return 0;
  }
  fuzz::require(base::get_string(*service, "metadata.namespace") == "default" &&
                    base::get_string(*service, "metadata.name") == "vk8s-port-web",
                "it has its own name");
  fuzz::require(base::get_string(*service, "spec.type") == "NodePort" &&
                    base::get_object(*service, "spec")->size() == 3,
                "it is a node port and no more");
  fuzz::require(*base::find(*service, "spec.selector") == *base::find(*target, "spec.selector"),
                "the same pods are behind it");
  const JsonArray* ports = base::get_array(*service, "spec.ports");
  const auto port = base::get_int(*service, "spec.ports.0.port");
  fuzz::require(ports->size() == 1 && port && *port > 0 && *port <= 65535, "it has one port");
  return 0;
}
