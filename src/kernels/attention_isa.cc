#include "kernels/attention_table.h"
#include "kernels/elementary.h"
#include "kernels/lanes.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kBlock = 16;  // tokens
constexpr uint32_t kTile = 256;  // tokens
constexpr uint32_t kTileBlocks = kTile / kBlock;

// A register tile holds kQueries x Vectors(queries) accumulators.
#if defined(QUIRE_ISA_avx512)
constexpr uint32_t kQueries = 12;  // 24 of 32 registers, 2 vectors of K or V, 1 broadcast
constexpr uint32_t Vectors(uint32_t queries) { return queries > 6 ? 2 : 4; }
#else
constexpr uint32_t kQueries = 6;  // 12 of 16 half-width registers, 2 of K or V, 1 broadcast
constexpr uint32_t Vectors(uint32_t queries) { return queries > 2 ? 1 : 2; }
#endif
static_assert(kQueries <= kMaxTileQueries && kMaxUnitQueries % kQueries == 0);

struct Half {
  using Value = uint16_t;
  static QUIRE_INLINE F32x16 Load(const uint16_t* p) { return LoadF16(p); }
};
struct Float {
  using Value = float;
  static QUIRE_INLINE F32x16 Load(const float* p) { return LoadF32(p); }
};

// Tokens [begin, end), counted from the start of the sequence; empty unless begin < end.
struct Tokens {
  uint32_t begin;
  uint32_t end;
};

// The tokens of `tile` that queries [first, last] of the unit attend to: for one query the rule
// that decides whether the tile takes part in its fold. Neighbouring rows have neighbouring
// positions, so every token between the ends is attended to by some query.
QUIRE_INLINE Tokens TokensOf(const AttentionJob& job, uint32_t tile, uint32_t first,
                             uint32_t last) {
  const uint32_t low = job.first_position + (job.first_query + first) / job.group;
  const uint32_t high = job.first_position + (job.first_query + last) / job.group;
  const uint32_t oldest = low >= job.window ? low - job.window + 1 : 0;
  const uint32_t begin = tile * kTile;
  return {oldest > begin ? oldest : begin, high + 1 < begin + kTile ? high + 1 : begin + kTile};
}

QUIRE_INLINE size_t OffsetOf(const AttentionJob& job, uint32_t query) {
  const uint32_t i = job.first_query + query;
  return i / job.group * job.row_floats + size_t{i % job.group} * job.head_dim;
}

template <typename Format>
QUIRE_INLINE const typename Format::Value* BlockAt(const AttentionJob& job, const char* base,
                                                   uint32_t block) {
  return reinterpret_cast<const typename Format::Value*>(base + job.table[block] * job.block_bytes);
}

// Memory is asked for a tile ahead: values while their keys are scored, keys of the next tile while
// values are added; both lie alike in their blocks. 32 KiB ahead is too far for L1, so L2.
QUIRE_INLINE void Prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// scores[query][16 * vector + lane] = sum over d ascending of q[d] * key[d] of vectors
// [0, kVectors) of 16 tokens. `packed`: [head_dim][kCount].
template <typename Format, uint32_t kCount, uint32_t kVectors>
QUIRE_INLINE void ScoreBlocks(const AttentionJob& job, const float* packed, uint32_t block,
                              float* scores) {
  const typename Format::Value* keys[kVectors];
  F32x16 sums[kVectors][kCount];
  const ptrdiff_t to_values = job.values - job.keys;
#pragma GCC unroll 16
  for (uint32_t v = 0; v < kVectors; ++v) {
    keys[v] = BlockAt<Format>(job, job.keys, block + v);
#pragma GCC unroll 16
    for (uint32_t n = 0; n < kCount; ++n) sums[v][n] = ZeroF32();
  }
  for (uint32_t d = 0; d < job.head_dim; ++d) {
    F32x16 key[kVectors];
#pragma GCC unroll 16
    for (uint32_t v = 0; v < kVectors; ++v) {
      const typename Format::Value* const at = keys[v] + size_t{d} * kLanes;
      Prefetch(reinterpret_cast<const char*>(at) + to_values);
      key[v] = Format::Load(at);
    }
#pragma GCC unroll 16
    for (uint32_t n = 0; n < kCount; ++n) {
      const F32x16 q = SplatF32(packed[n]);
#pragma GCC unroll 16
      for (uint32_t v = 0; v < kVectors; ++v) sums[v][n] = Fma(q, key[v], sums[v][n]);
    }
    packed += kCount;
  }
#pragma GCC unroll 16
  for (uint32_t n = 0; n < kCount; ++n) {
#pragma GCC unroll 16
    for (uint32_t v = 0; v < kVectors; ++v) {
      StoreF32(scores + size_t{n} * kTile + v * kLanes, sums[v][n]);
    }
  }
}

