#include "text/jinja/wrap.h"

#include <algorithm>

#include "text/jinja/python/merge_sort.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

constexpr size_t kPrettyWidth = 80;

bool IsWrapSpace(uint32_t c) { return c == ' ' || (c >= 0x9 && c <= 0xd); }

// Words and the white space between them; with `hyphens`, words are cut after inner hyphens too.
std::vector<std::u32string> Chunks(const std::vector<uint32_t>& line, bool hyphens) {
  std::vector<std::u32string> chunks;
  for (size_t i = 0; i < line.size();) {
    const bool space = IsWrapSpace(line[i]);
    std::u32string chunk;
    while (i < line.size() && IsWrapSpace(line[i]) == space) {
      chunk.push_back(line[i++]);
      const size_t n = chunk.size();
      const bool cut = hyphens && !space && chunk[n - 1] == '-' && n >= 3 &&
                       IsAlpha(chunk[n - 2]) && IsAlpha(chunk[n - 3]) && i + 1 < line.size() &&
                       IsAlpha(line[i]) && IsAlpha(line[i + 1]);
      if (cut) break;
    }
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

std::string Encode(const std::u32string& text) {
  std::string out;
  for (const char32_t c : text) AppendCodePoint(c, &out);
  return out;
}

bool Blank(const std::u32string& chunk) { return !chunk.empty() && IsWrapSpace(chunk[0]); }

std::string PrettyAt(const Value& value, size_t indent, size_t allowance);

std::string PrettyItems(const Value& value, size_t indent, size_t allowance) {
  const bool tuple = value.is(Kind::kTuple);
  const std::vector<Value>& items = value.items();
  const std::string end = tuple ? (items.size() == 1 ? ",)" : ")") : "]";
  std::string out = tuple ? "(" : "[";
  for (size_t i = 0; i < items.size(); ++i) {
    const bool last = i + 1 == items.size();
    out += PrettyAt(items[i], indent + 1, last ? allowance + end.size() : 1);
    if (!last) out += ",\n" + std::string(indent + 1, ' ');
  }
  return out + end;
}

// By key; keys of different types by the names of their types.
std::vector<const Dict::Entry*> SortedEntries(const Dict& dict) {
  std::vector<const Dict::Entry*> entries;
  for (const Dict::Entry& entry : dict.entries) entries.push_back(&entry);
  const auto before = [](const Dict::Entry* a, const Dict::Entry* b) {
    const bool numbers = a->first.is_number() && b->first.is_number();
    const bool texts = a->first.is(Kind::kString) && b->first.is(Kind::kString);
    if (numbers || texts) return Compare("<", a->first, b->first);
    return TypeName(a->first) < TypeName(b->first);
  };
  MergeSort(&entries, before);
  return entries;
}

// repr() with the keys of dicts sorted.
std::string Flat(const Value& value) {
  std::string out;
  if (value.is(Kind::kDict)) {
    for (const Dict::Entry* entry : SortedEntries(value.dict())) {
      out += (out.empty() ? "" : ", ") + Flat(entry->first) + ": " + Flat(entry->second);
    }
    return "{" + out + "}";
  }
  if (!value.is_sequence()) return Repr(value);
  for (const Value& item : value.items()) out += (out.empty() ? "" : ", ") + Flat(item);
  if (value.is(Kind::kList)) return "[" + out + "]";
  return "(" + out + (value.items().size() == 1 ? ",)" : ")");
}

std::string PrettyDict(const Dict& dict, size_t indent, size_t allowance) {
  const std::vector<const Dict::Entry*> entries = SortedEntries(dict);
  std::string out = "{";
  for (size_t i = 0; i < entries.size(); ++i) {
    const bool last = i + 1 == entries.size();
    const std::string key = Flat(entries[i]->first) + ": ";
    out += key +
           PrettyAt(entries[i]->second, indent + 1 + CodePointCount(key), last ? allowance + 1 : 1);
    if (!last) out += ",\n" + std::string(indent + 1, ' ');
  }
  return out + "}";
}

std::string PrettyAt(const Value& value, size_t indent, size_t allowance) {
  const std::string flat = Flat(value);
  const size_t room = kPrettyWidth > indent + allowance ? kPrettyWidth - indent - allowance : 0;
  if (CodePointCount(flat) <= room) return flat;
  if (value.is_sequence() && !value.items().empty()) return PrettyItems(value, indent, allowance);
  if (value.is(Kind::kDict) && !value.dict().entries.empty()) {
    return PrettyDict(value.dict(), indent, allowance);
  }
  return flat;
}

}  // namespace

std::vector<std::string> WrapLine(std::string_view text, const WrapStyle& style) {
  std::vector<std::u32string> chunks = Chunks(Decode(text), style.break_on_hyphens);
  std::reverse(chunks.begin(), chunks.end());
  std::vector<std::string> lines;
  while (!chunks.empty()) {
    if (!lines.empty() && Blank(chunks.back())) chunks.pop_back();
    std::vector<std::u32string> line;
    size_t length = 0;
    while (!chunks.empty() && length + chunks.back().size() <= style.width) {
      length += chunks.back().size();
      line.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > style.width) {
      if (style.break_long_words) {
        const size_t room = std::max<size_t>(style.width - length, 1);
        size_t cut = std::min(room, chunks.back().size());
        const size_t hyphen = chunks.back().substr(0, cut).rfind(U'-');
        if (style.break_on_hyphens && hyphen != std::u32string::npos && hyphen > 0 &&
            chunks.back().substr(0, hyphen).find_first_not_of(U'-') != std::u32string::npos) {
          cut = hyphen + 1;
        }
        line.push_back(chunks.back().substr(0, cut));
        chunks.back().erase(0, cut);
        if (chunks.back().empty()) chunks.pop_back();
      } else if (line.empty()) {
        line.push_back(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!line.empty() && Blank(line.back())) line.pop_back();
    std::string joined;
    for (const std::u32string& chunk : line) joined += Encode(chunk);
    if (!line.empty()) lines.push_back(std::move(joined));
  }
  return lines;
}

std::string PrettyRepr(const Value& value) { return PrettyAt(value, 0, 0); }

}  // namespace quire::jinja
