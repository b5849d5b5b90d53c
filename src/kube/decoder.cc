#include "kube/decoder.h"

#include <simdjson.h>

namespace vk8s::kube {
namespace {

namespace dom = simdjson::dom;

constexpr std::size_t kMaxDepth = 256;
// The parser's buffers are several times the document: those of a large one are
// given back.
constexpr std::size_t kKeptCapacity = 1U << 20U;

boost::json::string_view view(std::string_view text) { return {text.data(), text.size()}; }

struct Context {
  bool omit_managed_fields;
  bool in_metadata;
};

Json convert(dom::element element, Context context);

JsonObject convert_object(dom::object object, Context context) {
  JsonObject result;
  result.reserve(object.size());
  for (const dom::key_value_pair field : object) {
    if (context.omit_managed_fields && context.in_metadata && field.key == "managedFields") {
      continue;
    }
    const Context inner{context.omit_managed_fields, field.key == "metadata"};
    result.insert_or_assign(view(field.key), convert(field.value, inner));
  }
  return result;
}

JsonArray convert_array(dom::array array, Context context) {
  JsonArray result;
  result.reserve(array.size());
  for (const dom::element item : array) {
    result.push_back(convert(item, {context.omit_managed_fields, false}));
  }
  return result;
}

// The type has been asked for, so the getters below cannot fail.
Json convert(dom::element element, Context context) {
  switch (element.type()) {
    case dom::element_type::OBJECT:
      return convert_object(element.get_object().value_unsafe(), context);
    case dom::element_type::ARRAY:
      return convert_array(element.get_array().value_unsafe(), context);
    case dom::element_type::STRING:
      return boost::json::string(view(element.get_string().value_unsafe()));
    case dom::element_type::INT64:
      return element.get_int64().value_unsafe();
    case dom::element_type::UINT64:
      return element.get_uint64().value_unsafe();
    case dom::element_type::DOUBLE:
      return element.get_double().value_unsafe();
    case dom::element_type::BOOL:
      return element.get_bool().value_unsafe();
    case dom::element_type::NULL_VALUE:
      return nullptr;
  }
  return nullptr;
}

}  // namespace

struct Decoder::Impl {
  dom::parser parser;
};

Decoder::Decoder() : impl_(std::make_unique<Impl>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;

Result<Json> Decoder::decode(std::string_view text, Options options) {
  dom::parser& parser = impl_->parser;
  if (text.size() > parser.capacity() || parser.max_depth() != kMaxDepth) {
    if (parser.allocate(std::max<std::size_t>(text.size(), 4096), kMaxDepth) != simdjson::SUCCESS) {
      return fail(Errc::kExhausted, "no memory to decode {} bytes of JSON", text.size());
    }
  }
  dom::element root;
  if (const auto error = parser.parse(text.data(), text.size()).get(root)) {
    return fail(Errc::kInvalidArgument, "not valid JSON: {}", simdjson::error_message(error));
  }
  Json value = convert(root, {options.omit_managed_fields, false});
  if (parser.capacity() > kKeptCapacity) {
    impl_ = std::make_unique<Impl>();
  }
  return value;
}

}  // namespace vk8s::kube