// Scores blocks [first, end) of the sequence; the scores of a tile start with its first block.
template <typename Format, uint32_t kCount>
void Score(const AttentionJob& job, const float* packed, Tokens blocks, float* scores) {
  constexpr uint32_t kVectors = Vectors(kCount);
  uint32_t block = blocks.begin;
  for (; block + kVectors <= blocks.end; block += kVectors) {
    ScoreBlocks<Format, kCount, kVectors>(job, packed, block,
                                          scores + block % kTileBlocks * kLanes);
  }
  if constexpr (kVectors > 1) {
    for (; block < blocks.end; ++block) {
      ScoreBlocks<Format, kCount, 1>(job, packed, block, scores + block % kTileBlocks * kLanes);
    }
  }
}

// acc[query][d..] = sum over tokens ascending of probability * value, for kVectors * 16 dimensions.
template <typename Format, uint32_t kCount, uint32_t kVectors>
QUIRE_INLINE void AddValues(const AttentionJob& job, const float* probabilities, Tokens tokens,
                            uint32_t d, float* records) {
  F32x16 sums[kCount][kVectors];
#pragma GCC unroll 16
  for (uint32_t n = 0; n < kCount; ++n) {
#pragma GCC unroll 16
    for (uint32_t v = 0; v < kVectors; ++v) sums[n][v] = ZeroF32();
  }
  uint32_t t = tokens.begin;
  while (t < tokens.end) {
    const uint32_t block_end = (t / kBlock + 1) * kBlock;
    const uint32_t stop = block_end < tokens.end ? block_end : tokens.end;
    const size_t place = size_t{t % kBlock} * job.head_dim + d;
    const uint32_t ahead = t / kBlock + kTileBlocks;
    const typename Format::Value* values = BlockAt<Format>(job, job.values, t / kBlock) + place;
    const typename Format::Value* next_keys =
        BlockAt<Format>(job, job.keys, ahead < job.num_blocks ? ahead : t / kBlock) + place;
    for (; t < stop; ++t) {
      F32x16 value[kVectors];
#pragma GCC unroll 16
      for (uint32_t v = 0; v < kVectors; ++v) {
        value[v] = Format::Load(values + v * kLanes);
        if (v * kLanes * sizeof(*values) % 64 == 0) Prefetch(next_keys + v * kLanes);
      }
      next_keys += job.head_dim;
      const float* p = probabilities + t % kTile;
#pragma GCC unroll 16
      for (uint32_t n = 0; n < kCount; ++n) {
        const F32x16 weight = SplatF32(p[size_t{n} * kTile]);
#pragma GCC unroll 16
        for (uint32_t v = 0; v < kVectors; ++v) sums[n][v] = Fma(weight, value[v], sums[n][v]);
      }
      values += job.head_dim;
    }
  }
  const size_t record = RecordFloats(job.head_dim);
#pragma GCC unroll 16
  for (uint32_t n = 0; n < kCount; ++n) {
#pragma GCC unroll 16
    for (uint32_t v = 0; v < kVectors; ++v) {
      StoreF32(records + n * record + d + v * kLanes, sums[n][v]);
    }
  }
}

template <typename Format, uint32_t kCount>
void Accumulate(const AttentionJob& job, const float* probabilities, Tokens tokens,
                float* records) {
  constexpr uint32_t kVectors = Vectors(kCount);
  uint32_t d = 0;
  for (; d + kVectors * kLanes <= job.head_dim; d += kVectors * kLanes) {
    AddValues<Format, kCount, kVectors>(job, probabilities, tokens, d, records);
  }
  if constexpr (kVectors > 1) {
    for (; d < job.head_dim; d += kLanes) {
      AddValues<Format, kCount, 1>(job, probabilities, tokens, d, records);
    }
  }
}

