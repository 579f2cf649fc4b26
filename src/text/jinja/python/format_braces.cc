// '{}'.format(...) and the format specification that fields share (format.h).
#include <cmath>
#include <cstdio>

#include "text/jinja/python/access.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/format.h"
#include "text/jinja/python/meter.h"
#include "text/jinja/python/operators.h"
#include "text/jinja/python/repr.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

constexpr Int kMaxWidth = 1 << 24;

bool IsDigitChar(char c) { return c >= '0' && c <= '9'; }

Int ParseNumber(std::string_view text, size_t* at) {
  Int value = 0;
  while (*at < text.size() && IsDigitChar(text[*at])) {
    value = value * 10 + (text[(*at)++] - '0');
    if (value > kMaxWidth) Raise(Fault::kValue, "Too many decimal digits in format string");
  }
  return value;
}

bool IsAlign(char c) { return c == '<' || c == '>' || c == '=' || c == '^'; }

void ParseAlign(std::string_view text, size_t* at, FormatSpec* spec) {
  if (text.empty()) return;
  const size_t fill = DecodeAt(text, 0).size;
  if (text.size() > fill && IsAlign(text[fill])) {
    spec->fill = std::string(text.substr(0, fill));
    spec->align = text[fill];
    *at = fill + 1;
  } else if (IsAlign(text[0])) {
    spec->align = text[0];
    *at = 1;
  }
}

FormatSpec ParseSpec(std::string_view text) {
  FormatSpec spec;
  size_t at = 0;
  const auto next = [&](std::string_view set) {
    return at < text.size() && set.find(text[at]) != std::string_view::npos;
  };
  ParseAlign(text, &at, &spec);
  if (next("+- ")) spec.sign = text[at++];
  if (next("#")) {
    spec.alternate = true;
    ++at;
  }
  if (next("0")) {
    ++at;
    if (spec.align == 0) {
      spec.fill = "0";
      spec.align = '=';
    }
  }
  spec.width = ParseNumber(text, &at);
  if (next(",_")) spec.thousands = text[at++];
  if (next(".")) {
    ++at;
    if (at >= text.size() || !IsDigitChar(text[at])) {
      Raise(Fault::kValue, "Format specifier missing precision");
    }
    spec.precision = ParseNumber(text, &at);
  }
  if (at < text.size()) spec.type = text[at++];
  if (at < text.size()) Raise(Fault::kValue, "Invalid format specifier");
  return spec;
}

std::string Group(const std::string& digits, char separator) {
  if (separator == 0) return digits;
  const size_t whole = std::min(digits.find_first_of(".e"), digits.size());
  std::string out;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) out.push_back(separator);
    out.push_back(digits[i]);
  }
  return out;
}

[[noreturn]] void RaiseCode(char type, const Value& value) {
  Raise(Fault::kValue, "Unknown format code '" + std::string(1, type) + "' for object of type '" +
                           TypeName(value) + "'");
}

std::string SignOf(bool negative, char sign) {
  return negative ? "-" : sign == '-' || sign == 0 ? "" : std::string(1, sign);
}

std::string FormatNumber(const Value& value, FormatSpec spec) {
  const bool integer_type = std::string_view("bcdoxXn").find(spec.type) != std::string_view::npos;
  if (spec.align == 0) spec.align = '>';
  if (value.is_integral() && (spec.type == 0 || integer_type)) {
    if (spec.precision >= 0) {
      Raise(Fault::kValue, "Precision not allowed in integer format specifier");
    }
    std::string sign = SignOf(value.integer() < 0, spec.sign);
    const char type = spec.type == 0 || spec.type == 'n' ? 'd' : spec.type;
    if (type == 'c') RaiseCode(type, value);
    if (spec.alternate && type != 'd') sign += std::string("0") + type;
    return Pad(std::move(sign), Group(FormatInteger(value.integer(), type), spec.thousands), spec);
  }
  if (spec.type != 0 && std::string_view("eEfFgG%n").find(spec.type) == std::string_view::npos) {
    RaiseCode(spec.type, value);
  }
  const double number = value.number();
  return Pad(SignOf(std::signbit(number), spec.sign),
             Group(FormatFloat(number, spec), spec.thousands), spec);
}

