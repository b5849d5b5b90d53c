#include "controller/addon_command.h"

#include <fmt/format.h>

#include <filesystem>
#include <set>

#include "addons/image_lock.h"
#include "addons/image_reference.h"
#include "addons/manifest_set.h"
#include "base/text.h"

namespace vk8s::controller {
namespace {

Result<addons::ManifestSet> read_set(const std::string& path) {
  std::error_code ignored;
  auto files = VK8S_TRY(std::filesystem::is_directory(path, ignored)
                            ? addons::read_manifest_folder(path)
                            : addons::read_manifest_archive(path, ""));
  return VK8S_TRY_CONTEXT(addons::ManifestSet::create(std::move(files)), "{}",
                          base::printable(path, 256));
}

}  // namespace

Result<std::string> list_addon_images(const std::string& path) {
  addons::ManifestSet set = VK8S_TRY(read_set(path));
  std::set<std::string> known;
  std::string out;
  const auto add = [&](std::string_view word, const addons::ImageUse& use) -> Status {
    const auto reference =
        VK8S_TRY_CONTEXT(addons::ImageReference::parse(use.image), "{}: image \"{}\"",
                         use.object.to_string(), base::printable(use.image, 256));
    if (known.insert(reference.to_string()).second) {
      out += fmt::format("{} {} {}\n", word, reference.to_string(), use.object.to_string());
    }
    return {};
  };
  for (const addons::ImageUse& use : addons::list_images(set)) {
    VK8S_TRY(add("image", use));
  }
  // Without any lock all that looks like an image is in doubt.
  for (const addons::ImageUse& use :
       addons::rewrite_images(set, addons::ImageLock(), "registry.example").doubtful) {
    VK8S_TRY(add("maybe", use));
  }
  return out;
}

}  // namespace vk8s::controller
