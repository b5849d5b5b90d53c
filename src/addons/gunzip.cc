#include "addons/gunzip.h"

#include <zlib.h>

#include <array>
#include <limits>
#include <memory>

namespace vk8s::addons {
namespace {

struct EndInflate {
  void operator()(z_stream* stream) const { ::inflateEnd(stream); }
};

// Window of 32 KiB, gzip only.
constexpr int kGzipWindowBits = 15 + 16;

}  // namespace

bool is_gzip(std::string_view bytes) { return bytes.starts_with("\x1f\x8b"); }

Result<std::string> gunzip(std::string_view bytes, std::size_t max_bytes) {
  if (bytes.size() > std::numeric_limits<uInt>::max()) {
    return fail(Errc::kTooLarge, "gzip of {} bytes", bytes.size());
  }
  z_stream stream{};
  if (::inflateInit2(&stream, kGzipWindowBits) != Z_OK) {
    return fail(Errc::kExhausted, "no memory to unpack gzip");
  }
  const std::unique_ptr<z_stream, EndInflate> owner(&stream);
  // zlib's interface knows no const, and does not write here.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  std::string text;
  std::array<char, 65536> piece{};
  int state = Z_OK;
  while (state != Z_STREAM_END || stream.avail_in > 0) {
    if (state == Z_STREAM_END && ::inflateReset(&stream) != Z_OK) {
      return fail(Errc::kInternal, "gzip: cannot go on to the next member");
    }
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    state = ::inflate(&stream, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END) {
      return fail(Errc::kInvalidArgument, "not valid gzip: {}",
                  stream.msg != nullptr ? stream.msg : "it is cut short");
    }
    const std::size_t got = piece.size() - stream.avail_out;
    if (got > max_bytes - text.size()) {
      return fail(Errc::kTooLarge, "gzip: more than {} bytes are in it", max_bytes);
    }
    text.append(piece.data(), got);
  }
  return text;
}

}  // namespace vk8s::addons
