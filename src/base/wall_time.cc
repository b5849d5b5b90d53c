#include "base/wall_time.h"

#include <charconv>
#include <optional>

#include "base/text.h"

namespace vk8s::base {
namespace {
namespace chr = std::chrono;

// Takes so many digits from the front.
std::optional<int> take_digits(std::string_view& text, std::size_t count) {
  int value = 0;
  if (text.size() < count) {
    return std::nullopt;
  }
  for (const char c : text.substr(0, count)) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(count);
  return value;
}

bool take_char(std::string_view& text, std::string_view accepted) {
  if (text.empty() || accepted.find(text.front()) == std::string_view::npos) {
    return false;
  }
  text.remove_prefix(1);
  return true;
}

// ".123": what is finer than a nanosecond is dropped.
std::optional<chr::nanoseconds> take_fraction(std::string_view& text) {
  if (!take_char(text, ".")) {
    return chr::nanoseconds(0);
  }
  std::int64_t scale = 100'000'000;
  std::int64_t value = 0;
  std::size_t digits = 0;
  for (; digits < text.size() && text[digits] >= '0' && text[digits] <= '9'; ++digits) {
    value += (text[digits] - '0') * scale;
    scale /= 10;
  }
  text.remove_prefix(digits);
  return digits == 0 ? std::nullopt : std::optional(chr::nanoseconds(value));
}

// "Z", "+02:00"
std::optional<chr::minutes> take_offset(std::string_view& text) {
  if (take_char(text, "Zz")) {
    return chr::minutes(0);
  }
  const int sign = text.starts_with('-') ? -1 : 1;
  if (!take_char(text, "+-")) {
    return std::nullopt;
  }
  const auto hours = take_digits(text, 2);
  const bool colon = take_char(text, ":");
  const auto minutes = take_digits(text, 2);
  if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  return chr::minutes(sign * (*hours * 60 + *minutes));
}

std::optional<WallTime> parse(std::string_view text) {
  const auto year = take_digits(text, 4);
  const bool dash1 = take_char(text, "-");
  const auto month = take_digits(text, 2);
  const bool dash2 = take_char(text, "-");
  const auto day = take_digits(text, 2);
  const bool separator = take_char(text, "Tt");
  const auto hour = take_digits(text, 2);
  const bool colon1 = take_char(text, ":");
  const auto minute = take_digits(text, 2);
  const bool colon2 = take_char(text, ":");
  const auto second = take_digits(text, 2);
  if (!year || !dash1 || !month || !dash2 || !day || !separator || !hour || !colon1 || !minute ||
      !colon2 || !second) {
    return std::nullopt;
  }
  const auto fraction = take_fraction(text);
  const auto offset = take_offset(text);
  const chr::year_month_day date(chr::year(*year), chr::month(static_cast<unsigned>(*month)),
                                 chr::day(static_cast<unsigned>(*day)));
  // 60 is a leap second: the clock of the system has none, so it is the next one.
  if (!fraction || !offset || !text.empty() || !date.ok() || *year < 1970 || *year > 2261 ||
      *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const WallTime time = WallTime(chr::sys_days(date)) + chr::hours(*hour) + chr::minutes(*minute) +
                        chr::seconds(*second) + *fraction - *offset;
  // The offset may have moved it out of these years.
  constexpr WallTime kEnd = chr::sys_days(chr::year(2262) / 1 / 1);
  return time < WallTime() || time >= kEnd ? std::nullopt : std::optional(time);
}

}  // namespace

std::string format_time(WallTime time) {
  const auto day = chr::floor<chr::days>(time);
  const chr::year_month_day date(day);
  const chr::hh_mm_ss clock(chr::floor<chr::seconds>(time) - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::string format_micro_time(WallTime time) {
  const auto second = chr::floor<chr::seconds>(time);
  std::string text = format_time(second);
  text.pop_back();
  return fmt::format("{}.{:06}Z", text, chr::floor<chr::microseconds>(time - second).count());
}

Result<WallTime> parse_time(std::string_view text) {
  if (const auto time = parse(text)) {
    return *time;
  }
  return fail(Errc::kInvalidArgument, "\"{}\" is not a time: write it like 2026-05-01T09:30:00Z",
              printable(text, 64));
}

}  // namespace vk8s::base
