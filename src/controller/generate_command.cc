#include "controller/generate_command.h"

#include <fmt/format.h>

#include <filesystem>

#include "controller/generated_files.h"
#include "sys/file.h"

namespace vk8s::controller {
namespace {

std::vector<GeneratedFile> files_of(std::string_view what) {
  const std::string prefix = what.empty()        ? std::string()
                             : what == "chart"   ? std::string("charts/vk8s/")
                             : what == "api"     ? std::string("docs/api.md")
                             : what == "openapi" ? std::string("docs/ip-manager-openapi.json")
                                                 : fmt::format("config/{}/", what);
  std::vector<GeneratedFile> out;
  for (GeneratedFile& file : generated_files()) {
    if (file.path.starts_with(prefix)) {
      out.push_back(std::move(file));
    }
  }
  return out;
}

tl::unexpected<Error> unknown(std::string_view what) {
  return fail(Errc::kInvalidArgument,
              "generate \"{}\": there are crd, rbac, manager, ip-manager, ip-node, chart, api and "
              "openapi",
              what);
}

}  // namespace

Result<std::string> generate(std::string_view what) {
  std::vector<GeneratedFile> files = files_of(what);
  if (files.empty()) {
    return unknown(what);
  }
  if (what == "crd") {
    std::string documents;
    for (const GeneratedFile& file : files) {
      documents += (documents.empty() ? "" : "---\n") + file.content;
    }
    return documents;
  }
  if (files.size() > 1) {
    return fail(Errc::kInvalidArgument,
                "generate{}{}: these are several files: name a folder with --into",
                what.empty() ? "" : " ", what);
  }
  return std::move(files.front().content);
}

Status generate_into(const std::string& folder, std::string_view what) {
  const std::vector<GeneratedFile> files = files_of(what);
  if (files.empty()) {
    return unknown(what);
  }
  for (const GeneratedFile& file : files) {
    const std::filesystem::path path = std::filesystem::path(folder) / file.path;
    VK8S_TRY(sys::ensure_directory(path.parent_path()));
    VK8S_TRY(sys::write_file(path, file.content));
  }
  return {};
}

Result<std::string> generate_to(const std::string& folder, std::string_view what) {
  if (folder.empty()) {
    return generate(what);
  }
  VK8S_TRY(generate_into(folder, what));
  return std::string();
}

}  // namespace vk8s::controller
