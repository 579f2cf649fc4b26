// tests/support/tiny_model.h -- a small random model in GGUF, with a tokenizer, for any
// architecture.
//
// Weights are random but sane: matrices have a standard deviation near 1/sqrt(columns), so that
// activations keep the size real models have; norms are near 1. Text that a tiny model writes is
// noise, but it exercises every path a real model does.
//
// The same options give the same bytes on every machine and compiler: an integer generator of our
// own, and of floating point only what IEEE 754 rounds in one way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gguf/tensor_type.h"

namespace quire::test {

enum class TinyTokenizer {
  kByteLevel,      // "gpt2", pre-tokenizer "gpt-2": 256 bytes, a few merges, 3 control tokens
  kSentencePiece,  // "llama": unknown, control and byte tokens, letters and a few pieces
};

enum class TinyRope { kNone, kLinear, kLlama3, kYarn };

struct TinyModelOptions {
  std::string architecture = "llama";  // or qwen2, qwen3, gemma3

  uint32_t layers = 2;  // gemma3: every sixth layer is global, so 6 to see one
  uint32_t width = 256;
  uint32_t ffn = 512;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t head_dim = 64;
  uint32_t context = 4096;
  uint32_t vocab = 0;  // 0 or less than the tokenizer needs: as many as it needs

  // Of every matrix whose rows are whole blocks; of the others Q8_0, or F16 where 32 does not
  // divide the row either, as real files fall back.
  TensorType type = TensorType::kQ8_0;
  std::optional<TensorType> embedding_type =
      std::nullopt;  // token_embd and output; default: `type`

  bool tied = true;                           // false: the file has output.weight
  std::optional<bool> biases = std::nullopt;  // on q, k, v; default: qwen2 only
  std::optional<uint32_t> sliding_window =
      std::nullopt;  // default: 48 for gemma3, else none; 0: none
  float rope_base = 10000.0f;
  TinyRope rope = TinyRope::kNone;
  float rope_factor = 8.0f;
  uint32_t rope_original_context = 256;

  std::optional<TinyTokenizer> tokenizer =
      std::nullopt;           // default: kSentencePiece for gemma3, else kByteLevel
  bool chat_template = true;  // a ChatML-like one
  uint64_t seed = 1;
};

// The bytes of the file.
std::vector<std::byte> MakeTinyModel(const TinyModelOptions& options);

// Writes them to `path`.
void WriteTinyModel(const TinyModelOptions& options, const std::string& path);

}  // namespace quire::test
