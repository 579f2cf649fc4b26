#include "tests/support/tiny_vocab.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace quire::test {
namespace {

enum TokenKind : int32_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };

struct Vocab {
  std::vector<std::string> pieces;
  std::vector<int32_t> kinds;
  std::vector<float> scores;

  uint32_t Add(std::string piece, TokenKind kind, float score = 0.0f) {
    pieces.push_back(std::move(piece));
    kinds.push_back(kind);
    scores.push_back(score);
    return static_cast<uint32_t>(pieces.size() - 1);
  }
  // Fills up behind everything else, so that the ids before do not depend on the size.
  void FillUp(uint32_t min_tokens) {
    while (pieces.size() < min_tokens) Add(fmt::format("word{}", pieces.size()), kNormal, -1e6f);
  }
};

// The UTF-8 of a code point below 0x800.
std::string Utf8(uint32_t code) {
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
}

// GPT-2's printable stand-in of every byte: itself where Latin-1 can print it, else 256, 257, ...
std::array<std::string, 256> ByteLetters() {
  std::array<std::string, 256> letters;
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
                           (byte >= 0xAE && byte <= 0xFF);
    letters[byte] = Utf8(printable ? byte : next++);
  }
  return letters;
}

}  // namespace

uint32_t AddByteLevelVocab(GgufWriter& writer, uint32_t min_tokens) {
  Vocab vocab;
  for (const std::string& letter : ByteLetters()) vocab.Add(letter, kNormal);
  const std::string space = ByteLetters()[' '];
  const std::vector<std::pair<std::string, std::string>> merges = {
      {"t", "h"},  {"th", "e"}, {space, "the"}, {"i", "n"},   {"in", "g"},  {"a", "n"},
      {"an", "d"}, {"o", "n"},  {"e", "r"},     {"r", "e"},   {space, "a"}, {space, "s"},
      {"l", "l"},  {"h", "e"},  {"o", "u"},     {space, "w"}, {"a", "t"}};
  std::vector<std::string> merge_lines;
  for (const auto& [left, right] : merges) {
    vocab.Add(left + right, kNormal);
    merge_lines.push_back(left + " " + right);
  }
  const uint32_t end_of_text = vocab.Add("<|endoftext|>", kControl);
  vocab.Add("<|im_start|>", kControl);
  const uint32_t end_of_turn = vocab.Add("<|im_end|>", kControl);
  vocab.FillUp(min_tokens);

  writer.AddString("tokenizer.ggml.model", "gpt2");
  writer.AddString("tokenizer.ggml.pre", "gpt-2");
  writer.AddStrings("tokenizer.ggml.tokens", vocab.pieces);
  writer.AddInts("tokenizer.ggml.token_type", vocab.kinds);
  writer.AddStrings("tokenizer.ggml.merges", merge_lines);
  writer.AddUint("tokenizer.ggml.bos_token_id", end_of_text);
  writer.AddUint("tokenizer.ggml.eos_token_id", end_of_turn);
  writer.AddBool("tokenizer.ggml.add_bos_token", false);
  return static_cast<uint32_t>(vocab.pieces.size());
}

uint32_t AddSentencePieceVocab(GgufWriter& writer, uint32_t min_tokens) {
  const std::string space = "\xE2\x96\x81";  // U+2581
  Vocab vocab;
  const uint32_t unknown = vocab.Add("<unk>", kUnknown);
  const uint32_t begin = vocab.Add("<s>", kControl);
  const uint32_t end = vocab.Add("</s>", kControl);
  vocab.Add("<|im_start|>", kControl);
  vocab.Add("<|im_end|>", kControl);
  for (int byte = 0; byte < 256; ++byte) vocab.Add(fmt::format("<0x{:02X}>", byte), kByte);
  float score = -1.0f;  // the higher, the earlier a piece is joined
  for (const char* piece : {"th", "the", "in", "ing", "an", "and", "on", "er", "re", "ou", "at"}) {
    vocab.Add(piece, kNormal, score--);
  }
  for (const char* word : {"the", "a", "s", "w", "and"}) vocab.Add(space + word, kNormal, score--);
  vocab.Add(space, kNormal, score--);
  for (char c = '!'; c <= '~'; ++c) vocab.Add(std::string(1, c), kNormal, score--);
  vocab.FillUp(min_tokens);

  writer.AddString("tokenizer.ggml.model", "llama");
  writer.AddString("tokenizer.ggml.pre", "default");
  writer.AddStrings("tokenizer.ggml.tokens", vocab.pieces);
  writer.AddFloats("tokenizer.ggml.scores", vocab.scores);
  writer.AddInts("tokenizer.ggml.token_type", vocab.kinds);
  writer.AddUint("tokenizer.ggml.bos_token_id", begin);
  writer.AddUint("tokenizer.ggml.eos_token_id", end);
  writer.AddUint("tokenizer.ggml.unknown_token_id", unknown);
  writer.AddBool("tokenizer.ggml.add_bos_token", true);
  writer.AddBool("tokenizer.ggml.add_space_prefix", false);
  return static_cast<uint32_t>(vocab.pieces.size());
}

}  // namespace quire::test
