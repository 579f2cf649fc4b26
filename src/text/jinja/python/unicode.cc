#include "text/jinja/python/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <span>

#include "text/jinja/python/case_table.h"

namespace quire::jinja {
namespace {

struct Range {
  uint32_t first;
  uint32_t last;
};

bool Contains(std::span<const Range> ranges, uint32_t c) {
  return std::any_of(ranges.begin(), ranges.end(),
                     [c](const Range& range) { return c >= range.first && c <= range.last; });
}

utf8proc_category_t Category(uint32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(c));
}

// Digits that are not decimals: superscripts, circled and bracketed ones.
constexpr Range kOtherDigits[] = {
    {0xb2, 0xb3},       {0xb9, 0xb9},       {0x1369, 0x1371},   {0x19da, 0x19da},
    {0x2070, 0x2070},   {0x2074, 0x2079},   {0x2080, 0x2089},   {0x2460, 0x2468},
    {0x2474, 0x247c},   {0x2488, 0x2490},   {0x24ea, 0x24ea},   {0x24f5, 0x24fd},
    {0x24ff, 0x24ff},   {0x2776, 0x277e},   {0x2780, 0x2788},   {0x278a, 0x2792},
    {0x10a40, 0x10a43}, {0x10e60, 0x10e68}, {0x11052, 0x1105a}, {0x1f100, 0x1f10a}};

// Unicode's Other_Lowercase and Other_Uppercase: cased, but not of category Ll or Lu.
constexpr Range kOtherLower[] = {
    {0xaa, 0xaa},     {0xba, 0xba},     {0x2b0, 0x2b8},   {0x2c0, 0x2c1},   {0x2e0, 0x2e4},
    {0x345, 0x345},   {0x37a, 0x37a},   {0x1d2c, 0x1d6a}, {0x1d78, 0x1d78}, {0x1d9b, 0x1dbf},
    {0x2071, 0x2071}, {0x207f, 0x207f}, {0x2090, 0x209c}, {0x2170, 0x217f}, {0x24d0, 0x24e9},
    {0x2c7c, 0x2c7d}, {0xa69c, 0xa69d}, {0xa770, 0xa770}, {0xa7f8, 0xa7f9}, {0xab5c, 0xab5f}};
constexpr Range kOtherUpper[] = {
    {0x2160, 0x216f}, {0x24b6, 0x24cf}, {0x1f130, 0x1f149}, {0x1f150, 0x1f169}, {0x1f170, 0x1f189}};

const SpecialCase* FindSpecial(uint32_t c) {
  const auto* const found = std::lower_bound(
      std::begin(kSpecialCases), std::end(kSpecialCases), c,
      [](const SpecialCase& entry, uint32_t letter) { return entry.letter < letter; });
  return found != std::end(kSpecialCases) && found->letter == c ? found : nullptr;
}

void AppendMapped(const uint32_t (&letters)[3], std::string* out) {
  for (const uint32_t letter : letters) {
    if (letter != 0) AppendCodePoint(letter, out);
  }
}

void AppendUpper(uint32_t c, std::string* out) {
  if (const SpecialCase* special = FindSpecial(c)) return AppendMapped(special->upper, out);
  AppendCodePoint(static_cast<uint32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))), out);
}

void AppendTitle(uint32_t c, std::string* out) {
  if (const SpecialCase* special = FindSpecial(c)) return AppendMapped(special->title, out);
  AppendCodePoint(static_cast<uint32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))), out);
}

bool IsCased(uint32_t c) { return IsLower(c) || IsUpper(c) || IsTitleCase(c); }

bool IsCaseIgnorable(uint32_t c) {
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
      return true;
    default:
      return c == '\'' || c == '.' || c == ':' || c == 0xb7 || c == 0x2018 || c == 0x2019;
  }
}

// A sigma ends a word when a cased letter comes before it and none after it.
bool IsFinalSigma(const std::vector<uint32_t>& text, size_t at) {
  size_t before = at;
  while (before > 0 && IsCaseIgnorable(text[before - 1])) --before;
  if (before == 0 || !IsCased(text[before - 1])) return false;
  size_t after = at + 1;
  while (after < text.size() && IsCaseIgnorable(text[after])) ++after;
  return after == text.size() || !IsCased(text[after]);
}

void AppendLower(const std::vector<uint32_t>& text, size_t at, std::string* out) {
  const uint32_t c = text[at];
  if (c == 0x3a3) return AppendCodePoint(IsFinalSigma(text, at) ? 0x3c2 : 0x3c3, out);
  if (c == 0x130) {
    AppendCodePoint('i', out);
    return AppendCodePoint(0x307, out);
  }
  AppendCodePoint(static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))), out);
}

}  // namespace

CodePoint DecodeAt(std::string_view text, size_t offset) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[offset + i]); };
  const unsigned char first = byte(0);
  const uint32_t size = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                                       : 4;
  if (size == 1) return {first, 1};
  if (size == 0 || first > 0xf4 || offset + size > text.size()) return {0xfffd, 1};
  uint32_t value = first & (0xffu >> (size + 1));
  for (uint32_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return {0xfffd, 1};
    value = value << 6 | (byte(i) & 0x3fu);
  }
  return {value, size};
}

