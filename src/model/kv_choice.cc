#include "model/kv_choice.h"

#include "base/check.h"

namespace quire {
KvFormat KvFormatNamed(std::string_view name) {
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8, KvFormat::kK16V8}) {
    if (name == KvFormatName(format)) return format;
  }
  QUIRE_CHECK(name == "auto", "no such KV format");
  return kDefaultKvFormat;
}

KvShape KvShapeOf(const ModelConfig& config, KvFormat format) {
  return {.layers = config.layers,
          .kv_heads = config.kv_heads,
          .head_dim = config.head_dim,
          .format = format};
}

}  // namespace quire
