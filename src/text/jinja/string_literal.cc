// Escapes of string literals (lexer.h: Unescape).
#include "text/jinja/lexer.h"
#include "text/jinja/python/error.h"
#include "text/jinja/python/unicode.h"

namespace quire::jinja {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

class Unescaper {
 public:
  Unescaper(std::string_view text, int line) : text_(text), line_(line) {}

  std::string Run() {
    while (at_ < text_.size()) {
      if (text_[at_] != '\\') {
        out_.push_back(text_[at_++]);
      } else if (++at_ == text_.size()) {
        Fail("\\ at end of string");
      } else {
        Escape(text_[at_]);
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void Fail(const std::string& message) const {
    throw TemplateError(Fault::kSyntax, message, line_);
  }

  void Escape(char c) {
    constexpr std::string_view kLetters = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    const size_t simple = kLetters.find(c);
    if (simple != std::string_view::npos) {
      out_.push_back(kMeanings[simple]);
      ++at_;
    } else if (c == '\n') {
      ++at_;
    } else if (c >= '0' && c <= '7') {
      Octal();
    } else if (c == 'x') {
      Hex(2, "truncated \\xXX escape");
    } else if (c == 'u') {
      Hex(4, "truncated \\uXXXX escape");
    } else if (c == 'U') {
      Hex(8, "truncated \\UXXXXXXXX escape");
    } else if (c == 'N') {
      Fail("\\N{name} escapes are not supported");
    } else {
      out_.push_back('\\');
      if (static_cast<unsigned char>(c) >= 0x80) SpellOut();
    }
  }

  void Octal() {
    uint32_t value = 0;
    for (int i = 0; i < 3 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i) {
      value = value * 8 + static_cast<uint32_t>(text_[at_++] - '0');
    }
    AppendCodePoint(value, &out_);
  }

  void Hex(int digits, const char* message) {
    ++at_;
    uint32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const int digit = at_ < text_.size() ? HexDigit(text_[at_]) : -1;
      if (digit < 0) Fail(message);
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    if (value > 0x10ffff) Fail("illegal Unicode character");
    AppendCodePoint(value, &out_);
  }

  // Python's codec writes a letter beyond ASCII as an escape before it looks for escapes, so a
  // backslash in front of one takes that escape's own backslash.
  void SpellOut() {
    const CodePoint c = DecodeAt(text_, at_);
    const int digits = c.value < 0x100 ? 2 : c.value < 0x10000 ? 4 : 8;
    out_.push_back(digits == 2 ? 'x' : digits == 4 ? 'u' : 'U');
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) {
      out_.push_back("0123456789abcdef"[c.value >> shift & 0xf]);
    }
    at_ += c.size;
  }

  const std::string_view text_;
  const int line_;
  std::string out_;
  size_t at_ = 0;
};

}  // namespace

std::string Unescape(std::string_view literal, int line) { return Unescaper(literal, line).Run(); }

}  // namespace quire::jinja
