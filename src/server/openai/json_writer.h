// server/openai/json_writer.h -- writes JSON text, one value after the other, in the order given.
//
// Answers are written with it directly: no tree is built per token. Commas are its business; that
// keys and values alternate inside an object is the caller's.
//
// Invariant  what it wrote is valid UTF-8 whatever went in: bytes that are not become U+FFFD.
// Cost       linear in the text written.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace quire {

class JsonWriter {
 public:
  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Close('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Close(']'); }
  JsonWriter& Key(std::string_view key);

  JsonWriter& String(std::string_view text);
  JsonWriter& Number(std::integral auto value) { return Raw(std::to_string(value)); }
  JsonWriter& Number(double value);  // shortest text that reads back equal; null if not finite
  JsonWriter& Number(float value);
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Null() { return Raw("null"); }
  JsonWriter& Raw(std::string_view json);  // a whole value, already JSON

  // Key and value in one.
  JsonWriter& Field(std::string_view key, std::string_view text) { return Key(key).String(text); }
  JsonWriter& Field(std::string_view key, const char* text) { return Key(key).String(text); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  template <typename T>
    requires std::integral<T> || std::floating_point<T>
  JsonWriter& Field(std::string_view key, T value) {
    return Key(key).Number(value);
  }

  const std::string& text() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  JsonWriter& Open(char bracket);
  JsonWriter& Close(char bracket);
  void Separate();

  std::string out_;
  bool comma_ = false;  // the next value or key needs one before it
};

// `text` as a JSON string, in quotes.
void AppendJsonString(std::string_view text, std::string& out);

// `text` with every byte that is not part of a UTF-8 character replaced by U+FFFD.
std::string ToValidUtf8(std::string_view text);

}  // namespace quire
