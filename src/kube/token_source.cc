#include "kube/token_source.h"

#include <cerrno>

#include "base/text.h"
#include "sys/file.h"

namespace vk8s::kube {
namespace {

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

Result<std::string> TokenSource::current() {
  if (file_.empty()) {
    return token_;
  }
  struct stat now {};
  if (::stat(file_.c_str(), &now) != 0) {
    return fail_errno(errno, "token file {}", file_);
  }
  if (!is_same(now, last_)) {
    const std::string text =
        VK8S_TRY_CONTEXT(sys::read_file(file_, 64U << 10U), "token file {}", file_);
    const std::string_view token = base::trim(text);
    if (token.empty()) {
      return fail(Errc::kUnauthorized, "token file {} is empty", file_);
    }
    token_ = token;
    last_ = now;
  }
  return token_;
}

}  // namespace vk8s::kube
