// kernels/attention_table.h -- what attention_isa.cc offers attention.cc, per instruction set.
//
// A *unit* is up to kMaxUnitQueries queries of one sequence and one KV head. Query i of the KV head
// is query head (i mod group) of row (i / group): so grouped heads and neighbouring rows share each
// pass over a tile alike. Per (query, tile) the result is a *record*:
//
//   [head_dim] acc   [16] max, repeated   [16] sum, repeated
//
// No standard headers (isa_tables.h says why).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa_tables.h"

namespace quire {

// Queries of a unit: enough that reading K and V from memory costs a tenth of the arithmetic, few
// enough that their records stay in L2 (48 * (256 + 32) floats = 54 KiB).
inline constexpr uint32_t kMaxUnitQueries = 48;

// Queries that one register tile may hold: 12 queries * 2 vectors of AVX-512's 32 registers.
inline constexpr uint32_t kMaxTileQueries = 12;

constexpr size_t RecordFloats(uint32_t head_dim) { return head_dim + 32; }

struct AttentionJob {
  const char* keys;       // of this layer and KV head, in block 0
  const char* values;     // of this layer and KV head, in block 0
  size_t block_bytes;     // from one block to the next
  const uint32_t* table;  // block ids of the sequence
  uint32_t num_blocks;    // of the table: beyond them nothing is even prefetched
  bool half;              // f16, else f32
  uint32_t head_dim;
  float scale;
  uint32_t window;          // keys with q - k < window; at least 1
  const float* q;           // of the KV head's first query head, in the sequence's row 0
  float* out;               // likewise
  size_t row_floats;        // from one row of q and out to the next
  uint32_t group;           // query heads per KV head
  uint32_t first_position;  // of row 0
  uint32_t first_query;     // of the unit
  uint32_t num_queries;     // of the unit
};

struct TileSpan {
  uint32_t begin;
  uint32_t end;
};

// One worker's memory, in floats.
struct AttentionSpace {
  float* packed;    // [kMaxUnitQueries * head_dim]   q, laid out for the register tiles
  float* scores;    // [kMaxTileQueries][256]
  float* records;   // [kMaxTileQueries] records of the tile at hand
  float* state;     // [kMaxUnitQueries] records folded so far
  float* partials;  // [tile][query] records of the unit that another worker began
};

struct AttentionTable {
  // Folds `tiles` of the unit, the first of its tiles among them, into space.state.
  void (*fold)(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space);
  // Leaves the record of each of `tiles` in space.partials.
  void (*keep)(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space);
  // Folds what keep() left into `state`.
  void (*merge)(const AttentionJob& job, TileSpan tiles, const float* partials, float* state);
  // Writes the unit's rows of `out`.
  void (*finish)(const AttentionJob& job, const float* state);
};

QUIRE_ISA_TABLES(AttentionTable, kAttention)

}  // namespace quire
