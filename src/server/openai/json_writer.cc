#include "server/openai/json_writer.h"

#include <charconv>
#include <cmath>

#include "text/detokenizer.h"

namespace quire {

std::string ToValidUtf8(std::string_view text) {
  std::string out;
  std::string pending;
  AppendValidUtf8(text, pending, out);
  if (!pending.empty()) out += "\xEF\xBF\xBD";
  return out;
}

namespace {

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  }
  return true;
}

void AppendEscaped(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (byte >= 0x20) {
          out += c;
        } else {
          out += "\\u00";
          out += kHex[byte >> 4];
          out += kHex[byte & 15];
        }
    }
  }
}

template <typename T>
std::string_view Shortest(T value, char (&buffer)[32]) {
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  return {buffer, static_cast<size_t>(result.ptr - buffer)};
}

}  // namespace

void AppendJsonString(std::string_view text, std::string& out) {
  out += '"';
  if (IsAscii(text)) {
    AppendEscaped(text, out);
  } else {
    AppendEscaped(ToValidUtf8(text), out);
  }
  out += '"';
}

void JsonWriter::Separate() {
  if (comma_) out_ += ',';
}

JsonWriter& JsonWriter::Open(char bracket) {
  Separate();
  out_ += bracket;
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::Close(char bracket) {
  out_ += bracket;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Key(std::string_view key) {
  Separate();
  AppendJsonString(key, out_);
  out_ += ':';
  comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::String(std::string_view text) {
  Separate();
  AppendJsonString(text, out_);
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Raw(std::string_view json) {
  Separate();
  out_ += json;
  comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::Number(double value) {
  char buffer[32];
  return std::isfinite(value) ? Raw(Shortest(value, buffer)) : Null();
}

JsonWriter& JsonWriter::Number(float value) {
  char buffer[32];
  return std::isfinite(value) ? Raw(Shortest(value, buffer)) : Null();
}

}  // namespace quire
