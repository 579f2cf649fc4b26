#include "text/jinja/python/repr.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "text/jinja/python/error.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

void AppendHex(uint32_t value, int digits, std::string* out) {
  constexpr char kDigits[] = "0123456789abcdef";
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
    out->push_back(kDigits[value >> shift & 0xf]);
  }
}

void AppendEscaped(uint32_t c, char quote, std::string* out) {
  if (c == static_cast<unsigned char>(quote) || c == '\\') {
    out->push_back('\\');
    out->push_back(static_cast<char>(c));
  } else if (c == '\n') {
    out->append("\\n");
  } else if (c == '\r') {
    out->append("\\r");
  } else if (c == '\t') {
    out->append("\\t");
  } else if (IsPrintable(c)) {
    AppendCodePoint(c, out);
  } else if (c < 0x100) {
    out->append("\\x");
    AppendHex(c, 2, out);
  } else if (c < 0x10000) {
    out->append("\\u");
    AppendHex(c, 4, out);
  } else {
    out->append("\\U");
    AppendHex(c, 8, out);
  }
}

std::string ReprItems(const Value& value) {
  const bool tuple = value.is(Kind::kTuple);
  std::string out = tuple ? "(" : "[";
  bool first = true;
  for (const Value& item : value.items()) {
    if (!first) out += ", ";
    first = false;
    out += Repr(item);
  }
  if (tuple && value.items().size() == 1) out += ",";
  return out + (tuple ? ")" : "]");
}

}  // namespace

std::string ReprText(std::string_view text) {
  const bool double_quotes =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (size_t i = 0; i < text.size();) {
    const CodePoint c = DecodeAt(text, i);
    AppendEscaped(c.value, quote, &out);
    i += c.size;
  }
  out.push_back(quote);
  return out;
}

std::string ReprFloat(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific);
  const std::string_view text(buffer, static_cast<size_t>(end.ptr - buffer));
  const size_t e = text.find('e');
  const int exponent = std::atoi(std::string(text.substr(e + 1)).c_str());
  std::string digits;
  for (const char c : text.substr(0, e)) {
    if (c >= '0' && c <= '9') digits.push_back(c);
  }
  std::string out = text.front() == '-' ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits.substr(0, 1);
    if (digits.size() > 1) out += "." + digits.substr(1);
    const std::string magnitude = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (magnitude.size() < 2 ? "0" : "") + magnitude;
  }
  if (exponent < 0)
    return out + "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  const size_t whole = static_cast<size_t>(exponent) + 1;
  if (digits.size() <= whole) return out + digits + std::string(whole - digits.size(), '0') + ".0";
  return out + digits.substr(0, whole) + "." + digits.substr(whole);
}

std::string ReprInt(Int value) {
  if (value == 0) return "0";
  std::string out;
  for (Int rest = value; rest != 0; rest /= 10) {
    const int digit = static_cast<int>(rest % 10);
    out.insert(out.begin(), static_cast<char>('0' + (digit < 0 ? -digit : digit)));
  }
  return value < 0 ? "-" + out : out;
}

std::string ReprDict(const Dict& dict) {
  std::string out = "{";
  for (const Dict::Entry& entry : dict.entries) {
    if (out.size() > 1) out += ", ";
    out += Repr(entry.first) + ": " + Repr(entry.second);
  }
  return out + "}";
}

std::string Repr(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
      return "missing";
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.boolean() ? "True" : "False";
    case Kind::kInt:
      return ReprInt(value.integer());
    case Kind::kFloat:
      return ReprFloat(value.number());
    case Kind::kString:
      return value.text().markup ? "Markup(" + ReprText(value.str()) + ")" : ReprText(value.str());
    case Kind::kList:
    case Kind::kTuple:
      return ReprItems(value);
    case Kind::kDict:
      return ReprDict(value.dict());
    case Kind::kObject:
      return value.object().Repr();
  }
  return "";
}

std::string Str(const Value& value) {
  if (value.is(Kind::kString)) return value.str();
  if (value.is(Kind::kUndefined)) return "";
  return Repr(value);
}

std::string TypeName(const Value& value) {
  switch (value.kind()) {
    case Kind::kMissing:
      return "missing";
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return value.text().markup ? "Markup" : "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kObject:
      return value.object().TypeName();
  }
  return "";
}

std::string ObjectTypeName(const Value& value) {
  if (value.is(Kind::kNone)) return "None";
  const std::string name = TypeName(value);
  if (value.is(Kind::kString) && value.text().markup) return "markupsafe.Markup object";
  return name + " object";
}

}  // namespace quire::jinja
