// The files of a manifest set, wherever they come from: bounded before anybody parses
// them, and pinned by digest. Blocking; any thread. Bytes of others.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace vk8s::addons {

struct ManifestFile {
  std::string path;  // "cert-manager/crds.yaml", relative
  std::string content;
  bool operator==(const ManifestFile&) const = default;
};

struct FileLimits {
  std::size_t max_files = 2048;
  std::size_t max_bytes = 64U << 20U;  // of all files together, unpacked
};

// What a set is made of: *.yaml, *.yml, *.json. Files whose name begins with a dot are not.
bool is_manifest_path(std::string_view path);

// All files of a folder and of those in it, by name; other files are passed over,
// links are not followed.
Result<std::vector<ManifestFile>> read_manifest_folder(const std::string& path,
                                                       const FileLimits& limits = {});

// An archive's files by name, plain or gzip; the same of a single document, for a file
// that is one (name it: "kubeflow.yaml", "kubeflow.yaml.gz").
Result<std::vector<ManifestFile>> unpack_manifests(std::string_view name, std::string_view bytes,
                                                   const FileLimits& limits = {});

// A file on disk. digest: "sha256:..." of its bytes, or "" where anything will do;
// kInvalidArgument, before it is unpacked, where it is another.
Result<std::vector<ManifestFile>> read_manifest_archive(const std::string& path,
                                                        std::string_view digest,
                                                        const FileLimits& limits = {});

// Of names and contents: what pins a folder.
std::string digest_of(const std::vector<ManifestFile>& files);

}  // namespace vk8s::addons
