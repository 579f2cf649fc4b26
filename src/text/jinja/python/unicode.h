// text/jinja/python/unicode.h -- Python's view of text: code points, their classes and their case.
//
// Positions are byte offsets into UTF-8 unless a name says index. Bytes that are not UTF-8 count as
// one code point each.
// Cost  O(bytes) for anything that counts or finds by index.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quire::jinja {

struct CodePoint {
  uint32_t value;
  uint32_t size;  // bytes
};

CodePoint DecodeAt(std::string_view text, size_t offset);
void AppendCodePoint(uint32_t code_point, std::string* out);  // lone surrogates as three bytes
size_t CodePointCount(std::string_view text);
size_t OffsetOfIndex(std::string_view text, size_t index);  // text.size() when past the end
std::vector<uint32_t> Decode(std::string_view text);
bool HasSurrogate(std::string_view text);

bool IsSpace(uint32_t c);
bool IsAlpha(uint32_t c);
bool IsDecimal(uint32_t c);
bool IsDigit(uint32_t c);
bool IsNumeric(uint32_t c);
bool IsAlnum(uint32_t c);
bool IsLower(uint32_t c);
bool IsUpper(uint32_t c);
bool IsTitleCase(uint32_t c);
bool IsPrintable(uint32_t c);
bool IsIdentifierStart(uint32_t c);
bool IsIdentifierPart(uint32_t c);

std::string ToUpper(std::string_view text);
std::string ToLower(std::string_view text);
std::string ToTitle(std::string_view text);        // str.title()
std::string ToCapitalized(std::string_view text);  // str.capitalize()
std::string SwapCase(std::string_view text);
std::string CaseFold(std::string_view text);

// Bytes of white space at the start of text[offset..], and the text without it at its ends.
size_t SpaceAt(std::string_view text, size_t offset);
std::string_view StripLeft(std::string_view text);
std::string_view StripRight(std::string_view text);

}  // namespace quire::jinja
