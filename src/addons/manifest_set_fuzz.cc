#include "addons/image_lock.h"
#include "addons/plan.h"
#include "base/fuzz.h"

using namespace vk8s;

// From manifests to the order of their objects and the images in them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(fuzz::text_of(data, size));
  auto set = addons::ManifestSet::create({{.path = "set.yaml", .content = text}},
                                         {.max_objects = 64, .max_values = 4096});
  if (!set) {
    return 0;
  }
  const auto images = addons::list_images(*set);
  addons::ManifestSet rewritten = *set;
  const auto report = addons::rewrite_images(rewritten, addons::ImageLock(), "site.example");
  fuzz::require(report.missing.size() <= images.size(), "nothing is missing that is not listed");

  const auto plan = addons::make_plan(std::make_shared<const addons::ManifestSet>(*std::move(set)));
  const std::size_t count = plan->manifests().size();
  fuzz::require(plan->order.size() == count && plan->needs.size() == count,
                "every object has its place");
  for (std::size_t i = 0; i < count; ++i) {
    const addons::Manifest& one = plan->manifests()[i];
    fuzz::require(!one.id.name.empty() && one.id.name.find('/') == std::string::npos,
                  "a name is a part of a path");
    fuzz::require(!one.component.empty(), "every object is of a component");
    for (const addons::Need& need : plan->needs[i]) {
      fuzz::require(need.kind == addons::Need::Kind::kEndpoints || need.item < count,
                    "a need is of the set");
    }
  }
  return 0;
}
