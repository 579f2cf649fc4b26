#include "server/openai/json_input.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

namespace quire {
namespace {

std::string Show(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return {buffer, end};
}

std::unexpected<Error> TooMuch(const std::string& what, size_t limit, std::string_view field = {}) {
  const std::string place = field.empty() ? "the JSON" : "'" + std::string(field) + "'";
  return Refuse(ErrorCode::kInvalidArgument,
                place + " has more than " + std::to_string(limit) + " " + what, std::string(field));
}

// Counts what a text would become, from its brackets and commas alone.
class ShapeCheck {
 public:
  // `last_string` is the one that ended last: before a bracket, the name of what it opens.
  Status Structural(char c, std::string_view last_string) {
    if (c == '[' || c == '{') {
      if (depth_ == 1) field_ = last_string;
      if (++depth_ > kMaxJsonDepth) return TooMuch("levels of nesting", kMaxJsonDepth);
      keys_[depth_] = 1;
      is_object_[depth_] = c == '{';
    }
    if ((c == ']' || c == '}') && depth_ > 0) --depth_;
    if (c == ',' && is_object_[depth_] && ++keys_[depth_] > kMaxJsonKeys) {
      return TooMuch("keys in one object", kMaxJsonKeys, depth_ > 1 ? field_ : "");
    }
    const bool begins_value = c == ',' || c == '[' || c == '{';
    if (begins_value && ++values_ > kMaxJsonValues) return TooMuch("values", kMaxJsonValues);
    return {};
  }

 private:
  std::string_view field_;  // of the outermost object, that we are in
  uint32_t depth_ = 0;
  size_t values_ = 1;
  std::array<uint32_t, kMaxJsonDepth + 1> keys_{};
  std::array<bool, kMaxJsonDepth + 1> is_object_{};
};

// One pass over the text before any tree exists.
Status CheckShape(std::string_view text) {
  ShapeCheck check;
  bool in_string = false;
  size_t begin = 0;
  std::string_view last_string;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') {
        in_string = false;
        last_string = text.substr(begin, i - begin);
      }
      continue;
    }
    if (c == '"') {
      in_string = true;
      begin = i + 1;
    }
    if (const Status fine = check.Structural(c, last_string); !fine) return fine;
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
  const bool whole =
      value->is_number_float() && std::trunc(value->get<double>()) == value->get<double>();
  if (!value->is_number_integer() && !whole) return WrongType(name, "an integer", *value);
  constexpr double kBeyond = 9223372036854775808.0;  // 2^63
  const bool huge =
      whole ? std::abs(value->get<double>()) >= kBeyond
            : value->is_number_unsigned() &&
                  value->get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()};
  const int64_t number = huge ? 0 : value->get<int64_t>();
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
