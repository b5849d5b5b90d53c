#include "kube/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <sstream>

#include "base/text.h"

namespace vk8s::kube {
namespace {

constexpr std::size_t kMaxDepth = 64;

// Ends the parser from inside a handler; caught in parse_yaml_documents().
struct Refusal {
  std::string why;
  YAML::Mark where;
};

template <class Number>
bool parse_whole(std::string_view text, Number& number, int base) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), number, base);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

bool parse_integer(std::string_view text, std::int64_t& number) {
  const bool negative = text.starts_with('-');
  std::string_view digits = negative || text.starts_with('+') ? text.substr(1) : text;
  if (digits.empty() || digits.front() == '-' || digits.front() == '+') {
    return false;
  }
  int base = 10;
  if (digits.starts_with("0x")) {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.starts_with("0o")) {
    base = 8;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits.front() == '0') {
    base = 8;
  }
  if (digits.empty() || digits.front() == '-') {
    return false;
  }
  if (!parse_whole(digits, number, base)) {
    return false;
  }
  number = negative ? -number : number;
  return true;
}

bool parse_float(std::string_view text, double& number) {
  if (text.find_first_not_of("0123456789+-.eE") != std::string_view::npos ||
      text.find_first_of("0123456789") == std::string_view::npos) {
    return false;
  }
  const std::string_view digits = text.starts_with('+') ? text.substr(1) : text;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return result.ec == std::errc() && result.ptr == digits.data() + digits.size();
}

Json plain_scalar(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nullptr;
  }
  if (text == "true" || text == "True" || text == "TRUE") {
    return true;
  }
  if (text == "false" || text == "False" || text == "FALSE") {
    return false;
  }
  std::int64_t integer = 0;
  if (parse_integer(text, integer)) {
    return integer;
  }
  double number = 0;
  if (parse_float(text, number)) {
    return number;
  }
  return boost::json::string(text.data(), text.size());
}

// Builds Json from the parser's events; no YAML::Node is ever made.
class Builder final : public YAML::EventHandler {
 public:
  explicit Builder(const YamlLimits& limits) : left_(limits.max_values) {}

  std::vector<Json> take() { return std::move(documents_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { add(mark, nullptr, "null"); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{"aliases are not supported", mark};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refusal{"anchors are not supported", mark};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& text) override {
    const bool is_plain = tag.empty() || tag == "?";
    add(mark, is_plain ? plain_scalar(text) : Json(boost::json::string(text)), text);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    open(mark, JsonArray());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    open(mark, JsonObject());
  }
  void OnMapEnd() override { close(); }

 private:
  struct Level {
    Json value;
    std::string key;
    bool has_key = false;
    YAML::Mark start;
  };

  bool wants_key() const {
    return !levels_.empty() && levels_.back().value.is_object() && !levels_.back().has_key;
  }

  void count(const YAML::Mark& mark) {
    if (left_ == 0) {
      throw Refusal{"too many values", mark};
    }
    --left_;
  }

  void open(const YAML::Mark& mark, Json container) {
    count(mark);
    if (wants_key()) {
      throw Refusal{"a key must be a scalar", mark};
    }
    if (levels_.size() >= kMaxDepth) {
      throw Refusal{"nested too deeply", mark};
    }
    levels_.push_back({.value = std::move(container), .key = "", .has_key = false, .start = mark});
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    put(level.start, std::move(level.value));
  }

  void add(const YAML::Mark& mark, Json value, std::string_view text) {
    count(mark);
    if (wants_key()) {
      levels_.back().key = text;
      levels_.back().has_key = true;
      if (levels_.back().value.get_object().contains(levels_.back().key)) {
        throw Refusal{"duplicate key \"" + base::printable(text, 64) + "\"", mark};
      }
      return;
    }
    put(mark, std::move(value));
  }

  void put(const YAML::Mark&, Json value) {
    if (levels_.empty()) {
      if (!value.is_null()) {
        documents_.push_back(std::move(value));
      }
      return;
    }
    Level& level = levels_.back();
    if (auto* array = level.value.if_array()) {
      array->push_back(std::move(value));
    } else {
      level.value.get_object().emplace(level.key, std::move(value));
      level.has_key = false;
    }
  }

  std::size_t left_;
  std::vector<Level> levels_;
  std::vector<Json> documents_;
};

}  // namespace

Result<std::vector<Json>> parse_yaml_documents(std::string_view text, const YamlLimits& limits) {
  if (text.size() > limits.max_bytes) {
    return fail(Errc::kTooLarge, "YAML of {} bytes: at most {} are read", text.size(),
                limits.max_bytes);
  }
  Builder builder(limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return fail(Errc::kInvalidArgument, "YAML line {}: {}", refusal.where.line + 1, refusal.why);
  } catch (const YAML::Exception& error) {
    return fail(Errc::kInvalidArgument, "YAML line {}: {}", error.mark.line + 1,
                base::printable(error.msg, 256));
  } catch (const std::exception& error) {
    return fail(Errc::kInvalidArgument, "YAML: {}", base::printable(error.what(), 256));
  }
  return builder.take();
}

Result<Json> parse_yaml(std::string_view text, const YamlLimits& limits) {
  std::vector<Json> documents = VK8S_TRY(parse_yaml_documents(text, limits));
  if (documents.size() != 1) {
    return fail(Errc::kInvalidArgument, "YAML: {} documents where one is expected",
                documents.size());
  }
  return std::move(documents.front());
}

}  // namespace vk8s::kube
