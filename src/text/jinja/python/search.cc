#include "text/jinja/python/search.h"

#include <algorithm>

#include "text/jinja/python/error.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

bool Absent(const Value& value) { return value.is(Kind::kMissing) || value.is(Kind::kNone); }

size_t LastCodePoint(std::string_view text) {
  size_t start = text.size() - 1;
  while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
  return start;
}

const std::string& Separator(const Value& value) {
  if (!value.is(Kind::kString)) {
    Raise(Fault::kType, "must be str or None, not " + TypeName(value));
  }
  if (value.str().empty()) Raise(Fault::kValue, "empty separator");
  return value.str();
}

void Push(std::string_view piece, std::vector<std::string>* out) {
  ChargeBytes(piece.size() + sizeof(std::string));
  out->emplace_back(piece);
}

std::vector<std::string> SplitAtSpace(std::string_view text, Int limit) {
  std::vector<std::string> out;
  text = StripLeft(text);
  while (!text.empty()) {
    if (limit == 0) {
      Push(text, &out);
      break;
    }
    --limit;
    size_t end = 0;
    while (end < text.size() && SpaceAt(text, end) == 0) end += DecodeAt(text, end).size;
    Push(text.substr(0, end), &out);
    text = StripLeft(text.substr(end));
  }
  return out;
}

std::vector<std::string> SplitRightAtSpace(std::string_view text, Int limit) {
  std::vector<std::string> out;
  text = StripRight(text);
  while (!text.empty()) {
    if (limit == 0) {
      Push(text, &out);
      break;
    }
    --limit;
    size_t start = text.size();
    while (start > 0) {
      const size_t previous = LastCodePoint(text.substr(0, start));
      if (IsSpace(DecodeAt(text, previous).value)) break;
      start = previous;
    }
    Push(text.substr(start), &out);
    text = StripRight(text.substr(0, start));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

bool IsLineEnd(uint32_t c) {
  return (c >= 0xa && c <= 0xd) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::string_view Strip(std::string_view text, const Value& chars, bool left, bool right) {
  if (Absent(chars)) {
    if (left) text = StripLeft(text);
    return right ? StripRight(text) : text;
  }
  if (!chars.is(Kind::kString)) Raise(Fault::kType, "strip arg must be None or str");
  const std::vector<uint32_t> set = Decode(chars.str());
  const auto in_set = [&](size_t at) {
    return std::find(set.begin(), set.end(), DecodeAt(text, at).value) != set.end();
  };
  while (left && !text.empty() && in_set(0)) text = text.substr(DecodeAt(text, 0).size);
  while (right && !text.empty() && in_set(LastCodePoint(text))) {
    text = text.substr(0, LastCodePoint(text));
  }
  return text;
}

std::string Replace(std::string_view text, std::string_view old, std::string_view with, Int count) {
  std::string out;
  size_t at = 0;
  if (old.empty()) {  // before every code point and at the end
    for (; count != 0 && at <= text.size(); --count) {
      ChargeBytes(with.size());
      out += with;
      if (at == text.size()) return out;
      const size_t size = DecodeAt(text, at).size;
      out += text.substr(at, size);
      at += size;
    }
    return out.append(text.substr(std::min(at, text.size())));
  }
  for (; count != 0; --count) {
    const size_t found = text.find(old, at);
    if (found == std::string_view::npos) break;
    ChargeBytes(with.size());
    out += text.substr(at, found - at);
    out += with;
    at = found + old.size();
  }
  return out.append(text.substr(at));
}

std::vector<std::string> Split(std::string_view text, const Value& separator, Int limit) {
  if (Absent(separator)) return SplitAtSpace(text, limit);
  const std::string& by = Separator(separator);
  std::vector<std::string> out;
  for (; limit != 0; --limit) {
    const size_t found = text.find(by);
    if (found == std::string_view::npos) break;
    Push(text.substr(0, found), &out);
    text = text.substr(found + by.size());
  }
  Push(text, &out);
  return out;
}

std::vector<std::string> SplitRight(std::string_view text, const Value& separator, Int limit) {
  if (Absent(separator)) return SplitRightAtSpace(text, limit);
  const std::string& by = Separator(separator);
  std::vector<std::string> out;
  for (; limit != 0; --limit) {
    const size_t found = text.rfind(by);
    if (found == std::string_view::npos) break;
    Push(text.substr(found + by.size()), &out);
    text = text.substr(0, found);
  }
  Push(text, &out);
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<std::string> SplitLines(std::string_view text, bool keep_ends) {
  std::vector<std::string> out;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = DecodeAt(text, at);
    size_t end = at + c.size;
    if (IsLineEnd(c.value)) {
      if (c.value == '\r' && end < text.size() && text[end] == '\n') ++end;
      Push(text.substr(start, (keep_ends ? end : at) - start), &out);
      start = end;
    }
    at = end;
  }
  if (start < text.size()) Push(text.substr(start), &out);
  return out;
}

}  // namespace quire::jinja
