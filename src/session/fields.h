// session/fields.h -- numbers and texts as bytes, one after the other, and back.
//
// Numbers are little-endian; a text is its length (u32) and its bytes. A reader never looks beyond
// its bytes: the first field that is not there makes it fail for good, and what it then returns is
// zero or empty. So a caller reads everything and asks once.
//
// Threads  none.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/token_id.h"

namespace quire {

class FieldWriter {
 public:
  FieldWriter& Number32(uint32_t value) { return Number(value, 4); }
  FieldWriter& Number64(uint64_t value) { return Number(value, 8); }
  FieldWriter& Text(std::string_view text);
  FieldWriter& Bytes(std::string_view bytes);                // without their length
  FieldWriter& Tokens(const std::vector<TokenId>& tokens);   // count, then int32 each
  FieldWriter& Counts(const std::vector<uint32_t>& counts);  // count, then u32 each
  const std::string& bytes() const { return bytes_; }
  std::string Take() { return std::move(bytes_); }

 private:
  FieldWriter& Number(uint64_t value, int size);
  std::string bytes_;
};

class FieldParser {
 public:
  explicit FieldParser(std::string_view bytes) : rest_(bytes) {}
  uint32_t Number32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t Number64() { return Number(8); }
  std::string Text();
  std::string_view Bytes(size_t size);
  std::vector<TokenId> Tokens();
  std::vector<uint32_t> Counts();
  bool failed() const { return failed_; }
  bool complete() const { return !failed_ && rest_.empty(); }

 private:
  uint64_t Number(size_t size);
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace quire
