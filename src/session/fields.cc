#include "session/fields.h"

namespace quire {

FieldWriter& FieldWriter::Number(uint64_t value, int size) {
  for (int i = 0; i < size; ++i) bytes_ += static_cast<char>(value >> (8 * i));
  return *this;
}

FieldWriter& FieldWriter::Text(std::string_view text) {
  Number32(static_cast<uint32_t>(text.size()));
  return Bytes(text);
}

FieldWriter& FieldWriter::Bytes(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

FieldWriter& FieldWriter::Tokens(const std::vector<TokenId>& tokens) {
  Number32(static_cast<uint32_t>(tokens.size()));
  for (const TokenId token : tokens) Number32(static_cast<uint32_t>(token));
  return *this;
}

FieldWriter& FieldWriter::Counts(const std::vector<uint32_t>& counts) {
  Number32(static_cast<uint32_t>(counts.size()));
  for (const uint32_t count : counts) Number32(count);
  return *this;
}

std::string_view FieldParser::Bytes(size_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

uint64_t FieldParser::Number(size_t size) {
  uint64_t value = 0;
  const std::string_view bytes = Bytes(size);
  for (size_t i = 0; i < bytes.size(); ++i) {
    value |= uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  return value;
}

std::string FieldParser::Text() { return std::string(Bytes(Number32())); }

std::vector<TokenId> FieldParser::Tokens() {
  std::vector<TokenId> tokens;
  for (const uint32_t token : Counts()) tokens.push_back(static_cast<TokenId>(token));
  return tokens;
}

std::vector<uint32_t> FieldParser::Counts() {
  const uint32_t count = Number32();
  FieldParser inner(Bytes(size_t{count} * sizeof(uint32_t)));  // so nothing is reserved on trust
  std::vector<uint32_t> counts;
  if (failed_) return counts;
  counts.reserve(count);
  for (uint32_t i = 0; i < count; ++i) counts.push_back(inner.Number32());
  return counts;
}

}  // namespace quire
