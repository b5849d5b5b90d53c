#include "api/quantity.h"

#include <array>
#include <utility>

#include "base/text.h"

namespace vk8s::api {
namespace {

using Wide = __int128;

constexpr Wide kLimit = Wide{9'000'000'000'000'000} * 1000;  // in thousandths

// What one unit of the number is worth: times / divided_by.
struct Scale {
  std::int64_t times = 1;
  std::int64_t divided_by = 1;
};

// SI and binary suffixes; exponents are read by parse_exponent().
bool scale_of(std::string_view suffix, Scale& scale) {
  static constexpr std::array<std::pair<std::string_view, Scale>, 16> kSuffixes = {{
      {"", {1, 1}},
      {"n", {1, 1'000'000'000}},
      {"u", {1, 1'000'000}},
      {"m", {1, 1000}},
      {"k", {1000, 1}},
      {"M", {1'000'000, 1}},
      {"G", {1'000'000'000, 1}},
      {"T", {1'000'000'000'000, 1}},
      {"P", {1'000'000'000'000'000, 1}},
      {"E", {1'000'000'000'000'000'000, 1}},
      {"Ki", {1LL << 10, 1}},
      {"Mi", {1LL << 20, 1}},
      {"Gi", {1LL << 30, 1}},
      {"Ti", {1LL << 40, 1}},
      {"Pi", {1LL << 50, 1}},
      {"Ei", {1LL << 60, 1}},
  }};
  for (const auto& [name, value] : kSuffixes) {
    if (name == suffix) {
      scale = value;
      return true;
    }
  }
  return false;
}

// "e3", "E-2": an exponent of one or two digits.
bool parse_exponent(std::string_view suffix, Scale& scale) {
  if (suffix.size() < 2 || (suffix[0] != 'e' && suffix[0] != 'E')) {
    return false;
  }
  suffix.remove_prefix(1);
  const bool negative = suffix[0] == '-';
  if (negative || suffix[0] == '+') {
    suffix.remove_prefix(1);
  }
  if (suffix.empty() || suffix.size() > 2) {
    return false;
  }
  int exponent = 0;
  for (const char c : suffix) {
    if (c < '0' || c > '9') {
      return false;
    }
    exponent = exponent * 10 + (c - '0');
  }
  if (exponent > 18) {
    return false;
  }
  std::int64_t& factor = negative ? scale.divided_by : scale.times;
  for (int i = 0; i < exponent; ++i) {
    factor *= 10;
  }
  return true;
}

tl::unexpected<Error> refuse(std::string_view text) {
  return fail(Errc::kInvalidArgument,
              "\"{}\" is not a quantity: write a number with a suffix, as in 500m, 2 or 4Gi",
              base::printable(text, 64));
}

}  // namespace

Result<std::int64_t> parse_quantity_millis(std::string_view text) {
  Wide digits = 0;
  Wide fraction = 1;  // the digits are of this fraction of a unit
  std::size_t at = 0;
  bool any_digit = false;
  bool after_point = false;
  if (!text.empty() && text[0] == '+') {
    at = 1;
  }
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '.' && !after_point) {
      after_point = true;
      continue;
    }
    if (c < '0' || c > '9') {
      break;
    }
    any_digit = true;
    digits = digits * 10 + (c - '0');
    fraction = after_point ? fraction * 10 : fraction;
    if (digits > kLimit || fraction > Wide{1'000'000'000'000}) {
      return refuse(text);
    }
  }
  Scale scale;
  const std::string_view suffix = text.substr(at);
  if (!any_digit || (!scale_of(suffix, scale) && !parse_exponent(suffix, scale))) {
    return refuse(text);
  }
  // Checked before the multiplication: 9e18 times 2^60 would not fit.
  if (digits > kLimit * fraction / scale.times) {
    return refuse(text);
  }
  const Wide divisor = fraction * scale.divided_by;
  const Wide millis = (digits * scale.times * 1000 + divisor - 1) / divisor;
  if (millis > kLimit) {
    return refuse(text);
  }
  return static_cast<std::int64_t>(millis);
}

Result<std::int64_t> parse_quantity(std::string_view text) {
  const std::int64_t millis = VK8S_TRY(parse_quantity_millis(text));
  return (millis + 999) / 1000;
}

}  // namespace vk8s::api