// Score and Accumulate for each number of queries.
using ScoreFn = void (*)(const AttentionJob&, const float*, Tokens, float*);
using AccumulateFn = void (*)(const AttentionJob&, const float*, Tokens, float*);
template <typename Format>
struct ByCount {
  static constexpr ScoreFn kScore[] = {
      Score<Format, 1>,  Score<Format, 2>,  Score<Format, 3>,
      Score<Format, 4>,  Score<Format, 5>,  Score<Format, 6>,
#if defined(QUIRE_ISA_avx512)
      Score<Format, 7>,  Score<Format, 8>,  Score<Format, 9>,
      Score<Format, 10>, Score<Format, 11>, Score<Format, 12>,
#endif
  };
  static constexpr AccumulateFn kAccumulate[] = {
      Accumulate<Format, 1>,  Accumulate<Format, 2>,  Accumulate<Format, 3>,
      Accumulate<Format, 4>,  Accumulate<Format, 5>,  Accumulate<Format, 6>,
#if defined(QUIRE_ISA_avx512)
      Accumulate<Format, 7>,  Accumulate<Format, 8>,  Accumulate<Format, 9>,
      Accumulate<Format, 10>, Accumulate<Format, 11>, Accumulate<Format, 12>,
#endif
  };
};

// Turns the scores of one query in `blocks` into probabilities and completes its record. What is
// not in `tokens` is overwritten before use: it may come from memory never written.
void Softmax(float* scores, Tokens blocks, Tokens tokens, float scale, float* max_and_sum) {
  const uint32_t begin = blocks.begin * kBlock;
  const uint32_t end = blocks.end * kBlock;
  const float lowest = -__builtin_inff();
  for (uint32_t t = begin; t < tokens.begin && t < end; ++t) scores[t % kTile] = lowest;
  for (uint32_t t = tokens.end > begin ? tokens.end : begin; t < end; ++t) {
    scores[t % kTile] = lowest;
  }
  float* const first = scores + begin % kTile;
  const uint32_t size = end - begin;
  F32x16 max = SplatF32(lowest);
  for (uint32_t i = 0; i < size; i += kLanes) {
    const F32x16 score = LoadF32(first + i) * SplatF32(scale);
    StoreF32(first + i, score);
    max = Max(max, score);
  }
  max = SplatF32(ReduceMax(max));
  F32x16 sum = ZeroF32();
  for (uint32_t i = 0; i < size; i += kLanes) {
    const F32x16 probability = Exp(LoadF32(first + i) - max);
    StoreF32(first + i, probability);
    sum = sum + probability;
  }
  StoreF32(max_and_sum, max);
  StoreF32(max_and_sum + kLanes, SplatF32(ReduceAdd(sum)));
}

// state = state + record, in the order of tiles.
void FoldRecord(uint32_t head_dim, const float* record, float* state) {
  const F32x16 old_max = LoadF32(state + head_dim);
  const F32x16 tile_max = LoadF32(record + head_dim);
  const F32x16 max = Max(old_max, tile_max);
  const F32x16 old_weight = Exp(old_max - max);
  const F32x16 tile_weight = Exp(tile_max - max);
  for (uint32_t d = 0; d < head_dim; d += kLanes) {
    StoreF32(state + d, Fma(LoadF32(state + d), old_weight, LoadF32(record + d) * tile_weight));
  }
  StoreF32(state + head_dim, max);
  float* const sum = state + head_dim + kLanes;
  StoreF32(sum, Fma(LoadF32(sum), old_weight, LoadF32(record + head_dim + kLanes) * tile_weight));
}

void ClearState(const AttentionJob& job, float* state) {
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t n = 0; n < job.num_queries; ++n) {
    float* const one = state + n * record;
    for (uint32_t d = 0; d < record; d += kLanes) StoreF32(one + d, ZeroF32());
    StoreF32(one + job.head_dim, SplatF32(-__builtin_inff()));
  }
}

// Queries [begin, end) of a unit that share a register tile: as even as possible, so that 13 are
// 7 + 6 and not 12 + 1.
struct Share {
  uint32_t begin;
  uint32_t end;
};
QUIRE_INLINE uint32_t ShareCount(uint32_t queries) { return (queries + kQueries - 1) / kQueries; }
QUIRE_INLINE Share ShareOf(uint32_t queries, uint32_t index) {
  const uint32_t count = ShareCount(queries);
  return {queries * index / count, queries * (index + 1) / count};
}

