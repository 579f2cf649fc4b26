#include "model/kv_choice.h"

#include "base/check.h"

namespace quire {
KvFormat ChooseKvFormat(const GgufFile& file) {
  // A bias puts the same large vector into every key, and a norm of heads gives keys and queries
  // any length it likes: scores are then large sums, of which eight bits lose too much.
  const bool plain = file.FindTensor("blk.0.attn_k.bias") == nullptr &&
                     file.FindTensor("blk.0.attn_k_norm.weight") == nullptr;
  if (!plain) return KvFormat::kK16V8;
  return KvFormat::kQ8;
}

KvFormat KvFormatNamed(std::string_view name, const GgufFile& file) {
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK16V8}) {
    if (name == KvFormatName(format)) return format;
  }
  QUIRE_CHECK(name == "auto", "no such KV format");
  return ChooseKvFormat(file);
}

KvShape KvShapeOf(const ModelConfig& config, KvFormat format) {
  return {.layers = config.layers,
          .kv_heads = config.kv_heads,
          .head_dim = config.head_dim,
          .format = format};
}

}  // namespace quire
