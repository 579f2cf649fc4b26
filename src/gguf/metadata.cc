#include "gguf/metadata.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <limits>

#include "base/check.h"

namespace quire {
namespace {

struct KindFacts {
  std::string_view name;
  uint32_t bytes;  // of one value; 0 where values differ in length
};
constexpr std::array<KindFacts, 13> kKinds = {{{"uint8", 1},
                                               {"int8", 1},
                                               {"uint16", 2},
                                               {"int16", 2},
                                               {"uint32", 4},
                                               {"int32", 4},
                                               {"float32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"uint64", 8},
                                               {"int64", 8},
                                               {"float64", 8}}};

// A key's length, a one-byte key, a kind and a one-byte value.
constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;

const KindFacts& Facts(ValueKind kind) { return kKinds[static_cast<uint32_t>(kind)]; }

Result<ValueKind> ReadKind(ByteReader& reader, std::string_view key) {
  const ByteReader at = reader;
  QUIRE_TRY(const uint32_t kind, reader.Read<uint32_t>("the kind of a metadata value"));
  if (kind >= kKinds.size()) {
    return at.RefuseHere(fmt::format("metadata key {} has unknown kind {}", Quoted(key), kind));
  }
  return static_cast<ValueKind>(kind);
}

// Takes `count` bools, each of which must be 0 or 1.
Status SkipBools(ByteReader& reader, uint64_t count, std::string_view key) {
  const ByteReader at = reader;
  QUIRE_TRY(const auto raw, reader.Take(count, "a bool"));
  for (const std::byte value : raw) {
    if (value > std::byte{1}) {
      return at.RefuseHere(fmt::format("metadata key {} holds a bool that is {}, not 0 or 1",
                                       Quoted(key), std::to_integer<int>(value)));
    }
  }
  return {};
}

struct ArrayHead {
  ValueKind element;
  uint64_t count;
};

Result<ArrayHead> ReadArrayHead(ByteReader& reader, std::string_view key) {
  QUIRE_TRY(const ValueKind element, ReadKind(reader, key));
  const ByteReader at = reader;
  QUIRE_TRY(const uint64_t count, reader.Read<uint64_t>("the length of an array"));
  // A string is at least its length (8), a nested array its head (12).
  const uint64_t min_bytes = element == ValueKind::kString  ? 8
                             : element == ValueKind::kArray ? 12
                                                            : Facts(element).bytes;
  if (count > reader.remaining() / min_bytes) {
    return at.RefuseHere(
        fmt::format("metadata key {} claims {} values of {}, more than the file "
                    "can hold ({} bytes left)",
                    Quoted(key), count, Facts(element).name, reader.remaining()));
  }
  return ArrayHead{element, count};
}

// Moves `reader` behind the contents of an array, checking them.
Status SkipArray(ByteReader& reader, const ArrayHead& head, std::string_view key, uint32_t depth) {
  switch (head.element) {
    case ValueKind::kString:
      for (uint64_t i = 0; i < head.count; ++i) {
        const auto text = reader.ReadString("a string of an array");
        if (!text) return std::unexpected(text.error());
      }
      return {};
    case ValueKind::kArray:
      if (depth >= kMaxArrayDepth) {
        return reader.RefuseHere(fmt::format("metadata key {} nests arrays deeper than {}",
                                             Quoted(key), kMaxArrayDepth));
      }
      for (uint64_t i = 0; i < head.count; ++i) {
        QUIRE_TRY(const ArrayHead inner, ReadArrayHead(reader, key));
        const Status skipped = SkipArray(reader, inner, key, depth + 1);
        if (!skipped) return skipped;
      }
      return {};
    case ValueKind::kBool:
      return SkipBools(reader, head.count, key);
    default: {
      // No overflow: ReadArrayHead compared the count with what is left.
      const auto raw = reader.Take(head.count * Facts(head.element).bytes, "an array");
      if (!raw) return std::unexpected(raw.error());
      return {};
    }
  }
}

template <typename T>
T LoadAt(std::span<const std::byte> raw, uint64_t index) {
  T value;
  QUIRE_CHECK((index + 1) * sizeof(T) <= raw.size());
  std::memcpy(&value, raw.data() + index * sizeof(T), sizeof(T));
  return value;
}

// The index-th integer of `raw`: nullopt if the kind holds none or it does not fit an int64.
std::optional<int64_t> LoadInt(ValueKind kind, std::span<const std::byte> raw, uint64_t index) {
  switch (kind) {
    case ValueKind::kUint8:
    case ValueKind::kBool:
      return LoadAt<uint8_t>(raw, index);
    case ValueKind::kInt8:
      return LoadAt<int8_t>(raw, index);
    case ValueKind::kUint16:
      return LoadAt<uint16_t>(raw, index);
    case ValueKind::kInt16:
      return LoadAt<int16_t>(raw, index);
    case ValueKind::kUint32:
      return LoadAt<uint32_t>(raw, index);
    case ValueKind::kInt32:
      return LoadAt<int32_t>(raw, index);
    case ValueKind::kInt64:
      return LoadAt<int64_t>(raw, index);
    case ValueKind::kUint64: {
      const auto value = LoadAt<uint64_t>(raw, index);
      if (value > uint64_t{std::numeric_limits<int64_t>::max()}) return std::nullopt;
      return static_cast<int64_t>(value);
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> LoadFloat(ValueKind kind, std::span<const std::byte> raw, uint64_t index) {
  if (kind == ValueKind::kFloat32) return LoadAt<float>(raw, index);
  if (kind == ValueKind::kFloat64) return LoadAt<double>(raw, index);
  return std::nullopt;
}

std::string ShowNumber(ValueKind kind, std::span<const std::byte> raw, uint64_t index) {
  if (kind == ValueKind::kBool) return LoadAt<uint8_t>(raw, index) != 0 ? "true" : "false";
  if (kind == ValueKind::kUint64) return fmt::format("{}", LoadAt<uint64_t>(raw, index));
  if (kind == ValueKind::kFloat32) return fmt::format("{}", LoadAt<float>(raw, index));
  if (kind == ValueKind::kFloat64) return fmt::format("{}", LoadAt<double>(raw, index));
  return fmt::format("{}", LoadInt(kind, raw, index).value());
}

std::string_view AsText(std::span<const std::byte> raw) {
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

}  // namespace

Result<Metadata> Metadata::Parse(ByteReader& reader, uint64_t count) {
  if (count > reader.remaining() / kMinPairBytes) {
    return reader.RefuseHere(
        fmt::format("the header claims {} metadata pairs, more than the file "
                    "can hold ({} bytes left)",
                    count, reader.remaining()));
  }
  Metadata metadata;
  for (uint64_t i = 0; i < count; ++i) {
    const ByteReader at = reader;
    QUIRE_TRY(const std::string_view key, reader.ReadString("a metadata key"));
    if (key.empty()) return at.RefuseHere(fmt::format("metadata key {} is empty", i));
    if (!IsUtf8(key)) {
      return at.RefuseHere(fmt::format("metadata key {} is not UTF-8", Quoted(key)));
    }
    if (!metadata.by_key_.emplace(key, static_cast<uint32_t>(i)).second) {
      return at.RefuseHere(fmt::format("metadata key {} occurs twice", Quoted(key)));
    }
    QUIRE_TRY(const Value value, ParseValue(reader, key));
    metadata.entries_.push_back({key, value});
  }
  return metadata;
}

Result<Metadata::Value> Metadata::ParseValue(ByteReader& reader, std::string_view key) {
  const std::string what = fmt::format("the value of metadata key {}", Quoted(key));
  QUIRE_TRY(const ValueKind kind, ReadKind(reader, key));
  if (kind == ValueKind::kString) {
    QUIRE_TRY(const std::string_view text, reader.ReadString(what));
    return Value{kind, kind, 0, std::as_bytes(std::span(text))};
  }
  if (kind == ValueKind::kArray) {
    QUIRE_TRY(const ArrayHead head, ReadArrayHead(reader, key));
    ByteReader contents = reader;
    const Status skipped = SkipArray(reader, head, key, 1);
    if (!skipped) return std::unexpected(skipped.error());
    QUIRE_TRY(const auto raw, contents.Take(reader.offset() - contents.offset(), what));
    return Value{kind, head.element, head.count, raw};
  }
  ByteReader checked = reader;
  if (kind == ValueKind::kBool) {
    const Status bools = SkipBools(checked, 1, key);
    if (!bools) return std::unexpected(bools.error());
  }
  QUIRE_TRY(const auto raw, reader.Take(Facts(kind).bytes, what));
  return Value{kind, kind, 0, raw};
}

const Metadata::Value* Metadata::Find(std::string_view key) const {
  const auto it = by_key_.find(key);
  return it == by_key_.end() ? nullptr : &entries_[it->second].value;
}

std::optional<std::string_view> Metadata::GetString(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind != ValueKind::kString) return std::nullopt;
  return AsText(value->raw);
}

std::optional<uint64_t> Metadata::GetUint(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind == ValueKind::kBool) return std::nullopt;
  if (value->kind == ValueKind::kUint64) return LoadAt<uint64_t>(value->raw, 0);
  const auto number = LoadInt(value->kind, value->raw, 0);
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

std::optional<int64_t> Metadata::GetInt(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind == ValueKind::kBool) return std::nullopt;
  return LoadInt(value->kind, value->raw, 0);
}

std::optional<double> Metadata::GetFloat(std::string_view key) const {
  const Value* value = Find(key);
  return value == nullptr ? std::nullopt : LoadFloat(value->kind, value->raw, 0);
}

std::optional<bool> Metadata::GetBool(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind != ValueKind::kBool) return std::nullopt;
  return LoadAt<uint8_t>(value->raw, 0) != 0;
}

std::optional<std::vector<std::string_view>> Metadata::GetStrings(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind != ValueKind::kArray ||
      value->element != ValueKind::kString) {
    return std::nullopt;
  }
  std::vector<std::string_view> strings;
  strings.reserve(value->count);
  ByteReader reader(value->raw);
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto text = reader.ReadString("a string");
    QUIRE_CHECK(text.has_value(), "Parse walked the same strings");
    strings.push_back(*text);
  }
  return strings;
}

std::optional<std::vector<int64_t>> Metadata::GetInts(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind != ValueKind::kArray) return std::nullopt;
  std::vector<int64_t> numbers;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto number = LoadInt(value->element, value->raw, i);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

std::optional<std::vector<float>> Metadata::GetFloats(std::string_view key) const {
  const Value* value = Find(key);
  if (value == nullptr || value->kind != ValueKind::kArray) return std::nullopt;
  std::vector<float> numbers;
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto number = LoadFloat(value->element, value->raw, i);
    if (!number) return std::nullopt;
    numbers.push_back(static_cast<float>(*number));
  }
  return numbers;
}

std::vector<Metadata::Line> Metadata::Describe() const {
  std::vector<Line> lines;
  lines.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    const Value& value = entry.value;
    std::string kind(Facts(value.kind).name);
    if (value.kind == ValueKind::kArray) kind += fmt::format(" of {}", Facts(value.element).name);
    lines.push_back({entry.key, std::move(kind), Show(value)});
  }
  return lines;
}

std::string Metadata::Show(const Value& value) {
  constexpr uint64_t kMaxShown = 8;  // values of an array that still read as one short line
  if (value.kind == ValueKind::kString) return Quoted(AsText(value.raw));
  if (value.kind != ValueKind::kArray) return ShowNumber(value.kind, value.raw, 0);
  const bool numbers = Facts(value.element).bytes > 0;
  if (!numbers || value.count > kMaxShown) {
    return fmt::format("[{} {}{}]", value.count, Facts(value.element).name,
                       value.count == 1 ? "" : "s");
  }
  std::string out = "[";
  for (uint64_t i = 0; i < value.count; ++i) {
    out += fmt::format("{}{}", i == 0 ? "" : ", ", ShowNumber(value.element, value.raw, i));
  }
  return out + "]";
}

}  // namespace quire