// Copies the queries of each share as [head_dim][queries of the share].
void PackQueries(const AttentionJob& job, float* packed) {
  for (uint32_t i = 0; i < ShareCount(job.num_queries); ++i) {
    const Share share = ShareOf(job.num_queries, i);
    const uint32_t count = share.end - share.begin;
    float* const out = packed + size_t{share.begin} * job.head_dim;
    for (uint32_t n = 0; n < count; ++n) {
      const float* const q = job.q + OffsetOf(job, share.begin + n);
      for (uint32_t d = 0; d < job.head_dim; ++d) out[size_t{d} * count + n] = q[d];
    }
  }
}

// Leaves the records of one share in `records`; false if the tile is outside all its queries.
template <typename Format>
bool AttendShare(const AttentionJob& job, uint32_t tile, Share share, const AttentionSpace& space,
                 float* records) {
  const Tokens all = TokensOf(job, tile, share.begin, share.end - 1);
  if (all.begin >= all.end) return false;
  const Tokens blocks = {all.begin / kBlock, (all.end + kBlock - 1) / kBlock};
  const uint32_t count = share.end - share.begin;
  ByCount<Format>::kScore[count - 1](job, space.packed + size_t{share.begin} * job.head_dim, blocks,
                                     space.scores);
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t n = 0; n < count; ++n) {
    const Tokens own = TokensOf(job, tile, share.begin + n, share.begin + n);
    if (own.begin >= own.end) continue;  // what is computed for this query is never read
    Softmax(space.scores + size_t{n} * kTile, blocks, own, job.scale,
            records + n * record + job.head_dim);
  }
  ByCount<Format>::kAccumulate[count - 1](job, space.scores, all, records);
  return true;
}

template <typename Format>
void FoldTiles(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  const size_t record = RecordFloats(job.head_dim);
  PackQueries(job, space.packed);
  ClearState(job, space.state);
  for (uint32_t tile = tiles.begin; tile < tiles.end; ++tile) {
    for (uint32_t i = 0; i < ShareCount(job.num_queries); ++i) {
      const Share share = ShareOf(job.num_queries, i);
      if (!AttendShare<Format>(job, tile, share, space, space.records)) continue;
      for (uint32_t n = share.begin; n < share.end; ++n) {
        const Tokens own = TokensOf(job, tile, n, n);
        if (own.begin >= own.end) continue;
        FoldRecord(job.head_dim, space.records + (n - share.begin) * record,
                   space.state + n * record);
      }
    }
  }
}

template <typename Format>
void KeepTiles(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  const size_t record = RecordFloats(job.head_dim);
  PackQueries(job, space.packed);
  for (uint32_t tile = tiles.begin; tile < tiles.end; ++tile) {
    float* const kept = space.partials + size_t{tile - tiles.begin} * job.num_queries * record;
    for (uint32_t i = 0; i < ShareCount(job.num_queries); ++i) {
      const Share share = ShareOf(job.num_queries, i);
      AttendShare<Format>(job, tile, share, space, kept + share.begin * record);
    }
  }
}

void Fold(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  job.half ? FoldTiles<Half>(job, tiles, space) : FoldTiles<Float>(job, tiles, space);
}

void Keep(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  job.half ? KeepTiles<Half>(job, tiles, space) : KeepTiles<Float>(job, tiles, space);
}

void Merge(const AttentionJob& job, TileSpan tiles, const float* partials, float* state) {
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t tile = tiles.begin; tile < tiles.end; ++tile) {
    for (uint32_t n = 0; n < job.num_queries; ++n) {
      const Tokens own = TokensOf(job, tile, n, n);
      if (own.begin < own.end) FoldRecord(job.head_dim, partials, state + n * record);
      partials += record;
    }
  }
}

// Adding zero makes -0 into +0: the sign of a zero may depend on which rows shared the tile.
void Finish(const AttentionJob& job, const float* state) {
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t n = 0; n < job.num_queries; ++n) {
    const float* const one = state + n * record;
    float* const out = job.out + OffsetOf(job, n);
    const F32x16 factor = SplatF32(1.0f) / LoadF32(one + job.head_dim + kLanes);
    for (uint32_t d = 0; d < job.head_dim; d += kLanes) {
      StoreF32(out + d, LoadF32(one + d) * factor + ZeroF32());
    }
  }
}

}  // namespace

extern const AttentionTable kAttention;
const AttentionTable kAttention = {
    .fold = Fold,
    .keep = Keep,
    .merge = Merge,
    .finish = Finish,
};

}  // namespace quire::QUIRE_ISA_NAMESPACE