// format(value, spec).
std::string FormatValue(const Value& value, std::string_view text) {
  if (text.empty()) return Str(value);
  if (value.is(Kind::kBool) && ParseSpec(text).type == 0) {
    FormatSpec spec = ParseSpec(text);
    return FormatNumber(Value::Integer(value.integer()), spec);
  }
  if (value.is_number()) return FormatNumber(value, ParseSpec(text));
  if (!value.is(Kind::kString)) {
    Raise(Fault::kType, "unsupported format string passed to " + TypeName(value) + ".__format__");
  }
  FormatSpec spec = ParseSpec(text);
  if (spec.type != 0 && spec.type != 's') RaiseCode(spec.type, value);
  if (spec.sign != 0) Raise(Fault::kValue, "Sign not allowed in string format specifier");
  if (spec.thousands != 0) Raise(Fault::kValue, "Cannot specify ',' with 's'.");
  if (spec.alternate) {
    Raise(Fault::kValue, "Alternate form (#) not allowed in string format specifier");
  }
  if (spec.align == '=' && spec.fill != "0") {
    Raise(Fault::kValue, "'=' alignment not allowed in string format specifier");
  }
  if (spec.align == 0 || spec.align == '=') spec.align = '<';
  std::string body = value.str();
  if (spec.precision >= 0) body.resize(OffsetOfIndex(body, static_cast<size_t>(spec.precision)));
  return Pad("", std::move(body), spec);
}

class BraceFormatter {
 public:
  explicit BraceFormatter(const Arguments& arguments) : arguments_(arguments) {}

  std::string Run(std::string_view text, int depth) {
    if (depth > 1) Raise(Fault::kValue, "Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < text.size();) {
      const char c = text[at];
      if (c != '{' && c != '}') {
        out.push_back(c);
        ++at;
      } else if (at + 1 < text.size() && text[at + 1] == c) {
        out.push_back(c);
        at += 2;
      } else if (c == '}') {
        Raise(Fault::kValue, "Single '}' encountered in format string");
      } else {
        const size_t end = FieldEnd(text, at + 1);
        out += Field(text.substr(at + 1, end - at - 1), depth);
        at = end + 1;
      }
      ChargeBytes(1);
    }
    return out;
  }

 private:
  static size_t FieldEnd(std::string_view text, size_t at) {
    int open = 1;
    for (; at < text.size(); ++at) {
      if (text[at] == '{') ++open;
      if (text[at] == '}' && --open == 0) return at;
    }
    Raise(Fault::kValue, "expected '}' before end of string");
  }

