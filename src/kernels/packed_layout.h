// kernels/packed_layout.h -- where the numbers of a repacked weight matrix lie.
//
// A matrix is a row of groups, each of 16 matrix rows (lanes). A group of a quantised type is a row
// of units, a unit is a header and the planes of its 32-column blocks:
//
//   unit    [header][planes of block 0][planes of block 1]...       all multiples of 64 bytes
//   header  simple d        2 x f16[16]: d of block 0, d of block 1               2 blocks a unit
//           simple d, m     f16[16] d, f16[16] m                                  1 block
//           k d, m          f16[16] d, f16[16] dmin, u8[8][16] sc, u8[8][16] m    8 blocks
//           k d (IQ4_XS)    f16[16] d, 32 bytes unused, s8[8][16] sc              8 blocks
//           k halves        f16[16] d, f16[16] dmin or unused, u8[16][16] sc      8 blocks
//                           (one per 16 columns; Q2_K: sc in the low, m in the high nibble)
//   planes  of one block: 8 steps of 4 columns; byte 4 * row + i of a 64-byte vector belongs to
//           column 4 * step + i
//           8 bits   vector s holds step s, plus 128
//           4 bits   vector v holds step 2v in the low nibble, 2v + 1 in the high one
//           2 bits   vector v holds step 4v + i in bits 2i, 2i + 1
//           1 bit    one vector, step s in bit s
//           Weights of 5 bits are the 4-bit plane and then the fifth bit; 6 bits: 4 and 2; 3 bits:
//           2 and 1. The last unit of a row may have one block where a unit has two.
//
// Float types: [column][16 rows] in the element type of the file; a group is padded to 64 bytes.
// Functions here are static: a copy compiled for one instruction set must not serve another.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gguf/tensor_type.h"

namespace quire {

// Names this layout in files that keep repacked weights (model/repack). Whoever moves a number
// bumps it: files of other layouts are then not read.
static constexpr uint32_t kPackedLayoutVersion = 1;

struct PackedLayout {
  uint32_t unit_blocks = 0;   // 0: a float type
  uint32_t header_bytes = 0;  // of a unit
  uint32_t plane_bytes = 0;   // of a block
  uint32_t float_bytes = 0;   // of an element of a float type
};

static constexpr PackedLayout LayoutOf(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return {.float_bytes = 4};
    case TensorType::kF16:
    case TensorType::kBF16:
      return {.float_bytes = 2};
    case TensorType::kQ4_0:
    case TensorType::kIQ4_NL:
      return {.unit_blocks = 2, .header_bytes = 64, .plane_bytes = 256};
    case TensorType::kQ5_0:
      return {.unit_blocks = 2, .header_bytes = 64, .plane_bytes = 256 + 64};
    case TensorType::kQ8_0:
      return {.unit_blocks = 2, .header_bytes = 64, .plane_bytes = 512};
    case TensorType::kQ4_1:
      return {.unit_blocks = 1, .header_bytes = 64, .plane_bytes = 256};
    case TensorType::kQ5_1:
      return {.unit_blocks = 1, .header_bytes = 64, .plane_bytes = 256 + 64};
    case TensorType::kQ4_K:
      return {.unit_blocks = 8, .header_bytes = 320, .plane_bytes = 256};
    case TensorType::kQ5_K:
      return {.unit_blocks = 8, .header_bytes = 320, .plane_bytes = 256 + 64};
    case TensorType::kIQ4_XS:
      return {.unit_blocks = 8, .header_bytes = 192, .plane_bytes = 256};
    case TensorType::kQ6_K:
      return {.unit_blocks = 8, .header_bytes = 320, .plane_bytes = 256 + 128};
    case TensorType::kQ3_K:
      return {.unit_blocks = 8, .header_bytes = 320, .plane_bytes = 128 + 64};
    case TensorType::kQ2_K:
      return {.unit_blocks = 8, .header_bytes = 320, .plane_bytes = 128};
  }
  return {};
}

// Bytes of one group of 16 rows.
static constexpr size_t GroupBytes(TensorType type, uint32_t columns) {
  const PackedLayout layout = LayoutOf(type);
  if (layout.unit_blocks == 0) {
    return (size_t{columns} * 16 * layout.float_bytes + 63) / 64 * 64;
  }
  const size_t blocks = columns / 32;
  const size_t units = (blocks + layout.unit_blocks - 1) / layout.unit_blocks;
  return units * layout.header_bytes + blocks * layout.plane_bytes;
}

}  // namespace quire
