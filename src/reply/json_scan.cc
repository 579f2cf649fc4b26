#include "reply/json_scan.h"

#include <string_view>

namespace quire {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

void AppendControl(char c, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  if (c == '\n') {
    out += "\\n";
  } else if (c == '\t') {
    out += "\\t";
  } else if (c == '\r') {
    out += "\\r";
  } else {
    out.append("\\u00");
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
  }
}

}  // namespace

JsonScan::Step JsonScan::EndValue() {
  if (nesting_.empty()) return Step::kDone;
  place_ = Place::kAfterValue;
  return Step::kMore;
}

JsonScan::Step JsonScan::BeginValue(char c) {
  if (c == '{' || c == '[') {
    if (nesting_.size() == kMaxDepth) return Step::kBad;
    nesting_.push_back(c);
    place_ = c == '{' ? Place::kFirstKey : Place::kFirstItem;
    return Step::kMore;
  }
  if (c == '"') {
    is_key_ = false;
    place_ = Place::kString;
    return Step::kMore;
  }
  if (c == '-' || IsDigit(c)) {
    digits_ = c == '-' ? Digits::kMinus : c == '0' ? Digits::kZero : Digits::kWhole;
    place_ = Place::kNumber;
    return Step::kMore;
  }
  literal_ = c == 't' ? "rue" : c == 'f' ? "alse" : c == 'n' ? "ull" : nullptr;
  if (literal_ == nullptr) return Step::kBad;
  place_ = Place::kLiteral;
  return Step::kMore;
}

JsonScan::Step JsonScan::InString(char c, std::string& out) {
  if (place_ == Place::kEscape) {
    if (std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos) return Step::kBad;
    place_ = c == 'u' ? Place::kHex : Place::kString;
    hex_left_ = 4;
  } else if (place_ == Place::kHex) {
    if (!IsHex(c)) return Step::kBad;
    if (--hex_left_ == 0) place_ = Place::kString;
  } else if (c == '\\') {
    place_ = Place::kEscape;
  } else if (c == '"') {
    out += c;
    if (!is_key_) return EndValue();
    place_ = Place::kColon;
    return Step::kMore;
  } else if (static_cast<unsigned char>(c) < 0x20) {
    AppendControl(c, out);
    return Step::kMore;
  }
  out += c;
  return Step::kMore;
}

JsonScan::Step JsonScan::InNumber(char c, std::string& out) {
  const bool exponent = c == 'e' || c == 'E';
  Digits next = digits_;
  bool taken = true;
  switch (digits_) {
    case Digits::kMinus:
      if (!IsDigit(c)) return Step::kBad;
      next = c == '0' ? Digits::kZero : Digits::kWhole;
      break;
    case Digits::kZero:
    case Digits::kWhole:
      if (c == '.') {
        next = Digits::kPoint;
      } else if (exponent) {
        next = Digits::kE;
      } else {
        taken = digits_ == Digits::kWhole && IsDigit(c);
      }
      break;
    case Digits::kPoint:
    case Digits::kFraction:
      if (IsDigit(c)) {
        next = Digits::kFraction;
      } else if (digits_ == Digits::kPoint) {
        return Step::kBad;
      } else if (exponent) {
        next = Digits::kE;
      } else {
        taken = false;
      }
      break;
    case Digits::kE:
    case Digits::kESign:
    case Digits::kExponent:
      if (IsDigit(c)) {
        next = Digits::kExponent;
      } else if (digits_ == Digits::kE && (c == '+' || c == '-')) {
        next = Digits::kESign;
      } else if (digits_ != Digits::kExponent) {
        return Step::kBad;
      } else {
        taken = false;
      }
      break;
  }
  if (!taken) {
    if (EndValue() == Step::kDone) return Step::kBefore;
    return Take(c, out);
  }
  digits_ = next;
  out += c;
  return Step::kMore;
}

// Structure outside of strings and numbers; `c` is no white space.
JsonScan::Step JsonScan::BetweenTokens(char c) {
  switch (place_) {
    case Place::kValue:
      return BeginValue(c);
    case Place::kFirstItem:
      if (c != ']') return BeginValue(c);
      nesting_.pop_back();
      return EndValue();
    case Place::kFirstKey:
    case Place::kKey:
      if (c == '}' && place_ == Place::kFirstKey) {
        nesting_.pop_back();
        return EndValue();
      }
      if (c != '"') return Step::kBad;
      is_key_ = true;
      place_ = Place::kString;
      return Step::kMore;
    case Place::kColon:
      if (c != ':') return Step::kBad;
      place_ = Place::kValue;
      return Step::kMore;
    default:
      break;
  }
  const bool object = nesting_.back() == '{';
  if (c == ',') {
    place_ = object ? Place::kKey : Place::kValue;
    return Step::kMore;
  }
  if (c != (object ? '}' : ']')) return Step::kBad;
  nesting_.pop_back();
  return EndValue();
}

JsonScan::Step JsonScan::Take(char c, std::string& out) {
  switch (place_) {
    case Place::kString:
    case Place::kEscape:
    case Place::kHex:
      return InString(c, out);
    case Place::kNumber:
      return InNumber(c, out);
    case Place::kLiteral:
      if (c != *literal_) return Step::kBad;
      out += c;
      return *++literal_ == '\0' ? EndValue() : Step::kMore;
    default:
      break;
  }
  const Step step = IsJsonSpace(c) ? Step::kMore : BetweenTokens(c);
  if (step != Step::kBad) out += c;
  return step;
}

}  // namespace quire
