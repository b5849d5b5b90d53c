#include "addons/tar.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/text.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kMaxPath = 4096;

// Fields of a header: where and how long.
struct Field {
  std::size_t offset;
  std::size_t size;
};
constexpr Field kName{0, 100};
constexpr Field kSize{124, 12};
constexpr Field kChecksum{148, 8};
constexpr std::size_t kType = 156;
constexpr Field kMagic{257, 5};
constexpr Field kPrefix{345, 155};

std::string_view text_of(std::string_view header, Field field) {
  const std::string_view bytes = header.substr(field.offset, field.size);
  return bytes.substr(0, bytes.find('\0'));
}

template <class Number>
bool parse_whole(std::string_view text, Number& number, int base) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}

Result<std::uint64_t> parse_octal(std::string_view header, Field field, std::string_view what) {
  std::uint64_t number = 0;
  if (!parse_whole(base::trim(text_of(header, field)), number, 8)) {
    return fail(Errc::kInvalidArgument, "tar: its {} is no octal number", what);
  }
  return number;
}

Status check_header(std::string_view header) {
  const std::uint64_t wanted = VK8S_TRY(parse_octal(header, kChecksum, "checksum"));
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    const bool is_checksum = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.size;
    sum += is_checksum ? ' ' : static_cast<unsigned char>(header[i]);
  }
  if (sum != wanted) {
    return fail(Errc::kInvalidArgument, "tar: the checksum of a header is wrong");
  }
  return {};
}

// Records "<length> <key>=<value>\n". What is said of path and size holds for the next entry.
struct PaxHeader {
  std::string path;
  std::string size;
};
Result<PaxHeader> parse_pax(std::string_view text) {
  PaxHeader header;
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    std::size_t length = 0;
    if (blank == std::string_view::npos || !parse_whole(text.substr(0, blank), length, 10) ||
        length > text.size() || length < blank + 3 || text[length - 1] != '\n') {
      return fail(Errc::kInvalidArgument, "tar: a pax header is malformed");
    }
    const std::string_view record = text.substr(blank + 1, length - blank - 2);
    const std::size_t equals = record.find('=');
    const std::string_view key = record.substr(0, equals);
    if (equals == std::string_view::npos || key.starts_with("GNU.sparse.")) {
      return fail(Errc::kInvalidArgument, "tar: a pax header is malformed, or of a sparse file");
    }
    if (key == "path") {
      header.path = record.substr(equals + 1);
    } else if (key == "size") {
      header.size = record.substr(equals + 1);
    }
    text.remove_prefix(length);
  }
  return header;
}

Result<std::string> clean_path(std::string_view path) {
  std::string out;
  for (const std::string_view part : base::split(path, '/')) {
    if (part == "..") {
      return fail(Errc::kInvalidArgument, "tar: \"{}\" leaves the archive",
                  base::printable(path, 128));
    }
    if (!part.empty() && part != ".") {
      out += (out.empty() ? "" : "/") + std::string(part);
    }
  }
  if (out.empty() || out.size() > kMaxPath || out.find('\0') != std::string::npos) {
    return fail(Errc::kInvalidArgument, "tar: \"{}\" is no name for a file",
                base::printable(path, 128));
  }
  return out;
}

class Reader {
 public:
  Reader(std::string_view bytes, std::size_t max_entries)
      : left_(bytes), max_entries_(max_entries) {}

  Result<std::vector<TarEntry>> read() {
    while (left_.size() >= kBlock && left_.front() != '\0') {
      const std::string_view header = left_.substr(0, kBlock);
      VK8S_TRY(check_header(header));
      left_.remove_prefix(kBlock);
      VK8S_TRY(take(header));
    }
    if (!std::all_of(left_.begin(), left_.end(), [](char byte) { return byte == '\0'; })) {
      return fail(Errc::kInvalidArgument, "tar: it is cut short, or has bytes after its end");
    }
    return std::move(entries_);
  }

 private:
  Status take(std::string_view header) {
    const char type = header[kType];
    const std::string_view content = VK8S_TRY(take_content(header));
    switch (type) {
      case 'x':
        pax_ = VK8S_TRY(parse_pax(content));
        return {};
      case 'L':
        long_name_ = content.substr(0, content.find('\0'));
        return {};
      case 'g':
        return {};
      case '5':
        forget_extensions();
        return {};
      case '0':
      case '\0':
        return add(header, content);
      default:
        return fail(Errc::kInvalidArgument, "tar: \"{}\" is neither a file nor a folder",
                    base::printable(text_of(header, kName), 128));
    }
  }

  Result<std::string_view> take_content(std::string_view header) {
    std::uint64_t size = VK8S_TRY(parse_octal(header, kSize, "size"));
    const char type = header[kType];
    if (!pax_.size.empty() && (type == '0' || type == '\0') && !parse_whole(pax_.size, size, 10)) {
      return fail(Errc::kInvalidArgument, "tar: the size in a pax header is no number");
    }
    if (size > left_.size()) {
      return fail(Errc::kInvalidArgument, "tar: it is cut short");
    }
    const std::string_view content = left_.substr(0, size);
    const std::size_t padded = (size + kBlock - 1) / kBlock * kBlock;
    left_.remove_prefix(std::min<std::size_t>(padded, left_.size()));
    return content;
  }

  Status add(std::string_view header, std::string_view content) {
    std::string path(text_of(header, kName));
    if (text_of(header, kMagic) == "ustar" && !text_of(header, kPrefix).empty()) {
      path = std::string(text_of(header, kPrefix)) + "/" + path;
    }
    path = !pax_.path.empty() ? pax_.path : !long_name_.empty() ? long_name_ : path;
    forget_extensions();
    if (entries_.size() >= max_entries_) {
      return fail(Errc::kTooLarge, "tar: more than {} files are in it", max_entries_);
    }
    path = VK8S_TRY(clean_path(path));
    entries_.push_back({.path = std::move(path), .content = content});
    return {};
  }

  void forget_extensions() {
    pax_ = {};
    long_name_.clear();
  }

  std::string_view left_;
  const std::size_t max_entries_;
  PaxHeader pax_;
  std::string long_name_;
  std::vector<TarEntry> entries_;
};

}  // namespace

Result<std::vector<TarEntry>> read_tar(std::string_view bytes, std::size_t max_entries) {
  return Reader(bytes, max_entries).read();
}

}  // namespace vk8s::addons
