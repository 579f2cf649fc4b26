// '%s' % values (format.h).
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

class PercentFormatter {
 public:
  PercentFormatter(const Value& format, const Value& values)
      : text_(format.str()), markup_(format.text().markup), values_(values) {}

  Value Run() {
    while (at_ < text_.size()) {
      const size_t percent = text_.find('%', at_);
      out_ += text_.substr(at_, percent - at_);
      if (percent == std::string::npos) break;
      at_ = percent + 1;
      Field();
    }
    RequireAllUsed();
    return Value::String(std::move(out_), markup_);
  }

 private:
  char Peek() const {
    if (at_ >= text_.size()) Raise(Fault::kValue, "incomplete format");
    return text_[at_];
  }

  // '%' values with nothing left to fill is an error, unless they are a mapping.
  void RequireAllUsed() const {
    if (values_.is(Kind::kTuple)) {
      if (next_ < values_.items().size()) RaiseLeftOver();
    } else if (next_ == 0 && !used_names_ && !values_.is(Kind::kDict) && !values_.is(Kind::kList) &&
               !values_.is(Kind::kUndefined)) {
      RaiseLeftOver();
    }
  }

  [[noreturn]] static void RaiseLeftOver() {
    Raise(Fault::kType, "not all arguments converted during string formatting");
  }

  Value Next() {
    if (values_.is(Kind::kTuple)) {
      if (next_ < values_.items().size()) return values_.items()[next_++];
    } else if (next_++ == 0) {
      return values_;
    }
    Raise(Fault::kType, "not enough arguments for format string");
  }

  Value Named() {
    if (!values_.is(Kind::kDict)) Raise(Fault::kType, "format requires a mapping");
    const size_t close = text_.find(')', at_);
    if (close == std::string::npos) Raise(Fault::kValue, "incomplete format key");
    const std::string key = text_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    used_names_ = true;
    const Value* found = values_.dict().Find(key);
    if (found == nullptr) Raise(Fault::kLookup, ReprText(key));
    return *found;
  }

  Int Number() {
    if (Peek() == '*') {
      ++at_;
      return AsIndex(Next());
    }
    Int value = 0;
    while (Peek() >= '0' && Peek() <= '9') {
      value = value * 10 + (text_[at_++] - '0');
      if (value > kMaxWidth) Raise(Fault::kLimit, "the template needs too much memory");
    }
    return value;
  }

  void Field() {
    Value named;
    if (Peek() == '(') named = Named();
    FormatSpec spec;
    bool left = false;
    for (;; ++at_) {
      const char c = Peek();
      if (c == '-') {
        left = true;
      } else if (c == '+' || (c == ' ' && spec.sign != '+')) {
        spec.sign = c;
      } else if (c == '#') {
        spec.alternate = true;
      } else if (c == '0') {
        spec.fill = "0";
      } else if (c != ' ') {
        break;
      }
    }
    spec.width = Number();
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (Peek() == '.') {
      ++at_;
      spec.precision = Number();
    }
    while (Peek() == 'h' || Peek() == 'l' || Peek() == 'L') ++at_;
    spec.type = Peek();
    ++at_;
    if (left) {
      spec.align = '<';
      spec.fill = " ";
    }
    if (spec.width > kMaxWidth) Raise(Fault::kLimit, "the template needs too much memory");
    if (spec.type == '%') {
      out_.push_back('%');
    } else {
      out_ += Convert(named.is(Kind::kMissing) ? Next() : named, spec);
    }
  }

  std::string Convert(const Value& value, FormatSpec spec) {
    switch (spec.type) {
      case 's':
      case 'r':
      case 'a':
        return ConvertText(value, spec);
      case 'c':
        return ConvertLetter(value, spec);
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o':
        return ConvertInteger(value, spec);
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return ConvertFloat(value, spec);
      default:
        Raise(Fault::kValue, "unsupported format character '" + std::string(1, spec.type) + "'");
    }
  }

  std::string ConvertText(const Value& value, FormatSpec spec) const {
    std::string text = spec.type == 's' ? Str(value) : Repr(value);
    if (markup_) text = spec.type == 's' ? Escape(value).str() : EscapeHtml(text);
    if (spec.precision >= 0) {
      text.resize(OffsetOfIndex(text, static_cast<size_t>(spec.precision)));
    }
    spec.fill = " ";
    if (spec.align == 0) spec.align = '>';
    return Pad("", std::move(text), spec);
  }

  static std::string ConvertLetter(const Value& value, FormatSpec spec) {
    std::string text;
    if (value.is_integral() && value.integer() >= 0 && value.integer() < 0x110000) {
      AppendCodePoint(static_cast<uint32_t>(value.integer()), &text);
    } else if (value.is(Kind::kString) && value.text().length == 1) {
      text = value.str();
    } else {
      Raise(Fault::kType, "%c requires int or char");
    }
    spec.fill = " ";
    if (spec.align == 0) spec.align = '>';
    return Pad("", std::move(text), spec);
  }

  static std::string Sign(bool negative, char sign) {
    return negative ? "-" : sign == 0 ? "" : std::string(1, sign);
  }

  static std::string ConvertInteger(const Value& value, FormatSpec spec) {
    RequireDefined(value);
    const bool decimal = spec.type == 'd' || spec.type == 'i' || spec.type == 'u';
    if (!value.is_integral() && !(decimal && value.is(Kind::kFloat))) {
      Raise(Fault::kType, "%" + std::string(1, spec.type) +
                              " format: a real number is required, not " + TypeName(value));
    }
    if (value.is(Kind::kFloat) && !std::isfinite(value.number())) {
      Raise(Fault::kValue, "cannot convert float to integer");
    }
    const Int number = value.is(Kind::kFloat) ? static_cast<Int>(value.number()) : value.integer();
    std::string digits = FormatInteger(number, decimal ? 'd' : spec.type);
    if (spec.precision > static_cast<Int>(digits.size())) {
      ChargeBytes(static_cast<size_t>(spec.precision));
      digits.insert(0, static_cast<size_t>(spec.precision) - digits.size(), '0');
    }
    std::string sign = Sign(number < 0, spec.sign);
    if (spec.alternate && !decimal) sign += std::string("0") + spec.type;
    if (spec.align == 0) spec.align = spec.fill == "0" ? '=' : '>';
    return Pad(std::move(sign), std::move(digits), spec);
  }

  static std::string ConvertFloat(const Value& value, FormatSpec spec) {
    RequireDefined(value);
    if (!value.is_number()) {
      Raise(Fault::kType, "must be real number, not " + TypeName(value));
    }
    const double number = value.number();
    if (spec.align == 0) spec.align = spec.fill == "0" ? '=' : '>';
    return Pad(Sign(std::signbit(number), spec.sign), FormatFloat(number, spec), spec);
  }

  const std::string text_;
  const bool markup_;
  const Value values_;
  std::string out_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool used_names_ = false;
};

}  // namespace

Value FormatPercent(const Value& format, const Value& values) {
  return PercentFormatter(format, values).Run();
}

}  // namespace quire::jinja