void AppendCodePoint(uint32_t c, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (c < 0x80) return put(c);
  if (c < 0x800) {
    put(0xc0 | c >> 6);
  } else if (c < 0x10000) {
    put(0xe0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3f));
  } else {
    put(0xf0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3f));
    put(0x80 | (c >> 6 & 0x3f));
  }
  put(0x80 | (c & 0x3f));
}

size_t CodePointCount(std::string_view text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++count) {
    i += static_cast<unsigned char>(text[i]) < 0x80 ? 1 : DecodeAt(text, i).size;
  }
  return count;
}

size_t OffsetOfIndex(std::string_view text, size_t index) {
  size_t offset = 0;
  while (index > 0 && offset < text.size()) {
    offset += DecodeAt(text, offset).size;
    --index;
  }
  return offset;
}

std::vector<uint32_t> Decode(std::string_view text) {
  std::vector<uint32_t> result;
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    result.push_back(c.value);
    i += c.size;
  }
  return result;
}

bool HasSurrogate(std::string_view text) {
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] == '\xed' && static_cast<unsigned char>(text[i + 1]) >= 0xa0) return true;
  }
  return false;
}

bool IsSpace(uint32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xd) || (c >= 0x1c && c <= 0x1f) || c == 0x85 || c == 0xa0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
         c == 0x205f || c == 0x3000;
}

bool IsAlpha(uint32_t c) {
  const utf8proc_category_t category = Category(c);
  return category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO;
}

bool IsDecimal(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_ND; }
bool IsDigit(uint32_t c) { return IsDecimal(c) || Contains(kOtherDigits, c); }

bool IsNumeric(uint32_t c) {
  const utf8proc_category_t category = Category(c);
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool IsAlnum(uint32_t c) { return IsAlpha(c) || IsNumeric(c); }
bool IsLower(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_LL || Contains(kOtherLower, c); }
bool IsUpper(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_LU || Contains(kOtherUpper, c); }
bool IsTitleCase(uint32_t c) { return Category(c) == UTF8PROC_CATEGORY_LT; }

bool IsPrintable(uint32_t c) {
  if (c == ' ') return true;
  switch (Category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool IsIdentifierStart(uint32_t c) {
  return c == '_' || IsAlpha(c) || Category(c) == UTF8PROC_CATEGORY_NL;
}

bool IsIdentifierPart(uint32_t c) {
  if (IsIdentifierStart(c) || IsDecimal(c)) return true;
  const utf8proc_category_t category = Category(c);
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_PC;
}

std::string ToUpper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    AppendUpper(c.value, &out);
    i += c.size;
  }
  return out;
}

std::string ToLower(std::string_view text) {
  const std::vector<uint32_t> letters = Decode(text);
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < letters.size(); ++i) AppendLower(letters, i, &out);
  return out;
}

std::string ToTitle(std::string_view text) {
  const std::vector<uint32_t> letters = Decode(text);
  std::string out;
  bool inside_word = false;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (inside_word) {
      AppendLower(letters, i, &out);
    } else {
      AppendTitle(letters[i], &out);
    }
    inside_word = IsCased(letters[i]);
  }
  return out;
}

std::string ToCapitalized(std::string_view text) {
  const std::vector<uint32_t> letters = Decode(text);
  std::string out;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (i == 0) {
      AppendTitle(letters[i], &out);
    } else {
      AppendLower(letters, i, &out);
    }
  }
  return out;
}

std::string SwapCase(std::string_view text) {
  const std::vector<uint32_t> letters = Decode(text);
  std::string out;
  for (size_t i = 0; i < letters.size(); ++i) {
    if (IsUpper(letters[i])) {
      AppendLower(letters, i, &out);
    } else if (IsLower(letters[i])) {
      AppendUpper(letters[i], &out);
    } else {
      AppendCodePoint(letters[i], &out);
    }
  }
  return out;
}

std::string CaseFold(std::string_view text) {
  std::string out;
  for (const uint32_t letter : Decode(text)) {
    utf8proc_int32_t folded[8];
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(letter), folded, 8,
                                               UTF8PROC_CASEFOLD, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      AppendCodePoint(static_cast<uint32_t>(folded[i]), &out);
    }
  }
  return out;
}

size_t SpaceAt(std::string_view text, size_t offset) {
  size_t end = offset;
  while (end < text.size()) {
    const CodePoint c = DecodeAt(text, end);
    if (!IsSpace(c.value)) break;
    end += c.size;
  }
  return end - offset;
}

std::string_view StripLeft(std::string_view text) { return text.substr(SpaceAt(text, 0)); }

std::string_view StripRight(std::string_view text) {
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    if (!IsSpace(DecodeAt(text, start).value)) break;
    text = text.substr(0, start);
  }
  return text;
}

}  // namespace quire::jinja
