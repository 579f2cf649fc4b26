// engine/disk/block_shape.h -- the KV of a model as records on disk and on their way know it.
#pragma once

#include "kernels/kv_view.h"
#include "tier/ssd/record_format.h"

namespace quire {

BlockShape BlockShapeOf(const KvShape& shape);

}  // namespace quire
