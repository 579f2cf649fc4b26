// kernels/attention_tiles.h -- attention's two inner loops: scores of a tile, and sums of values.
//
// For attention_isa.cc only. Both are templates over the number of queries of a register tile and
// over the format that keys or values are stored in; queries come packed as [step][query], a step
// being one dimension as a float, or four as 16 bits (0 and 2, then 1 and 3) where keys are bytes.
#pragma once

#include "kernels/attention_table.h"
#include "kernels/lanes.h"

namespace quire::QUIRE_ISA_NAMESPACE {

constexpr uint32_t kLanes = 16;
constexpr uint32_t kBlock = 16;  // tokens
constexpr uint32_t kTile = 256;  // tokens
constexpr uint32_t kTileBlocks = kTile / kBlock;

// A register tile holds kQueries x Vectors(queries) accumulators.
#if defined(QUIRE_ISA_avx512)
constexpr uint32_t kQueries = 12;  // 24 of 32 registers, 2 vectors of K or V, 1 broadcast
constexpr uint32_t Vectors(uint32_t queries) { return queries > 6 ? 2 : 4; }
constexpr bool kOneVectorAtATime = false;
#else
constexpr uint32_t kQueries = 6;  // 12 of 16 half-width registers, 2 of K or V, 1 broadcast
constexpr uint32_t Vectors(uint32_t queries) { return queries > 3 ? 1 : queries > 1 ? 2 : 4; }
constexpr bool kOneVectorAtATime = true;
#endif
static_assert(kQueries <= kMaxTileQueries && kMaxUnitQueries % kQueries == 0);

// How keys of a kind are scored: sum = Zero(); Add per step; scores = End(...).
struct HalfKeys {
  using Key = F32x16;
  using Sum = F32x16;
  static constexpr uint32_t kDimensions = 1;  // of a step
  static constexpr uint32_t kBytes = 2;       // of a value
  static constexpr uint32_t kQueryBytes = 4;  // of a step
  static QUIRE_INLINE Key Load(const char* p) {
    return LoadF16(reinterpret_cast<const uint16_t*>(p));
  }
  static QUIRE_INLINE Sum Zero() { return ZeroF32(); }
  static QUIRE_INLINE Key Splat(const char* q) {
    float x;
    __builtin_memcpy(&x, q, sizeof(x));
    return SplatF32(x);
  }
  static QUIRE_INLINE Sum Add(Sum sum, Key key, Key q) { return Fma(q, key, sum); }
  static QUIRE_INLINE F32x16 End(Sum sum, F32x16, const float*) { return sum; }
  static QUIRE_INLINE F32x16 Scales(const char*) { return ZeroF32(); }
};

struct FloatKeys : HalfKeys {
  static constexpr uint32_t kBytes = 4;
  static QUIRE_INLINE Key Load(const char* p) { return LoadF32(reinterpret_cast<const float*>(p)); }
};

struct Int8Keys {
  struct Key {
    U8x64 even, odd;
  };
  using Sum = I32x16;
  static constexpr uint32_t kDimensions = 4;
  static constexpr uint32_t kBytes = 1;
  static constexpr uint32_t kQueryBytes = 8;
  static QUIRE_INLINE Key Load(const char* p) {
    const U8x64 x = LoadBytes(p);
    return {EvenBytes(x), OddBytes(x)};
  }
  static QUIRE_INLINE Sum Zero() { return SplatI32(0); }
  static QUIRE_INLINE Key Splat(const char* q) { return {SplatBytes4(q), SplatBytes4(q + 4)}; }
  static QUIRE_INLINE Sum Add(Sum sum, Key key, Key q) {
    return DotS16(DotS16(sum, key.even, q.even), key.odd, q.odd);
  }
  static QUIRE_INLINE F32x16 End(Sum sum, F32x16 scales, const float* factor) {
    return ToF32(sum) * scales * SplatF32(*factor);
  }
  static QUIRE_INLINE F32x16 Scales(const char* p) {
    return LoadF32(reinterpret_cast<const float*>(p));
  }
};

struct HalfValues {
  static constexpr uint32_t kBytes = 2;
  static QUIRE_INLINE F32x16 Load(const char* p) {
    return LoadF16(reinterpret_cast<const uint16_t*>(p));
  }
};
struct FloatValues {
  static constexpr uint32_t kBytes = 4;
  static QUIRE_INLINE F32x16 Load(const char* p) {
    return LoadF32(reinterpret_cast<const float*>(p));
  }
};
// Times their scales; those are in the probabilities already.
struct Int8Values {
  static constexpr uint32_t kBytes = 1;
  static QUIRE_INLINE F32x16 Load(const char* p) {
    return ToF32(LoadI8(reinterpret_cast<const int8_t*>(p)));
  }
};

// The queries of a register tile.
struct PackedQueries {
  const char* steps;     // [head_dim / kDimensions][kCount][kQueryBytes]
  const float* factors;  // [kCount], for keys in eight bits
};

// Where a tile's blocks are found.
struct BlockList {
  const uint32_t* table;
  uint32_t num_blocks;
};

QUIRE_INLINE const char* BlockAt(const AttentionJob& job, const char* base, BlockList list,
                                 uint32_t block) {
  return base + list.table[block] * job.block_bytes;
}

// Memory is asked for a tile ahead: values while their keys are scored, keys of the next tile while
// values are added. 32 KiB ahead is too far for L1, so L2.
QUIRE_INLINE void Prefetch(const void* p) { __builtin_prefetch(p, 0, 2); }

// A pointer of which the compiler cannot tell that it was read before: broadcasts are read again
// for each vector rather than kept in registers that sums need.
QUIRE_INLINE const void* Unknown(const void* p) {
  if constexpr (kOneVectorAtATime) asm("" : "+r"(p));
  return p;
}

// Adds one step of kVectors vectors of keys. Where registers are few, one of them at a time.
template <typename Keys, uint32_t kCount, uint32_t kVectors>
QUIRE_INLINE void ScoreStep(const char* packed, const char* (&keys)[kVectors],
                            const char* (&values)[kVectors], uint32_t value_bytes,
                            typename Keys::Sum (&sums)[kVectors][kCount]) {
  constexpr uint32_t kStepBytes = Keys::kDimensions * Keys::kBytes * kBlock;
  constexpr uint32_t kPart = kOneVectorAtATime ? 1 : kVectors;
#pragma GCC unroll 16
  for (uint32_t first = 0; first < kVectors; first += kPart) {
    typename Keys::Key key[kPart];
#pragma GCC unroll 16
    for (uint32_t v = 0; v < kPart; ++v) {
      Prefetch(values[first + v]);
      key[v] = Keys::Load(keys[first + v]);
      keys[first + v] += kStepBytes;
      values[first + v] += value_bytes;
    }
    packed = static_cast<const char*>(Unknown(packed));
#pragma GCC unroll 16
    for (uint32_t n = 0; n < kCount; ++n) {
      const typename Keys::Key q = Keys::Splat(packed + n * Keys::kQueryBytes);
#pragma GCC unroll 16
      for (uint32_t v = 0; v < kPart; ++v) {
        sums[first + v][n] = Keys::Add(sums[first + v][n], key[v], q);
      }
    }
  }
}

// scores[query][16 * vector + lane] = q . key, dimensions ascending, of vectors [0, kVectors) of 16
// tokens.
template <typename Format, uint32_t kCount, uint32_t kVectors>
QUIRE_INLINE void ScoreBlocks(const AttentionJob& job, const PackedQueries& queries, BlockList list,
                              uint32_t block, float* scores) {
  using Keys = typename Format::Keys;
  constexpr uint32_t kValueBytes = Keys::kDimensions * Format::Values::kBytes * kBlock;
  const char* keys[kVectors];
  const char* values[kVectors];
  typename Keys::Sum sums[kVectors][kCount];
#pragma GCC unroll 16
  for (uint32_t v = 0; v < kVectors; ++v) {
    keys[v] = BlockAt(job, job.keys, list, block + v);
    values[v] = keys[v] + (job.values - job.keys);
#pragma GCC unroll 16
    for (uint32_t n = 0; n < kCount; ++n) sums[v][n] = Keys::Zero();
  }
  const char* packed = queries.steps;
  for (uint32_t d = 0; d < job.head_dim; d += Keys::kDimensions) {
    ScoreStep<Keys, kCount, kVectors>(packed, keys, values, kValueBytes, sums);
    packed += kCount * Keys::kQueryBytes;
  }
#pragma GCC unroll 16
  for (uint32_t v = 0; v < kVectors; ++v) {
    const F32x16 scales = Keys::Scales(keys[v]);
    if constexpr (Format::Values::kBytes == 1) Prefetch(values[v]);
#pragma GCC unroll 16
    for (uint32_t n = 0; n < kCount; ++n) {
      StoreF32(scores + size_t{n} * kTile + v * kLanes,
               Keys::End(sums[v][n], scales, queries.factors + n));
    }
  }
}

// Scores blocks [begin, end) of the sequence; the scores of a tile start with its first block.
template <typename Format, uint32_t kCount>
void Score(const AttentionJob& job, const PackedQueries& queries, BlockList list, TokenSpan blocks,
           float* scores) {
  constexpr uint32_t kVectors = Vectors(kCount);
  uint32_t block = blocks.begin;
  for (; block + kVectors <= blocks.end; block += kVectors) {
    ScoreBlocks<Format, kCount, kVectors>(job, queries, list, block,
                                          scores + block % kTileBlocks * kLanes);
  }
  if constexpr (kVectors > 1) {
    for (; block < blocks.end; ++block) {
      ScoreBlocks<Format, kCount, 1>(job, queries, list, block,
                                     scores + block % kTileBlocks * kLanes);
    }
  }
}

// acc[query][d..] = sum over tokens ascending of probability * value, for kVectors * 16 dimensions.
template <typename Format, uint32_t kCount, uint32_t kVectors>
QUIRE_INLINE void AddValues(const AttentionJob& job, const float* probabilities, BlockList list,
                            TokenSpan tokens, uint32_t d, float* records) {
  using Values = typename Format::Values;
  constexpr uint32_t kKeyBytes = Format::Keys::kBytes;
  constexpr uint32_t kPart = kOneVectorAtATime ? 1 : kVectors;
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
    const size_t start = size_t{t % kBlock} * job.head_dim + d;
    const uint32_t ahead = t / kBlock + kTileBlocks;
    const char* values = BlockAt(job, job.values, list, t / kBlock) + start * Values::kBytes;
    const char* next_block =
        BlockAt(job, job.keys, list, ahead < list.num_blocks ? ahead : t / kBlock);
    const char* next_keys = next_block + start * kKeyBytes;
    if constexpr (kKeyBytes == 1) Prefetch(next_block + job.head_dim * kBlock);
    // Adding takes longer than scoring, so some of the next values are asked for here as well.
    const bool early = t / kBlock % 8 < 3;
    const char* next_values =
        early ? next_block + (job.values - job.keys) + start * Values::kBytes : next_keys;
    for (; t < stop; ++t) {
      Prefetch(next_values);
      next_values += job.head_dim * (early ? Values::kBytes : kKeyBytes);
      const float* p = probabilities + t % kTile;
#pragma GCC unroll 16
      for (uint32_t first = 0; first < kVectors; first += kPart) {
        F32x16 value[kPart];
#pragma GCC unroll 16
        for (uint32_t v = 0; v < kPart; ++v) {
          const uint32_t place = (first + v) * kLanes;
          value[v] = Values::Load(values + place * Values::kBytes);
          if (place * kKeyBytes % 64 == 0) Prefetch(next_keys + place * kKeyBytes);
        }
        p = static_cast<const float*>(Unknown(p));
#pragma GCC unroll 16
        for (uint32_t n = 0; n < kCount; ++n) {
          const F32x16 weight = SplatF32(p[size_t{n} * kTile]);
#pragma GCC unroll 16
          for (uint32_t v = 0; v < kPart; ++v) {
            sums[n][first + v] = Fma(weight, value[v], sums[n][first + v]);
          }
        }
      }
      next_keys += job.head_dim * kKeyBytes;
      values += job.head_dim * Values::kBytes;
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
void Accumulate(const AttentionJob& job, const float* probabilities, BlockList list,
                TokenSpan tokens, float* records) {
  constexpr uint32_t kVectors = Vectors(kCount);
  uint32_t d = 0;
  for (; d + kVectors * kLanes <= job.head_dim; d += kVectors * kLanes) {
    AddValues<Format, kCount, kVectors>(job, probabilities, list, tokens, d, records);
  }
  if constexpr (kVectors > 1) {
    for (; d < job.head_dim; d += kLanes) {
      AddValues<Format, kCount, 1>(job, probabilities, list, tokens, d, records);
    }
  }
}

// Score and Accumulate for each number of queries.
using ScoreFn = void (*)(const AttentionJob&, const PackedQueries&, BlockList, TokenSpan, float*);
using AccumulateFn = void (*)(const AttentionJob&, const float*, BlockList, TokenSpan, float*);
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

// The formats of kv_view.h.
struct F16Format {
  using Keys = HalfKeys;
  using Values = HalfValues;
};
struct F32Format {
  using Keys = FloatKeys;
  using Values = FloatValues;
};
struct Q8Format {
  using Keys = Int8Keys;
  using Values = Int8Values;
};
struct K16V8Format {
  using Keys = HalfKeys;
  using Values = Int8Values;
};

}  // namespace quire::QUIRE_ISA_NAMESPACE
