#include "server/openai/json_input.h"

#include <array>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

namespace quire {
namespace {

std::string Show(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return {buffer, end};
}

std::unexpected<Error> TooMuch(const std::string& what, size_t limit) {
  return Refuse(ErrorCode::kInvalidArgument,
                "the JSON has more than " + std::to_string(limit) + " " + what);
}

// Counts what a text would become, from its brackets and commas alone.
class ShapeCheck {
 public:
  Status Structural(char c) {
    if (c == '[' || c == '{') {
      if (++depth_ > kMaxJsonDepth) return TooMuch("levels of nesting", kMaxJsonDepth);
      keys_[depth_] = 1;
      is_object_[depth_] = c == '{';
    }
    if ((c == ']' || c == '}') && depth_ > 0) --depth_;
    if (c == ',' && is_object_[depth_] && ++keys_[depth_] > kMaxJsonKeys) {
      return TooMuch("keys in one object", kMaxJsonKeys);
    }
    const bool begins_value = c == ',' || c == '[' || c == '{';
    if (begins_value && ++values_ > kMaxJsonValues) return TooMuch("values", kMaxJsonValues);
    return {};
  }

 private:
  uint32_t depth_ = 0;
  size_t values_ = 1;
  std::array<uint32_t, kMaxJsonDepth + 1> keys_{};
  std::array<bool, kMaxJsonDepth + 1> is_object_{};
};

// One pass over the text before any tree exists.
Status CheckShape(std::string_view text) {
  ShapeCheck check;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (const Status fine = check.Structural(c); !fine) return fine;
  }
  return {};
}

// The library's message without its own name and number: "... syntax error while parsing ...".
std::string Explain(std::string_view what) {
  const size_t bracket = what.find("] ");
  return std::string(bracket == std::string_view::npos ? what : what.substr(bracket + 2));
}

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return Refuse(ErrorCode::kInvalidArgument, "the body is empty; a JSON object is needed");
  }
  if (const Status shape = CheckShape(text); !shape) return std::unexpected(shape.error());
  try {
    return Json::parse(text.begin(), text.end());
  } catch (const nlohmann::json::exception& error) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "the body is not valid JSON: " + Explain(error.what()));
  }
}

std::string_view JsonTypeName(const Json& value) {
  switch (value.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "a boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "an integer";
    case Json::value_t::number_float:
      return "a number";
    default:
      return "something else";
  }
}

Result<FieldReader> FieldReader::Of(const Json& object, std::string path) {
  if (object.is_object()) return FieldReader(object, std::move(path));
  const std::string what = path.empty() ? "the body" : "'" + path + "'";
  return Refuse(ErrorCode::kInvalidArgument,
                what + " must be a JSON object, not " + std::string(JsonTypeName(object)), path);
}

std::string FieldReader::PathOf(std::string_view name) const {
  return path_.empty() ? std::string(name) : path_ + "." + std::string(name);
}

std::unexpected<Error> FieldReader::WrongType(std::string_view name, std::string_view wanted,
                                              const Json& value) const {
  const std::string path = PathOf(name);
  return Refuse(
      ErrorCode::kInvalidArgument,
      "'" + path + "' must be " + std::string(wanted) + ", not " + std::string(JsonTypeName(value)),
      path);
}

const Json* FieldReader::Any(std::string_view name) {
  seen_.emplace(name);
  const auto found = object_->find(name);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

Result<std::optional<bool>> FieldReader::Bool(std::string_view name) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) return WrongType(name, "true or false", *value);
  return value->get<bool>();
}

Result<std::optional<int64_t>> FieldReader::Integer(std::string_view name, int64_t low,
                                                    int64_t high) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer()) return WrongType(name, "an integer", *value);
  const bool huge = value->is_number_unsigned() &&
                    value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
  const int64_t number = huge ? std::numeric_limits<int64_t>::max() : value->get<int64_t>();
  if (huge || number < low || number > high) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'" + PathOf(name) + "' must be between " + std::to_string(low) + " and " +
                      std::to_string(high) + ", not " + value->dump(),
                  PathOf(name));
  }
  return number;
}

Result<std::optional<double>> FieldReader::Number(std::string_view name, NumberRange range) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) return WrongType(name, "a number", *value);
  const double number = value->get<double>();
  const bool low_enough = number <= range.high;
  const bool high_enough = range.open_low ? number > range.low : number >= range.low;
  if (!low_enough || !high_enough) {
    return Refuse(ErrorCode::kInvalidArgument,
                  "'" + PathOf(name) + "' must be " + (range.open_low ? "above " : "at least ") +
                      Show(range.low) + " and at most " + Show(range.high) + ", not " +
                      value->dump(),
                  PathOf(name));
  }
  return number;
}

Result<std::optional<std::string>> FieldReader::String(std::string_view name) {
  const Json* value = Any(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) return WrongType(name, "a string", *value);
  return value->get<std::string>();
}

std::vector<std::string> FieldReader::Unknown() const {
  std::vector<std::string> names;
  for (const auto& [name, value] : object_->items()) {
    if (!value.is_null() && !seen_.contains(name)) names.push_back(PathOf(name));
  }
  return names;
}

}  // namespace quire
