// kernels/matmul_table.h -- what matmul.cc and matmul_*_isa.cc agree on: jobs and activation
// panels.
//
// Tokens are cut into panels of 1..kPanelTokens neighbours, as equal as can be, so that one
// register tile takes a whole panel. Columns are cut into chunks of ChunkBlocks() blocks of 32; all
// panels of the first chunk lie one after another, then those of the second, and so on. A panel of
// `width` tokens holds, for each block of a chunk, one record, 4 bytes per token in each of its 13
// rows:
//
//   rows 0..7   step s: columns 4s .. 4s + 3 as int8
//   rows 8..10  minus the sum of the int8 values: of the block, of its first and second half
//               (int32, or what else the DotSum of the instruction set starts from)
//   row 11      da, the scale of the block (float)
//   row 12      da * sum (float)
//
// or, as float32, [column][width].
//
// No standard headers: *_isa.cc files include this.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "gguf/tensor_type.h"
#include "kernels/isa_tables.h"

namespace quire {

// 6 tokens x 2 row vectors are 12 int32 and 12 float accumulators of 32 AVX-512 registers.
inline constexpr uint32_t kPanelTokens = 6;
inline constexpr uint32_t kRecordRows = 13;

static constexpr uint32_t PanelCount(uint32_t tokens) {
  return (tokens + kPanelTokens - 1) / kPanelTokens;
}
static constexpr uint32_t PanelBegin(uint32_t tokens, uint32_t panel) {
  return static_cast<uint32_t>(uint64_t{tokens} * panel / PanelCount(tokens));
}
// The panel that holds `token`.
static constexpr uint32_t PanelOf(uint32_t tokens, uint32_t token) {
  const uint64_t panels = PanelCount(tokens);
  return static_cast<uint32_t>(((token + 1) * panels - 1) / tokens);
}

// Columns that are multiplied with all tokens before the next ones are touched: their weights,
// unpacked, and a panel of activations stay in the first-level cache, the activations of all tokens
// in the second. Even, and 8 where rows are whole units of 8 blocks; at most 10.
static constexpr uint32_t ChunkBlocks(uint32_t blocks) {
  if (blocks % 8 == 0) return 8;
  const uint32_t chunks = (blocks + 9) / 10;
  return ((blocks + chunks - 1) / chunks + 1) / 2 * 2;
}

// Where the record of a block begins, in 4-byte numbers from the first one's.
struct RecordPlace {
  uint32_t tokens;  // of all panels
  uint32_t blocks;  // of a row

  constexpr size_t At(uint32_t first_token, uint32_t width, uint32_t block) const {
    const uint32_t chunk_blocks = ChunkBlocks(blocks);
    const uint32_t first = block / chunk_blocks * chunk_blocks;
    const uint32_t count = blocks - first < chunk_blocks ? blocks - first : chunk_blocks;
    return kRecordRows *
           (size_t{first} * tokens + size_t{first_token} * count + size_t{block - first} * width);
  }
};

// A product of some row groups and all tokens.
struct MatMulJob {
  TensorType type = TensorType::kF32;
  uint32_t columns = 0;
  uint32_t tokens = 0;
  const uint8_t* groups = nullptr;  // of the first row
  uint32_t rows = 0;                // to compute; only the last group may be partial
  const uint8_t* int8 = nullptr;    // panels, one after another
  const float* f32 = nullptr;
  const float* bias = nullptr;  // of the first row, or null
  float* out = nullptr;         // of the first row and token
  size_t stride = 0;
  bool accumulate = false;
};

struct MatMulTable {
  // Writes one token's column of the records of a panel; `first` is its place in row 0 of record 0.
  void (*quantize)(const float* x, uint32_t blocks, uint32_t width, uint8_t* first);
  void (*multiply)(const MatMulJob& job);
};

QUIRE_ISA_TABLES(MatMulTable, kMatMulTable)

}  // namespace quire
