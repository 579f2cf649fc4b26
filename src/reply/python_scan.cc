#include "reply/python_scan.h"

#include <string_view>
#include <utility>

#include "reply/format/json_text.h"

namespace quire {
namespace {

bool IsWordCharacter(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '_' || c == '-' || c == '+';
}

bool IsHex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A number or a name as JSON; empty if it is neither.
std::string JsonOfWord(const std::string& word) {
  if (word == "True" || word == "true") return "true";
  if (word == "False" || word == "false") return "false";
  if (word == "None" || word == "null") return "null";
  const char last = word.back();
  std::string json = JsonOrText(last == '.' ? word + "0" : word);
  return json.front() == '"' ? std::string() : json;
}

}  // namespace

PythonScan::Step PythonScan::EndValue() {
  if (nesting_.empty()) return Step::kDone;
  place_ = Place::kAfterValue;
  return Step::kMore;
}

PythonScan::Step PythonScan::BeginValue(char c, std::string& out) {
  const bool is_key = !nesting_.empty() && nesting_.back() == '}' && place_ != Place::kValue;
  if (is_key && c != '\'' && c != '"') return Step::kBad;
  const bool nests = c == '[' || c == '(' || c == '{';
  const bool fits = nests ? nesting_.size() < kMaxDepth
                          : c == '\'' || c == '"' || (IsWordCharacter(c) && c != '_');
  if (!fits) return Step::kBad;
  if (std::exchange(comma_, false)) out += ", ";
  if (nests) {
    nesting_.push_back(c == '[' ? ']' : c == '(' ? ')' : '}');
    out += c == '{' ? '{' : '[';
    place_ = Place::kFirst;
  } else if (c == '\'' || c == '"') {
    quote_ = c;
    in_key_ = is_key;
    out += '"';
    place_ = Place::kString;
  } else {
    word_ = c;
    place_ = Place::kWord;
  }
  return Step::kMore;
}

PythonScan::Step PythonScan::Close(std::string& out) {
  comma_ = false;
  out += nesting_.back() == '}' ? '}' : ']';
  nesting_.pop_back();
  return EndValue();
}

// Outside of strings and words; `c` is no white space.
PythonScan::Step PythonScan::Between(char c, std::string& out) {
  switch (place_) {
    case Place::kFirst:
    case Place::kNext:
      return c == nesting_.back() ? Close(out) : BeginValue(c, out);
    case Place::kColon:
      if (c != ':') return Step::kBad;
      out += ": ";
      place_ = Place::kValue;
      return Step::kMore;
    case Place::kAfterValue:
      if (c == nesting_.back()) return Close(out);
      if (c != ',') return Step::kBad;
      comma_ = true;
      place_ = Place::kNext;
      return Step::kMore;
    default:
      return BeginValue(c, out);
  }
}

PythonScan::Step PythonScan::Escape(char c, std::string& out) {
  place_ = Place::kString;
  switch (c) {
    case 'n':
    case 't':
    case 'r':
    case 'b':
    case 'f':
    case '\\':
    case '"':
      out += {'\\', c};
      break;
    case '\'':
      out += c;
      break;
    case '\n':  // a line that goes on
      break;
    case 'x':
    case 'u':
      hex_left_ = c == 'x' ? 2 : 4;
      hex_ = c == 'x' ? "00" : "";
      place_ = Place::kHex;
      break;
    default:  // no escape in Python: both stand for themselves
      out += "\\\\" + JsonQuotes(std::string_view(&c, 1));
      break;
  }
  return Step::kMore;
}

PythonScan::Step PythonScan::InString(char c, std::string& out) {
  if (place_ == Place::kEscape) return Escape(c, out);
  if (place_ == Place::kHex) {
    if (!IsHex(c)) return Step::kBad;
    hex_ += c;
    if (--hex_left_ > 0) return Step::kMore;
    out += "\\u" + hex_;
    place_ = Place::kString;
  } else if (c == '\\') {
    place_ = Place::kEscape;
  } else if (c == quote_) {
    out += '"';
    if (!in_key_) return EndValue();
    place_ = Place::kColon;
  } else {
    out += JsonQuotes(std::string_view(&c, 1));
  }
  return Step::kMore;
}

PythonScan::Step PythonScan::InWord(char c, std::string& out) {
  constexpr size_t kLongest = 512;  // of a number that anybody means
  if (IsWordCharacter(c)) {
    if (word_.size() == kLongest) return Step::kBad;
    word_ += c;
    return Step::kMore;
  }
  const std::string json = JsonOfWord(word_);
  if (json.empty()) return Step::kBad;
  out += json;
  if (EndValue() == Step::kDone) return Step::kBefore;
  return Take(c, out);
}

PythonScan::Step PythonScan::Take(char c, std::string& out) {
  if (place_ == Place::kString || place_ == Place::kEscape || place_ == Place::kHex) {
    return InString(c, out);
  }
  if (place_ == Place::kWord) return InWord(c, out);
  return IsJsonSpace(c) ? Step::kMore : Between(c, out);
}

}  // namespace quire
