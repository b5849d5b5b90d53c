#include "addons/registry_challenge.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/json.h"

namespace vk8s::addons {
namespace {

constexpr std::size_t kMaxHeader = 8U << 10U;
constexpr std::size_t kMaxAnswer = 256U << 10U;
constexpr std::size_t kMaxToken = 64U << 10U;
constexpr std::size_t kMaxUrl = 8U << 10U;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_token_char(char c) {
  return is_alphanumeric(c) ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(), [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
  });
}

// Takes a header apart from the front.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : rest_(text) {}

  bool is_at_end() const { return rest_.empty(); }
  void skip(std::string_view characters) {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
  }
  bool take(char c) {
    const bool is_there = !rest_.empty() && rest_.front() == c;
    rest_.remove_prefix(is_there ? 1 : 0);
    return is_there;
  }
  std::string_view take_token() {
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_token_char);
    const auto length = static_cast<std::size_t>(end - rest_.begin());
    const std::string_view out = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return out;
  }
  // What follows the opening quote.
  std::optional<std::string> take_quoted() {
    std::string out;
    while (!rest_.empty()) {
      const char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '"') {
        return out;
      }
      if (c != '\\') {
        out += c;
      } else if (!rest_.empty()) {
        out += rest_.front();
        rest_.remove_prefix(1);
      }
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_alphanumeric(c) || std::string_view("-._~:/,").find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace

std::optional<BearerChallenge> parse_bearer_challenge(std::string_view header) {
  if (header.size() > kMaxHeader) {
    return std::nullopt;
  }
  HeaderReader reader(header);
  BearerChallenge out;
  bool is_bearer = false;
  for (reader.skip(" \t,"); !reader.is_at_end(); reader.skip(" \t,")) {
    const std::string_view word = reader.take_token();
    if (word.empty()) {
      return std::nullopt;
    }
    reader.skip(" \t");
    if (!reader.take('=')) {
      // A scheme: what came before it is whole.
      if (!origin_of(out.realm).empty()) {
        return out;
      }
      out = {};
      is_bearer = equals_ignoring_case(word, "bearer");
      continue;
    }
    reader.skip(" \t=");  // "Negotiate YWJj==" has no value
    const auto value =
        reader.take('"') ? reader.take_quoted() : std::optional(std::string(reader.take_token()));
    if (!value) {
      return std::nullopt;
    }
    if (!is_bearer) {
      continue;
    }
    const std::array<std::pair<std::string_view, std::string*>, 3> parts = {
        {{"realm", &out.realm}, {"service", &out.service}, {"scope", &out.scope}}};
    for (const auto& [name, part] : parts) {
      if (equals_ignoring_case(word, name)) {
        *part = *value;
      }
    }
  }
  return origin_of(out.realm).empty() ? std::nullopt : std::optional(out);
}

std::string token_url(const BearerChallenge& challenge) {
  std::string out = challenge.realm;
  char separator = out.find('?') == std::string::npos ? '?' : '&';
  for (const auto& [name, value] :
       {std::pair("service", &challenge.service), std::pair("scope", &challenge.scope)}) {
    if (!value->empty()) {
      out += fmt::format("{}{}={}", separator, name, percent_encoded(*value));
      separator = '&';
    }
  }
  return out;
}

Result<std::string> parse_token(std::string_view json) {
  const Json document = VK8S_TRY(base::parse_json(json, kMaxAnswer));
  auto token = base::get_string(document, "token");
  if (!token || token->empty()) {
    token = base::get_string(document, "access_token");
  }
  if (!token || token->empty()) {
    return fail(Errc::kInvalidArgument, "it has neither token nor access_token");
  }
  if (token->size() > kMaxToken || !is_printable_ascii(*token)) {
    return fail(Errc::kInvalidArgument, "its token is not one that can be sent");
  }
  return std::string(*token);
}

std::string_view origin_of(std::string_view url) {
  const std::size_t scheme = url.starts_with("https://") ? 8 : url.starts_with("http://") ? 7 : 0;
  if (scheme == 0 || !is_printable_ascii(url)) {
    return "";
  }
  const std::size_t end = std::min(url.find_first_of("/?#\\", scheme), url.size());
  return end == scheme ? std::string_view() : url.substr(0, end);
}

Result<std::string> redirect_target(std::string_view url, std::string_view location) {
  const bool is_path = location.starts_with('/') && !location.starts_with("//");
  std::string out = (is_path ? std::string(origin_of(url)) : std::string()) + std::string(location);
  if (out.size() > kMaxUrl || origin_of(out).empty()) {
    return fail(Errc::kInvalidArgument, "it sends on to no address that can be followed");
  }
  return out;
}

}  // namespace vk8s::addons
