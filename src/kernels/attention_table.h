// kernels/attention_table.h -- what attention_isa.cc offers attention.cc, per instruction set.
//
// A *unit* is up to kMaxUnitQueries queries of one KV head: those of its *members*, each a stretch
// of the queries of one sequence. Query i of a sequence is query head (i mod group) of row
// (i / group): so grouped heads and neighbouring rows share each pass over a tile alike, and so do
// neighbouring members in tiles whose blocks are the same. Per (query, tile) the result is a
// *record*:
//
//   [head_dim] acc   [16] max, repeated   [16] sum, repeated
//
// No standard headers (isa_tables.h says why).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "kernels/isa_tables.h"
#include "kernels/kv_kind.h"

namespace quire {

// Queries of a unit: enough that reading K and V from memory costs a tenth of the arithmetic, few
// enough that their records stay in L2 (72 * (256 + 32) floats = 81 KiB). A multiple of the queries
// of a register tile.
inline constexpr uint32_t kMaxUnitQueries = 72;

// Queries that one register tile may hold: 12 queries * 2 vectors of AVX-512's 32 registers.
inline constexpr uint32_t kMaxTileQueries = 12;

constexpr size_t RecordFloats(uint32_t head_dim) { return head_dim + 32; }

struct TileSpan {
  uint32_t begin;
  uint32_t end;
};

// Queries [first_query, first_query + num_queries) of one sequence and any KV head.
struct AttentionMember {
  const uint32_t* table;  // block ids of the sequence
  uint32_t num_blocks;    // of the table: beyond them nothing is even prefetched
  uint32_t first_row;     // in the batch, of the sequence's row 0
  uint32_t first_position;
  uint32_t first_query;
  uint32_t num_queries;
  uint32_t unit_query;  // of its first query, counted in the unit
  TileSpan shared;      // wholly attended by all queries of this and the next member, same blocks
};

// One unit of one KV head of one layer.
struct AttentionJob {
  const char* keys;    // of this layer and KV head, in block 0
  const char* values;  // of this layer and KV head, in block 0
  size_t block_bytes;  // from one block to the next
  KvKind key_kind;
  KvKind value_kind;
  uint32_t head_dim;
  float scale;
  uint32_t window;    // keys with q - k < window; at least 1
  const float* q;     // of the KV head's first query head, in row 0 of the batch
  float* out;         // likewise
  size_t row_floats;  // from one row of q and out to the next
  uint32_t group;     // query heads per KV head
  const AttentionMember* members;
  uint32_t num_members;
  uint32_t num_queries;  // of all members
};

// Tokens [begin, end), counted from the start of the sequence; empty unless begin < end.
struct TokenSpan {
  uint32_t begin;
  uint32_t end;
};

// The tokens that queries [first, last] of `member` (counted from its first) attend to: for one
// query the rule that decides whether a tile takes part in its fold. Neighbouring rows have
// neighbouring positions, so every token between the ends is attended to by some query.
constexpr TokenSpan AttendedTokens(const AttentionMember& member, uint32_t group, uint32_t window,
                                   TokenSpan queries) {
  const uint32_t low = member.first_position + (member.first_query + queries.begin) / group;
  const uint32_t high = member.first_position + (member.first_query + queries.end - 1) / group;
  return {low >= window ? low - window + 1 : 0, high + 1};
}

// One worker's memory.
struct AttentionSpace {
  float* packed;    // [kMaxUnitQueries * head_dim]   q, laid out for the register tiles
  int16_t* words;   // [kMaxUnitQueries * head_dim]   q in 16 bits, for keys of 8
  float* factors;   // [kMaxUnitQueries]   of a score in integers
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
