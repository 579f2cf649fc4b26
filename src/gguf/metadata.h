// gguf/metadata.h -- the key-value pairs at the head of a GGUF file.
//
// Values stay where they are in the file; an entry costs some 60 bytes, whatever its value's size.
// Everything is checked once, by Parse: keys are non-empty UTF-8 without duplicates, kinds are
// known, bools are 0 or 1, arrays end inside the file and nest at most kMaxArrayDepth deep.
// String values may hold any bytes (pieces of a vocabulary do).
//
// Owner    the caller keeps the parsed bytes alive and unmoved.
// Threads  immutable after Parse: any number of readers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "gguf/byte_reader.h"

namespace quire {

inline constexpr uint32_t kMaxArrayDepth = 4;  // no real file nests; bounds the parser's recursion

enum class ValueKind : uint32_t {  // numbers of the file format
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

class Metadata {
 public:
  // Reads `count` pairs. kCorrupt names the offset and the key.
  static Result<Metadata> Parse(ByteReader& reader, uint64_t count);

  // As the same functions of GgufFile (gguf_file.h).
  std::optional<std::string_view> GetString(std::string_view key) const;
  std::optional<uint64_t> GetUint(std::string_view key) const;
  std::optional<int64_t> GetInt(std::string_view key) const;
  std::optional<double> GetFloat(std::string_view key) const;
  std::optional<bool> GetBool(std::string_view key) const;
  std::optional<std::vector<std::string_view>> GetStrings(std::string_view key) const;
  std::optional<std::vector<int64_t>> GetInts(std::string_view key) const;
  std::optional<std::vector<float>> GetFloats(std::string_view key) const;
  bool Has(std::string_view key) const { return by_key_.contains(key); }

  struct Line {
    std::string_view key;
    std::string kind;   // "uint32", "array of string"
    std::string value;  // one short printable line
  };
  std::vector<Line> Describe() const;  // in file order

 private:
  struct Value {
    ValueKind kind;
    ValueKind element;               // of an array
    uint64_t count;                  // of an array
    std::span<const std::byte> raw;  // the value's bytes; of a string or an array, its contents'
  };
  struct Entry {
    std::string_view key;
    Value value;
  };
  static Result<Value> ParseValue(ByteReader& reader, std::string_view key);
  static std::string Show(const Value& value);
  const Value* Find(std::string_view key) const;

  std::vector<Entry> entries_;  // in file order
  std::unordered_map<std::string_view, uint32_t> by_key_;
};

}  // namespace quire
