#include "server/openai/logprobs_json.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "text/tokenizer.h"

namespace quire {
namespace {

constexpr float kImpossible = -9999.0f;

float Finite(float logprob) { return std::isfinite(logprob) ? logprob : kImpossible; }

void WriteChatToken(std::string_view piece, float logprob, JsonWriter& json) {
  json.Field("token", piece).Field("logprob", Finite(logprob));
  json.Key("bytes").BeginArray();
  for (const char c : piece) json.Number(static_cast<int>(static_cast<unsigned char>(c)));
  json.EndArray();
}

std::string CompletionToken(std::string_view piece) {
  std::string valid = ToValidUtf8(piece);
  if (valid == piece) return valid;
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "bytes:";
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    out.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
  }
  return out;
}

}  // namespace

size_t CountCharacters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

void CharacterCounter::Add(std::string_view piece) {
  for (const char c : piece) {
    const auto byte = static_cast<unsigned char>(c);
    const bool continues = (byte & 0xC0) == 0x80;
    if (continues && missing_ > 0) {
      ++seen_;
      if (--missing_ > 0) continue;
      seen_ = 0;
      ++characters_;
      continue;
    }
    characters_ += seen_;  // a character that never ended
    seen_ = missing_ = 0;
    if (byte >= 0xC2 && byte <= 0xF4) {
      missing_ = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      seen_ = 1;
    } else {
      ++characters_;
    }
  }
}

void ChatLogprobs::Add(const Tokenizer& tokenizer, const SampledToken& sampled) {
  items_.BeginObject();
  WriteChatToken(tokenizer.Piece(sampled.token), sampled.logprob, items_);
  items_.Key("top_logprobs").BeginArray();
  for (const TokenLogprob& top : sampled.top) {
    items_.BeginObject();
    WriteChatToken(tokenizer.Piece(top.token), top.logprob, items_);
    items_.EndObject();
  }
  items_.EndArray().EndObject();
}

void ChatLogprobs::Write(JsonWriter& json) const {
  json.BeginObject().Key("content").Raw("[" + items_.text() + "]");
  json.Key("refusal").Null().EndObject();
}

void CompletionLogprobs::Add(const Tokenizer& tokenizer, const SampledToken& sampled,
                             size_t text_offset, Known known) {
  tokens_.String(CompletionToken(tokenizer.Piece(sampled.token)));
  offsets_.Number(text_offset);
  if (known == Known::kNo) {
    logprobs_.Null();
    top_.Null();
    return;
  }
  logprobs_.Number(Finite(sampled.logprob));
  top_.BeginObject();
  std::set<std::string> written;  // different tokens may have the same text: the likelier stays
  for (const TokenLogprob& top : sampled.top) {
    std::string text = CompletionToken(tokenizer.Piece(top.token));
    if (written.insert(text).second) top_.Field(text, Finite(top.logprob));
  }
  top_.EndObject();
}

void CompletionLogprobs::Write(JsonWriter& json) const {
  json.BeginObject();
  json.Key("tokens").Raw("[" + tokens_.text() + "]");
  json.Key("token_logprobs").Raw("[" + logprobs_.text() + "]");
  json.Key("top_logprobs").Raw("[" + top_.text() + "]");
  json.Key("text_offset").Raw("[" + offsets_.text() + "]");
  json.EndObject();
}

}  // namespace quire
