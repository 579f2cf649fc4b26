#include "model/config.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

#include "gguf/byte_reader.h"
#include "model/metadata_reader.h"
#include "model/rope_config.h"

namespace quire {
namespace {

// Bounds that no real model comes near and below which no product here overflows 64 bits. The
// scratch of attention grows with the context: gigabytes of addresses at its bound.
constexpr uint64_t kMaxLayers = 1024;
constexpr uint64_t kMaxWidth = uint64_t{1} << 18;
constexpr uint64_t kMaxHeads = 1024;
constexpr uint64_t kMaxHeadDim = 256;  // of the attention kernels
constexpr uint64_t kMaxContext = uint64_t{1} << 23;
constexpr uint64_t kMaxVocabulary = uint64_t{1} << 24;
constexpr uint32_t kLanes = 16;  // kernels work on whole vectors

// What a family fixes and its files do not say.
struct Family {
  std::string_view name;
  Architecture architecture;
  RopeKind rope;
  GateKind gate;
};
constexpr std::array kFamilies = {
    Family{"llama", Architecture::kLlama, RopeKind::kAdjacent, GateKind::kSilu},
    Family{"qwen2", Architecture::kQwen2, RopeKind::kHalves, GateKind::kSilu},
    Family{"qwen3", Architecture::kQwen3, RopeKind::kHalves, GateKind::kSilu},
    Family{"gemma3", Architecture::kGemma3, RopeKind::kHalves, GateKind::kGeluTanh},
};

Result<Family> FindFamily(const GgufFile& file) {
  const auto name = file.GetString("general.architecture");
  if (!name) {
    return Refuse(ErrorCode::kCorrupt, "metadata key 'general.architecture' is missing");
  }
  std::string known;
  for (const Family& family : kFamilies) {
    if (family.name == *name) return family;
    known += (known.empty() ? "" : ", ") + std::string(family.name);
  }
  return Refuse(
      ErrorCode::kUnsupported,
      fmt::format("architecture {} is not supported; Quire runs {}", Quoted(*name), known));
}

std::unexpected<Error> Contradiction(std::string message) {
  return Refuse(ErrorCode::kCorrupt, std::move(message));
}

Status RefuseWhatWeWouldRunWrongly(const MetadataReader& metadata) {
  QUIRE_TRY(const uint32_t experts, metadata.Uint("expert_count", {0, UINT32_MAX}, 0));
  if (experts > 0) {
    return Refuse(
        ErrorCode::kUnsupported,
        fmt::format("this is a mixture of {} experts; Quire runs dense models only", experts));
  }
  for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    QUIRE_TRY(const double cap, metadata.Float(name, {0, 1e9}, 0.0));
    if (cap != 0) {
      return Refuse(ErrorCode::kUnsupported, fmt::format("metadata key '{}' asks for a soft cap "
                                                         "on logits, which Quire does not apply",
                                                         metadata.Key(name)));
    }
  }
  return {};
}

Status ReadSizes(const MetadataReader& metadata, ModelConfig& config) {
  QUIRE_TRY(config.layers, metadata.Uint("block_count", {1, kMaxLayers}));
  QUIRE_TRY(config.width, metadata.Uint("embedding_length", {kLanes, kMaxWidth}));
  QUIRE_TRY(config.ffn_width,
            metadata.UniformUint("feed_forward_length", {kLanes, kMaxWidth}, config.layers));
  QUIRE_TRY(config.query_heads,
            metadata.UniformUint("attention.head_count", {1, kMaxHeads}, config.layers));
  QUIRE_TRY(config.kv_heads, metadata.UniformUint("attention.head_count_kv", {1, kMaxHeads},
                                                  config.layers, config.query_heads));
  QUIRE_TRY(config.context_length, metadata.Uint("context_length", {1, kMaxContext}));
  if (config.query_heads % config.kv_heads != 0) {
    return Contradiction(fmt::format("{} query heads cannot share {} key/value heads evenly",
                                     config.query_heads, config.kv_heads));
  }
  if (config.width % kLanes != 0 || config.ffn_width % kLanes != 0) {
    return Refuse(ErrorCode::kUnsupported, fmt::format("widths {} and {} must be multiples of {}",
                                                       config.width, config.ffn_width, kLanes));
  }
  return {};
}

Status ReadHeadDim(const MetadataReader& metadata, ModelConfig& config) {
  if (!metadata.Has("attention.key_length") && config.width % config.query_heads != 0) {
    return Contradiction(fmt::format("width {} is no multiple of {} heads, and '{}' is missing",
                                     config.width, config.query_heads,
                                     metadata.Key("attention.key_length")));
  }
  QUIRE_TRY(config.head_dim, metadata.Uint("attention.key_length", {1, kMaxWidth},
                                           config.width / config.query_heads));
  QUIRE_TRY(const uint32_t values,
            metadata.Uint("attention.value_length", {1, kMaxWidth}, config.head_dim));
  if (values != config.head_dim) {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("keys of {} and values of {} dimensions: Quire needs them equal",
                              config.head_dim, values));
  }
  if (config.head_dim % kLanes != 0 || config.head_dim > kMaxHeadDim) {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("heads of {} dimensions: Quire runs multiples of {} up to {}",
                              config.head_dim, kLanes, kMaxHeadDim));
  }
  return {};
}

