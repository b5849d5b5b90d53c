#include "kube/watch_stream.h"

#include "base/text.h"
#include "kube/api_error.h"

namespace vk8s::kube {

Result<WatchEvent> parse_watch_event(std::string_view line, Decoder& decoder,
                                     bool omit_managed_fields) {
  Json event = VK8S_TRY_CONTEXT(decoder.decode(line, {.omit_managed_fields = omit_managed_fields}),
                                "watch event");
  JsonObject* fields = event.if_object();
  Json* object = fields == nullptr ? nullptr : fields->if_contains("object");
  const auto type = base::get_string(event, "type");
  if (object == nullptr || !object->is_object() || !type) {
    return fail(Errc::kInvalidArgument, "watch event: type or object is missing");
  }
  if (*type == "ERROR") {
    return tl::unexpected<Error>(error_from_status(*object));
  }
  WatchEvent result{.type = WatchEvent::Type::kBookmark, .object = nullptr};
  if (*type == "ADDED") {
    result.type = WatchEvent::Type::kAdded;
  } else if (*type == "MODIFIED") {
    result.type = WatchEvent::Type::kModified;
  } else if (*type == "DELETED") {
    result.type = WatchEvent::Type::kDeleted;
  } else if (*type != "BOOKMARK") {
    return fail(Errc::kInvalidArgument, "watch event: type \"{}\" is unknown",
                base::printable(*type, 32));
  }
  result.object = std::move(*object);
  return result;
}

Status LineSplitter::feed(std::string_view bytes,
                          const std::function<bool(std::string_view)>& on_line) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (partial_.size() + piece.size() > max_line_bytes_) {
      return fail(Errc::kTooLarge, "a line exceeds {} bytes", max_line_bytes_);
    }
    if (end == std::string_view::npos) {
      partial_.append(piece);
      return {};
    }
    bytes.remove_prefix(end + 1);
    bool go_on = true;
    if (!partial_.empty()) {
      partial_.append(piece);
      const std::string line = std::exchange(partial_, {});
      go_on = on_line(line);
    } else if (!piece.empty()) {
      go_on = on_line(piece);
    }
    if (!go_on) {
      return {};
    }
  }
  return {};
}

}  // namespace vk8s::kube