  std::string Field(std::string_view field, int depth) {
    const size_t name_end = NameEnd(field);
    std::string_view rest = field.substr(name_end);
    Value value = Lookup(field.substr(0, name_end));
    if (rest.starts_with("!")) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':')) {
        Raise(Fault::kValue, "expected ':' after conversion specifier");
      }
      value = Value::String(rest[1] == 's' ? Str(value) : Repr(value));
      if (rest[1] != 's' && rest[1] != 'r' && rest[1] != 'a') {
        Raise(Fault::kValue, "Unknown conversion specifier");
      }
      rest = rest.substr(2);
    }
    const std::string spec = rest.empty() ? "" : Run(rest.substr(1), depth + 1);
    return FormatValue(value, spec);
  }

  // The field name ends at ! or :, but not inside brackets.
  static size_t NameEnd(std::string_view field) {
    bool bracket = false;
    for (size_t i = 0; i < field.size(); ++i) {
      if (field[i] == '[') bracket = true;
      if (field[i] == ']') bracket = false;
      if (!bracket && (field[i] == '!' || field[i] == ':')) return i;
    }
    return field.size();
  }

  Value Lookup(std::string_view name) {
    const size_t first_end = std::min(name.find_first_of(".["), name.size());
    Value value = First(name.substr(0, first_end));
    for (size_t at = first_end; at < name.size();) {
      if (name[at] == '.') {
        const size_t end = std::min(name.find_first_of(".[", at + 1), name.size());
        value = GetAttribute(value, std::string(name.substr(at + 1, end - at - 1)));
        at = end;
      } else {
        const size_t close = name.find(']', at);
        if (name[at] != '[' || close == std::string_view::npos) {
          Raise(Fault::kValue, "Missing ']' in format string");
        }
        value = GetItem(value, Key(name.substr(at + 1, close - at - 1)));
        at = close + 1;
      }
    }
    return value;
  }

  static Value Key(std::string_view text) {
    size_t end = 0;
    if (!text.empty()) {
      const Int number = ParseNumber(text, &end);
      if (end == text.size()) return Value::Integer(number);
    }
    return Value::String(std::string(text));
  }

  Value First(std::string_view name) {
    const Value key = Key(name);
    if (name.empty() || key.is(Kind::kInt)) {
      const bool automatic = name.empty();
      if (numbering_ != 0 && (numbering_ > 0) != automatic) {
        Raise(Fault::kValue, "cannot switch between manual and automatic field numbering");
      }
      numbering_ = automatic ? 1 : -1;
      const size_t index = automatic ? next_++ : static_cast<size_t>(key.integer());
      if (index >= arguments_.positional.size()) {
        Raise(Fault::kLookup, "Replacement index " + std::to_string(index) +
                                  " out of range for positional args tuple");
      }
      return arguments_.positional[index];
    }
    for (const auto& [argument, value] : arguments_.named) {
      if (argument == name) return value;
    }
    Raise(Fault::kLookup, ReprText(name));
  }

  const Arguments& arguments_;
  size_t next_ = 0;
  int numbering_ = 0;  // 1: automatic, -1: by hand
};

}  // namespace

std::string Pad(std::string sign, std::string body, const FormatSpec& spec) {
  const auto length = static_cast<Int>(CodePointCount(sign) + CodePointCount(body));
  if (length >= spec.width) return sign + body;
  const auto missing = static_cast<size_t>(spec.width - length);
  ChargeBytes(missing * spec.fill.size());
  const size_t before = spec.align == '<' ? 0 : spec.align == '^' ? missing / 2 : missing;
  std::string left;
  std::string right;
  for (size_t i = 0; i < missing; ++i) (i < before ? left : right) += spec.fill;
  return spec.align == '=' ? sign + left + body : left + sign + body + right;
}

std::string FormatInteger(Int value, char type) {
  const bool negative = value < 0;
  if (type == 'd') {
    const std::string text = ReprInt(value);
    return negative ? text.substr(1) : text;
  }
  const int base = type == 'b' ? 2 : type == 'o' ? 8 : 16;
  const char* const digits = type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  do {
    const int digit = static_cast<int>(value % base);
    out.insert(out.begin(), digits[digit < 0 ? -digit : digit]);
    value /= base;
  } while (value != 0);
  return out;
}

std::string FormatFloat(double value, const FormatSpec& spec) {
  const bool percent = spec.type == '%';
  const bool upper = spec.type == 'E' || spec.type == 'F' || spec.type == 'G';
  const double magnitude = std::fabs(percent ? value * 100 : value);
  const std::string suffix = percent ? "%" : "";
  if (std::isnan(value)) return (upper ? "NAN" : "nan") + suffix;
  if (std::isinf(value)) return (upper ? "INF" : "inf") + suffix;
  if (spec.type == 0 && spec.precision < 0) return ReprFloat(magnitude);
  if (spec.precision > 1000) Raise(Fault::kValue, "precision too big");
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  const char type = percent ? 'f' : spec.type == 0 || spec.type == 'n' ? 'g' : spec.type;
  const std::string format = std::string(spec.alternate ? "%#" : "%") + ".*" + type;
  char buffer[1400];
  std::snprintf(buffer, sizeof buffer, format.c_str(), precision, magnitude);
  std::string out = buffer;
  if (spec.type == 0 && out.find_first_of(".e") == std::string::npos) out += ".0";
  return out + suffix;
}

std::string FormatBraces(const std::string& format, const Arguments& arguments) {
  return BraceFormatter(arguments).Run(format, 0);
}

}  // namespace quire::jinja
