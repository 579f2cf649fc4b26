// model/config.h -- what a model is: the numbers its metadata states, checked and completed.
//
// Facts that a family fixes and its files leave out (gemma3's local rope base, its window pattern)
// are filled in here, so that the forward pass reads one struct and knows no file format.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "gguf/gguf_file.h"
#include "kernels/ops.h"

namespace quire {

enum class Architecture : uint8_t { kLlama, kQwen2, kQwen3, kGemma3 };

struct RopeConfig {
  RopeKind kind = RopeKind::kHalves;
  uint32_t dims = 0;                      // rotated dimensions of a head, even
  float magnitude = 1.0f;                 // yarn's attention factor; 1 otherwise
  std::vector<double> inverse_frequency;  // [dims / 2], scaling (linear, llama3, yarn) applied
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string architecture_name;  // as in the file: "llama"
  std::string name;               // general.name, or the file's stem
  uint32_t layers = 0;
  uint32_t width = 0;  // of the residual stream
  uint32_t ffn_width = 0;
  uint32_t query_heads = 0;
  uint32_t kv_heads = 0;
  uint32_t head_dim = 0;
  uint32_t vocab_size = 0;
  uint32_t context_length = 0;  // tokens the model was trained for
  float norm_epsilon = 0;
  float attention_scale = 0;  // usually 1 / sqrt(head_dim)
  float embedding_scale = 1;  // gemma: sqrt(width)
  float residual_scale = 1;   // granite-like llama files
  float logit_scale = 1;
  GateKind gate = GateKind::kSilu;
  uint32_t window = 0;         // tokens; 0: no layer has a sliding window
  std::vector<bool> windowed;  // [layers]
  RopeConfig rope;             // of global layers
  RopeConfig local_rope;       // of windowed layers; equal to rope where the family has one

  uint32_t query_width() const { return query_heads * head_dim; }
  uint32_t kv_width() const { return kv_heads * head_dim; }
  uint32_t window_of(uint32_t layer) const { return windowed[layer] ? window : 0; }
  const RopeConfig& rope_of(uint32_t layer) const { return windowed[layer] ? local_rope : rope; }

  uint64_t kv_values_per_token() const {  // keys and values, all layers
    return uint64_t{2} * layers * kv_heads * head_dim;
  }
};

// Reads and checks the configuration. kUnsupported for an architecture Quire does not run (naming
// it and those it does), kCorrupt for values that contradict each other or the tensors.
Result<ModelConfig> ReadModelConfig(const GgufFile& file);

}  // namespace quire
