// server/openai/json_input.h -- reads what clients send: strict types, and nothing lost silently.
//
// ParseJson refuses what could hurt before it builds anything: nesting, number of values and of
// keys in an object are bounded, bytes must be UTF-8, numbers finite. FieldReader takes fields out
// of an object by name and type; what nobody took is listed by Unknown(). An explicit null is the
// same as absent.
//
// Threads  none. Errors  kInvalidArgument with `param` naming the field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace quire {

using Json = nlohmann::ordered_json;  // key order reaches chat templates

inline constexpr uint32_t kMaxJsonDepth = 64;
inline constexpr size_t kMaxJsonValues = size_t{2} << 20;
// Of one object: keeping the order of keys makes an insertion linear in their number.
inline constexpr uint32_t kMaxJsonKeys = 1024;

Result<Json> ParseJson(std::string_view text);

struct NumberRange {
  double low;
  double high;
  bool open_low = false;  // `low` itself is out
};

class FieldReader {
 public:
  // `object` must be an object and outlive the reader; `path` is put before names in errors.
  static Result<FieldReader> Of(const Json& object, std::string path = {});

  // Absent and null: nullopt. Another type or out of range: refused.
  Result<std::optional<bool>> Bool(std::string_view name);
  Result<std::optional<int64_t>> Integer(std::string_view name, int64_t low, int64_t high);
  Result<std::optional<double>> Number(std::string_view name, NumberRange range);
  Result<std::optional<std::string>> String(std::string_view name);
  const Json* Any(std::string_view name);  // null pointer if absent or null

  std::string PathOf(std::string_view name) const;
  std::vector<std::string> Unknown() const;  // names with a value that nobody asked for

 private:
  FieldReader(const Json& object, std::string path) : object_(&object), path_(std::move(path)) {}
  std::unexpected<Error> WrongType(std::string_view name, std::string_view wanted,
                                   const Json& value) const;

  const Json* object_;
  std::string path_;
  std::set<std::string, std::less<>> seen_;
};

// "an integer", "a string", ...: for messages.
std::string_view JsonTypeName(const Json& value);

}  // namespace quire
