#include "engine/disk/block_shape.h"

#include <algorithm>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/token_id.h"
#include "kernels/numerics.h"

namespace quire {

BlockShape BlockShapeOf(const KvShape& shape) {
  BlockShape block{.layers = shape.layers,
                   .layer_bytes = static_cast<uint32_t>(shape.block_layer_bytes()),
                   .note_bytes = kBlockTokens * sizeof(TokenId),
                   .numerics_version = kNumericsVersion,
                   .kv_format = {}};
  const std::string_view name = KvFormatName(shape.format);
  QUIRE_CHECK(name.size() <= block.kv_format.size());
  std::ranges::copy(std::as_bytes(std::span(name)), block.kv_format.begin());
  return block;
}

}  // namespace quire
