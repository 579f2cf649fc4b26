// kernels/kv_kind.h -- the kinds of numbers that keys and values are stored as; see kv_view.h.
//
// No standard headers (isa_tables.h says why): *_isa.cc files include this.
#pragma once

#include <stdint.h>

namespace quire {

enum class KvKind : uint8_t { kHalf, kFloat, kInt8 };

// The largest head that the kernels take.
inline constexpr uint32_t kMaxHeadDim = 256;

}  // namespace quire
