#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>

#include "text/jinja/python/error.h"
#include "text/jinja/python/search.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

bool IsDigitChar(char c) { return c >= '0' && c <= '9'; }

std::string NormalizeNewlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out.push_back(source[i]);
    } else {
      out.push_back('\n');
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return out;
}

// Length of `digit (_? digit)*` at the start of text, for the digits that `is` accepts.
template <typename Is>
size_t DigitRun(std::string_view text, Is is) {
  size_t end = 0;
  while (end < text.size()) {
    const size_t digit = text[end] == '_' && end > 0 ? end + 1 : end;
    if (digit >= text.size() || !is(text[digit])) break;
    end = digit + 1;
  }
  return end;
}

std::string WithoutUnderscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> Run() {
    while (at_ < source_.size()) Root();
    Push(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  struct Tag {
    char kind;  // '{' variable, '%' block, '#' comment, 'r' raw
    char sign;  // '-', '+' or 0
    size_t start;
    size_t end;
  };

  [[noreturn]] void Fail(const std::string& message) const {
    throw TemplateError(Fault::kSyntax, message, line_);
  }

  std::string_view Rest() const { return std::string_view(source_).substr(at_); }

  void Push(TokenType type, std::string text, Value number = {}) {
    tokens_.push_back({type, line_, std::move(text), std::move(number)});
  }

  // Moves on, counting lines.
  void Consume(size_t size) {
    const std::string_view passed = Rest().substr(0, size);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    if (size > 0) line_starting_ = passed.back() == '\n';
    at_ += size;
  }

  bool FindTag(Tag* tag) const {
    for (size_t i = source_.find('{', at_); i != std::string::npos; i = source_.find('{', i + 1)) {
      const char kind = i + 1 < source_.size() ? source_[i + 1] : 0;
      if (kind != '{' && kind != '%' && kind != '#') continue;
      const char sign = i + 2 < source_.size() ? source_[i + 2] : 0;
      const bool has_sign = sign == '-' || sign == '+';
      *tag = {kind, has_sign ? sign : '\0', i, i + (has_sign ? 3 : 2)};
      if (kind == '%') FindRaw(tag);
      return true;
    }
    return false;
  }

  // {% raw %}, whose end tag only `-` may trim.
  void FindRaw(Tag* tag) const {
    size_t at = tag->end + SpaceAt(source_, tag->end);
    if (source_.compare(at, 3, "raw") != 0) return;
    at += 3;
    at += SpaceAt(source_, at);
    if (source_.compare(at, 3, "-%}") == 0) {
      at += 3;
      at += SpaceAt(source_, at);
    } else if (source_.compare(at, 2, "%}") == 0) {
      at += 2;
    } else {
      return;
    }
    tag->kind = 'r';
    tag->end = at;
  }

  // The text before a tag, as the tag's sign and the line it stands on leave it.
  std::string_view TrimBefore(std::string_view text, char sign, bool may_lstrip) const {
    if (sign == '-') return StripRight(text);
    if (sign == '+' || !may_lstrip) return text;
    const size_t line = text.rfind('\n');
    const size_t start = line == std::string_view::npos ? 0 : line + 1;
    if (start == 0 && !line_starting_) return text;
    return SpaceAt(text, start) == text.size() - start ? text.substr(0, start) : text;
  }

  void EmitData(std::string_view text, std::string_view kept) {
    if (!kept.empty()) Push(TokenType::kData, std::string(kept));
    Consume(text.size());
  }

  void Root() {
    Tag tag{};
    if (!FindTag(&tag)) {
      EmitData(Rest(), Rest());
      return;
    }
    const std::string_view text = Rest().substr(0, tag.start - at_);
    EmitData(text, TrimBefore(text, tag.sign, tag.kind != '{'));
    if (tag.kind == '{') Push(TokenType::kVariableBegin, "{{");
    if (tag.kind == '%') Push(TokenType::kBlockBegin, "{%");
    Consume(tag.end - tag.start);
    if (tag.kind == '#') {
      Comment();
    } else if (tag.kind == 'r') {
      Raw();
    } else {
      Inside(tag.kind == '{');
    }
  }

  // Size of an end tag at offset `at`, with the white space it takes along; 0 if there is none.
  size_t EndTag(size_t at, std::string_view close, bool plus_and_newline) const {
    const std::string_view text = std::string_view(source_).substr(at);
    if (text.starts_with('-') && text.substr(1).starts_with(close)) {
      const size_t size = 1 + close.size();
      return size + SpaceAt(source_, at + size);
    }
    if (plus_and_newline && text.starts_with('+') && text.substr(1).starts_with(close)) {
      return 1 + close.size();
    }
    if (!text.starts_with(close)) return 0;
    const bool newline = plus_and_newline && text.substr(close.size()).starts_with('\n');
    return close.size() + (newline ? 1 : 0);
  }

  void Comment() {
    if (at_ == source_.size()) return;  // jinja2 misses an end only if something is there
    const size_t close = source_.find("#}", at_);
    if (close == std::string::npos) Fail("Missing end of comment tag");
    const bool sign = close > at_ && (source_[close - 1] == '-' || source_[close - 1] == '+');
    const size_t start = sign ? close - 1 : close;
    const size_t size = EndTag(start, "#}", true);
    Consume(start + size - at_);
  }

  void Raw() {
    if (at_ == source_.size()) return;
    for (size_t open = source_.find("{%", at_); open != std::string::npos;
         open = source_.find("{%", open + 1)) {
      size_t at = open + 2;
      const char sign =
          at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? source_[at] : '\0';
      if (sign != 0) ++at;
      at += SpaceAt(source_, at);
      if (source_.compare(at, 6, "endraw") != 0) continue;
      at += 6;
      at += SpaceAt(source_, at);
      const size_t size = EndTag(at, "%}", true);
      if (size == 0) continue;
      const std::string_view text = Rest().substr(0, open - at_);
      EmitData(text, TrimBefore(text, sign, true));
      Consume(at + size - open);
      return;
    }
    Fail("Missing end of raw directive");
  }

  void Inside(bool variable) {
    std::string balance;
    while (at_ < source_.size()) {
      const size_t end = balance.empty() ? EndTag(at_, variable ? "}}" : "%}", !variable) : 0;
      if (end > 0) {
        Push(variable ? TokenType::kVariableEnd : TokenType::kBlockEnd, variable ? "}}" : "%}");
        Consume(end);
        return;
      }
      if (const size_t space = SpaceAt(source_, at_)) {
        Consume(space);
      } else if (!Number() && !Name() && !String()) {
        Operator(&balance);
      }
    }
  }

  bool Number() {
    const std::string_view text = Rest();
    if (!IsDigitChar(text[0])) return false;
    const bool after_dot = at_ > 0 && source_[at_ - 1] == '.';
    if (const size_t size = after_dot ? 0 : FloatSize(text)) {
      const std::string digits = WithoutUnderscores(text.substr(0, size));
      Push(TokenType::kFloat, digits, Value::Float(std::strtod(digits.c_str(), nullptr)));
      Consume(size);
      return true;
    }
    const size_t size = IntegerSize(text);
    const std::string digits = WithoutUnderscores(text.substr(0, size));
    Push(TokenType::kInteger, digits, Value::Integer(ParseInteger(digits)));
    Consume(size);
    return true;
  }

  static size_t FloatSize(std::string_view text) {
    size_t size = DigitRun(text, IsDigitChar);
    bool is_float = false;
    if (size < text.size() && text[size] == '.') {
      const size_t fraction = DigitRun(text.substr(size + 1), IsDigitChar);
      if (fraction == 0) return 0;
      size += 1 + fraction;
      is_float = true;
    }
    if (size < text.size() && (text[size] == 'e' || text[size] == 'E')) {
      size_t start = size + 1;
      if (start < text.size() && (text[start] == '+' || text[start] == '-')) ++start;
      const size_t exponent = DigitRun(text.substr(std::min(start, text.size())), IsDigitChar);
      if (exponent > 0) return start + exponent;
    }
    return is_float ? size : 0;
  }

  static size_t IntegerSize(std::string_view text) {
    if (text[0] != '0') return DigitRun(text, IsDigitChar);
    const char base = text.size() > 1 ? static_cast<char>(text[1] | 0x20) : 0;
    const auto prefixed = [&](auto is) -> size_t {
      const size_t skip = text.size() > 2 && text[2] == '_' ? 3 : 2;
      const size_t digits = DigitRun(text.substr(std::min(skip, text.size())), is);
      return digits == 0 ? 0 : skip + digits;
    };
    size_t size = 0;
    if (base == 'b') size = prefixed([](char c) { return c == '0' || c == '1'; });
    if (base == 'o') size = prefixed([](char c) { return c >= '0' && c <= '7'; });
    if (base == 'x') {
      size = prefixed(
          [](char c) { return IsDigitChar(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f'); });
    }
    return size > 0 ? size : DigitRun(text, [](char c) { return c == '0'; });
  }

  Int ParseInteger(const std::string& digits) const {
    const char marker = digits.size() > 1 ? static_cast<char>(digits[1] | 0x20) : 0;
    const int base = marker == 'x' ? 16 : marker == 'o' ? 8 : marker == 'b' ? 2 : 10;
    Int value = 0;
    for (size_t i = base == 10 ? 0 : 2; i < digits.size(); ++i) {
      const int digit = IsDigitChar(digits[i]) ? digits[i] - '0' : (digits[i] | 0x20) - 'a' + 10;
      if (__builtin_mul_overflow(value, Int{base}, &value) ||
          __builtin_add_overflow(value, Int{digit}, &value)) {
        Fail("integer too large");
      }
    }
    return value;
  }

  bool Name() {
    size_t end = at_;
    while (end < source_.size()) {
      const CodePoint c = DecodeAt(source_, end);
      if (c.value == '_' || IsAlnum(c.value) || (c.value >= 0x80 && IsIdentifierPart(c.value))) {
        end += c.size;
      } else {
        break;
      }
    }
    if (end == at_) return false;
    if (!IsIdentifierStart(DecodeAt(source_, at_).value)) Fail("Invalid character in identifier");
    Push(TokenType::kName, source_.substr(at_, end - at_));
    Consume(end - at_);
    return true;
  }

  bool String() {
    const char quote = source_[at_];
    if (quote != '\'' && quote != '"') return false;
    size_t end = at_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) return false;
    const std::string_view literal = std::string_view(source_).substr(at_ + 1, end - at_ - 1);
    Push(TokenType::kString, Unescape(literal, line_));
    Consume(end + 1 - at_);
    return true;
  }

  void Operator(std::string* balance) {
    constexpr std::string_view kLong[] = {"//", "**", "==", "!=", ">=", "<="};
    constexpr std::string_view kShort = "+-/*%~[](){}><=.:|,;";
    const std::string_view text = Rest();
    size_t size = kShort.find(text[0]) == std::string_view::npos ? 0 : 1;
    for (const std::string_view op : kLong) {
      if (text.starts_with(op)) size = 2;
    }
    if (size == 0) Fail("unexpected char " + UnexpectedChar(text));
    const char c = text[0];
    if (size == 1 && (c == '(' || c == '[' || c == '{')) {
      balance->push_back(c == '(' ? ')' : c == '[' ? ']' : '}');
    }
    if (c == ')' || c == ']' || c == '}') {
      if (balance->empty()) Fail(std::string("unexpected '") + c + "'");
      if (balance->back() != c) {
        Fail(std::string("unexpected '") + c + "', expected '" + balance->back() + "'");
      }
      balance->pop_back();
    }
    Push(TokenType::kOperator, std::string(text.substr(0, size)));
    Consume(size);
  }

  static std::string UnexpectedChar(std::string_view text) {
    return "'" + std::string(text.substr(0, DecodeAt(text, 0).size)) + "'";
  }

  const std::string source_;
  std::vector<Token> tokens_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;  // what was consumed last ended a line
};

}  // namespace

std::vector<Token> Tokenize(std::string_view source) {
  return Lexer(NormalizeNewlines(source)).Run();
}

}  // namespace quire::jinja