Status ReadScales(const MetadataReader& metadata, ModelConfig& config) {
  constexpr FloatRange kScale = {1e-6, 1e6};
  QUIRE_TRY(const double epsilon,
            metadata.Float("attention.layer_norm_rms_epsilon", {1e-12, 1e-1}));
  config.norm_epsilon = static_cast<float>(epsilon);
  const bool gemma = config.architecture == Architecture::kGemma3;
  // The 27B gemma3 (62 layers) scales by its width per head, all others by the head's dimension.
  const double scaled_dims = gemma && config.layers == 62
                                 ? static_cast<double>(config.width) / config.query_heads
                                 : config.head_dim;
  QUIRE_TRY(const double attention,
            metadata.Float("attention.scale", kScale, 1 / std::sqrt(scaled_dims)));
  QUIRE_TRY(
      const double embedding,
      metadata.Float("embedding_scale", kScale, gemma ? std::sqrt(double{1} * config.width) : 1));
  QUIRE_TRY(const double residual, metadata.Float("residual_scale", kScale, 1.0));
  QUIRE_TRY(const double logit, metadata.Float("logit_scale", kScale, 1.0));
  config.attention_scale = static_cast<float>(attention);
  config.embedding_scale = static_cast<float>(embedding);
  config.residual_scale = static_cast<float>(residual);
  config.logit_scale = static_cast<float>(1 / logit);  // files state the divisor
  return {};
}

// Files may shrink the divisors of frequencies; angles must stay within what FillRopeTable reduces.
Status CheckFrequencies(const RopeConfig& rope) {
  constexpr double kMaxFrequency = 64;  // unscaled ones are 1 at most
  static_assert(kMaxFrequency * kMaxContext < kMaxRopeAngle);
  for (const double frequency : rope.inverse_frequency) {
    if (!(frequency >= 0 && frequency <= kMaxFrequency)) {
      return Contradiction(
          fmt::format("rope scaling gives a frequency of {}; at most {} is expected", frequency,
                      kMaxFrequency));
    }
  }
  return {};
}

Status ReadRope(const MetadataReader& metadata, const Family& family, ModelConfig& config) {
  constexpr FloatRange kBase = {1.5, 1e12};
  QUIRE_TRY(const double base, metadata.Float("rope.freq_base", kBase, 10000.0));
  QUIRE_TRY(const uint32_t dims,
            metadata.Uint("rope.dimension_count", {2, kMaxHeadDim}, config.head_dim));
  if (dims > config.head_dim || dims % 2 != 0) {
    return Contradiction(fmt::format("'{}' is {}, for heads of {} dimensions",
                                     metadata.Key("rope.dimension_count"), dims, config.head_dim));
  }
  config.rope = {
      .kind = family.rope, .dims = dims, .inverse_frequency = InverseFrequencies(base, dims)};
  config.local_rope = config.rope;
  if (family.architecture != Architecture::kGemma3) {
    Status scaled = ScaleRope(metadata, base, config.rope);
    config.local_rope = config.rope;
    return scaled;
  }
  // gemma3 stretches its global layers only; the local base is a constant of the family.
  QUIRE_TRY(const double local_base, metadata.Float("rope.freq_base_swa", kBase, 10000.0));
  config.local_rope.inverse_frequency = InverseFrequencies(local_base, dims);
  return ScaleRope(metadata, base, config.rope);
}

