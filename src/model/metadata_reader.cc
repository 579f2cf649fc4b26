#include "model/metadata_reader.h"

#include <fmt/format.h>

#include <algorithm>

namespace quire {
namespace {

std::unexpected<Error> RefuseKey(const std::string& key, std::string_view what) {
  return Refuse(ErrorCode::kCorrupt, fmt::format("metadata key '{}' {}", key, what));
}

}  // namespace

Result<uint32_t> MetadataReader::Uint(std::string_view name, UintRange range,
                                      std::optional<uint64_t> fallback) const {
  const std::string key = Key(name);
  std::optional<uint64_t> value = file_.GetUint(key);
  if (!value) {
    if (file_.Has(key)) return RefuseKey(key, "is not a whole number that is 0 or more");
    if (!fallback) return RefuseKey(key, "is missing");
    value = fallback;
  }
  if (*value < range.min || *value > range.max) {
    return RefuseKey(
        key, fmt::format("is {}, which is outside {} ... {}", *value, range.min, range.max));
  }
  return static_cast<uint32_t>(*value);
}

Result<double> MetadataReader::Float(std::string_view name, FloatRange range,
                                     std::optional<double> fallback) const {
  const std::string key = Key(name);
  std::optional<double> value = file_.GetFloat(key);
  if (!value) {
    if (file_.Has(key)) return RefuseKey(key, "is not a floating-point number");
    if (!fallback) return RefuseKey(key, "is missing");
    value = fallback;
  }
  if (!(*value >= range.min && *value <= range.max)) {  // also refuses NaN
    return RefuseKey(
        key, fmt::format("is {}, which is outside {} ... {}", *value, range.min, range.max));
  }
  return *value;
}

Result<uint32_t> MetadataReader::UniformUint(std::string_view name, UintRange range,
                                             uint32_t layers,
                                             std::optional<uint64_t> fallback) const {
  const std::string key = Key(name);
  const auto list = file_.GetInts(key);
  if (!list) return Uint(name, range, fallback);
  if (list->size() != layers) {
    return RefuseKey(key, fmt::format("has {} entries for {} layers", list->size(), layers));
  }
  const int64_t first = list->front();
  if (std::ranges::any_of(*list, [first](int64_t value) { return value != first; })) {
    return Refuse(
        ErrorCode::kUnsupported,
        fmt::format("metadata key '{}' differs between layers, which Quire does not run", key));
  }
  if (first < 0 || static_cast<uint64_t>(first) < range.min ||
      static_cast<uint64_t>(first) > range.max) {
    return RefuseKey(key,
                     fmt::format("is {}, which is outside {} ... {}", first, range.min, range.max));
  }
  return static_cast<uint32_t>(first);
}

Result<std::string> MetadataReader::String(std::string_view name, std::string fallback) const {
  const std::string key = Key(name);
  if (const auto value = file_.GetString(key)) return std::string(*value);
  if (file_.Has(key)) return RefuseKey(key, "is not a string");
  return fallback;
}

}  // namespace quire