// Which layers see only the last `window` tokens.
Status ReadWindows(const MetadataReader& metadata, ModelConfig& config) {
  config.windowed.assign(config.layers, false);
  const bool gemma = config.architecture == Architecture::kGemma3;
  // qwen's files carry a window that the models were not trained to use.
  if (!gemma && config.architecture != Architecture::kLlama) return {};
  QUIRE_TRY(config.window, gemma ? metadata.Uint("attention.sliding_window", {1, kMaxContext})
                                 : metadata.Uint("attention.sliding_window", {0, kMaxContext}, 0));
  if (config.window == 0) return {};
  // One layer in `pattern` is global, the last of each group: every sixth one of gemma3, none of
  // Mistral's.
  QUIRE_TRY(const uint32_t pattern, metadata.Uint("attention.sliding_window_pattern",
                                                  {1, kMaxLayers}, gemma ? 6 : kMaxLayers));
  for (uint32_t i = 0; i < config.layers; ++i) {
    config.windowed[i] = pattern == kMaxLayers || (i + 1) % pattern != 0;
  }
  return {};
}

Status ReadVocabulary(const GgufFile& file, ModelConfig& config) {
  const TensorInfo* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr) return Contradiction("tensor 'token_embd.weight' is missing");
  if (embedding->columns() != config.width || embedding->rows() > kMaxVocabulary ||
      embedding->rows() == 0) {
    return Contradiction(
        fmt::format("tensor 'token_embd.weight' is {} x {}; {} columns and at "
                    "most {} rows are expected",
                    embedding->columns(), embedding->rows(), config.width, kMaxVocabulary));
  }
  config.vocab_size = static_cast<uint32_t>(embedding->rows());
  const auto tokens = file.GetStrings("tokenizer.ggml.tokens");
  if (tokens && tokens->size() > config.vocab_size) {
    return Contradiction(fmt::format("the tokenizer has {} tokens, the model only {}",
                                     tokens->size(), config.vocab_size));
  }
  return {};
}

std::string NameOf(const GgufFile& file) {
  if (const auto name = file.GetString("general.name"); name && !name->empty()) {
    return std::string(*name);
  }
  if (file.paths().empty()) return "unnamed";
  std::string stem = file.paths().front();
  if (const auto slash = stem.rfind('/'); slash != std::string::npos) stem.erase(0, slash + 1);
  if (stem.ends_with(".gguf")) stem.resize(stem.size() - 5);
  return stem;
}

}  // namespace

Result<ModelConfig> ReadModelConfig(const GgufFile& file) {
  QUIRE_TRY(const Family family, FindFamily(file));
  const MetadataReader metadata(file, std::string(family.name));
  ModelConfig config;
  config.architecture = family.architecture;
  config.architecture_name = family.name;
  config.name = NameOf(file);
  config.gate = family.gate;
  Status status = RefuseWhatWeWouldRunWrongly(metadata);
  if (status) status = ReadSizes(metadata, config);
  if (status) status = ReadHeadDim(metadata, config);
  if (status) status = ReadScales(metadata, config);
  if (status) status = ReadRope(metadata, family, config);
  if (status) status = CheckFrequencies(config.rope);
  if (status) status = ReadWindows(metadata, config);
  if (status) status = ReadVocabulary(file, config);
  if (!status) return std::unexpected(std::move(status).error());
  return config;
}

}  // namespace quire
