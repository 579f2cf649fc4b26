#include "kernels/attention_table.h"
#include "kernels/attention_tiles.h"
#include "kernels/elementary.h"
#include "kernels/head_quant.h"
#include "kernels/lanes.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

QUIRE_INLINE size_t OffsetOf(const AttentionJob& job, const AttentionMember& member,
                             uint32_t query) {
  const uint32_t i = member.first_query + query;
  const uint32_t row = member.first_row + i / job.group;
  return row * job.row_floats + size_t{i % job.group} * job.head_dim;
}

QUIRE_INLINE TokenSpan InTile(TokenSpan tokens, uint32_t tile) {
  const uint32_t begin = tile * kTile;
  const uint32_t end = begin + kTile;
  return {tokens.begin > begin ? tokens.begin : begin, tokens.end < end ? tokens.end : end};
}

// The tokens of `tile` that queries [begin, end) of `member` attend to.
QUIRE_INLINE TokenSpan TokensOf(const AttentionJob& job, const AttentionMember& member,
                                uint32_t tile, TokenSpan queries) {
  return InTile(AttendedTokens(member, job.group, job.window, queries), tile);
}

// Queries [begin, end) of a unit that share a register tile in some tiles. Of several members all
// attend to all tokens of the tile, whose blocks are those of the first.
struct Share {
  const AttentionMember* member;
  uint32_t begin;
  uint32_t end;
  bool whole;

  TokenSpan local(uint32_t first, uint32_t last) const {
    return {first - member->unit_query, last - member->unit_query};
  }
};

struct Shares {
  Share list[kMaxUnitQueries];
  uint32_t count;
  uint32_t until;  // the first tile of which they may be others
};

QUIRE_INLINE TokenSpan TokensOf(const AttentionJob& job, const Share& share, uint32_t tile,
                                uint32_t first, uint32_t last) {
  if (share.whole) return {tile * kTile, tile * kTile + kTile};
  return TokensOf(job, *share.member, tile, share.local(first, last));
}

// Cuts the queries of members that share a tile as evenly as possible, so that 13 are 7 + 6 and not
// 12 + 1.
void AppendShares(const AttentionMember& member, uint32_t end, bool whole, Shares* shares) {
  const uint32_t first = member.unit_query;
  const uint32_t queries = end - first;
  const uint32_t count = (queries + kQueries - 1) / kQueries;
  for (uint32_t i = 0; i < count; ++i) {
    shares->list[shares->count++] = {&member, first + queries * i / count,
                                     first + queries * (i + 1) / count, whole};
  }
}

void MakeShares(const AttentionJob& job, uint32_t tile, Shares* shares) {
  shares->count = 0;
  shares->until = UINT32_MAX;
  uint32_t first = 0;  // of the members that share the tile
  for (uint32_t i = 0; i < job.num_members; ++i) {
    const AttentionMember& member = job.members[i];
    if (i + 1 < job.num_members) {
      const TileSpan shared = member.shared;
      const uint32_t change = tile < shared.begin ? shared.begin : shared.end;
      if (change > tile && change < shares->until) shares->until = change;
      if (tile >= shared.begin && tile < shared.end) continue;  // the next one is with us
    }
    AppendShares(job.members[first], member.unit_query + member.num_queries, first < i, shares);
    first = i + 1;
  }
}

// Rotates and quantises the queries once per unit, for keys in eight bits. The factor of a score
// undoes the scale of q and the length that two rotations add.
void QuantiseQueries(const AttentionJob& job, const AttentionSpace& space) {
  float rotated[kMaxHeadDim];
  const float scale = job.scale / static_cast<float>(RotationSize(job.head_dim));
  uint32_t query = 0;
  for (uint32_t m = 0; m < job.num_members; ++m) {
    for (uint32_t i = 0; i < job.members[m].num_queries; ++i, ++query) {
      const float* const q = job.q + OffsetOf(job, job.members[m], i);
      for (uint32_t d = 0; d < job.head_dim; d += kLanes) {
        StoreF32(rotated + d, Finite(LoadF32(q + d), 0x1p100f));
      }
      Rotate(rotated, job.head_dim);
      int16_t words[kMaxHeadDim];
      space.factors[query] = Quantise(rotated, job.head_dim, words) * scale;
      int16_t* const out = space.words + size_t{query} * job.head_dim;
      for (uint32_t d = 0; d < job.head_dim; d += 4) {
        out[d] = words[d];
        out[d + 1] = words[d + 2];
        out[d + 2] = words[d + 1];
        out[d + 3] = words[d + 3];
      }
    }
  }
}

// Copies the queries of each share as [step][query of the share].
template <typename Keys>
void PackQueries(const AttentionJob& job, const Shares& shares, const AttentionSpace& space) {
  constexpr uint32_t kBytes = Keys::kQueryBytes;
  const uint32_t steps = job.head_dim / Keys::kDimensions;
  const AttentionMember* member = job.members;
  for (uint32_t i = 0; i < shares.count; ++i) {
    const Share& share = shares.list[i];
    const uint32_t count = share.end - share.begin;
    char* const out = reinterpret_cast<char*>(space.packed) + size_t{share.begin} * steps * kBytes;
    for (uint32_t n = 0; n < count; ++n) {
      const uint32_t query = share.begin + n;
      while (query >= member->unit_query + member->num_queries) ++member;
      const char* q =
          Keys::kDimensions == 1
              ? reinterpret_cast<const char*>(job.q +
                                              OffsetOf(job, *member, query - member->unit_query))
              : reinterpret_cast<const char*>(space.words + size_t{query} * job.head_dim);
      for (uint32_t step = 0; step < steps; ++step, q += kBytes) {
        __builtin_memcpy(out + (size_t{step} * count + n) * kBytes, q, kBytes);
      }
    }
  }
}

// Turns the scores of one query in `blocks` into probabilities and completes its record. What is
// not in `tokens` is overwritten before use: it may come from memory never written.
void Softmax(float* scores, TokenSpan blocks, TokenSpan tokens, float scale, float* max_and_sum) {
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

// Multiplies probabilities by the scales of the values they are for. Of tokens that nobody attends
// to the scale may be anything, and so may what is left here for them: it is never read.
void ApplyScales(const AttentionJob& job, BlockList list, TokenSpan blocks, float* scores) {
  for (uint32_t block = blocks.begin; block < blocks.end; ++block) {
    const char* const values = BlockAt(job, job.values, list, block);
    const F32x16 scales =
        LoadF32(reinterpret_cast<const float*>(values + size_t{job.head_dim} * kBlock));
    float* const place = scores + block % kTileBlocks * kLanes;
    StoreF32(place, LoadF32(place) * scales);
  }
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

// Leaves the records of one share in `records`; false if the tile is outside all its queries.
template <typename Format>
bool AttendShare(const AttentionJob& job, uint32_t tile, const Share& share,
                 const AttentionSpace& space, float* records) {
  constexpr bool kBytes = Format::Keys::kDimensions > 1;
  const TokenSpan all = TokensOf(job, share, tile, share.begin, share.end);
  if (all.begin >= all.end) return false;
  const TokenSpan blocks = {all.begin / kBlock, (all.end + kBlock - 1) / kBlock};
  const BlockList list = {share.member->table, share.member->num_blocks};
  const uint32_t count = share.end - share.begin;
  const size_t query_bytes =
      size_t{job.head_dim} / Format::Keys::kDimensions * Format::Keys::kQueryBytes;
  const PackedQueries queries = {
      reinterpret_cast<const char*>(space.packed) + share.begin * query_bytes,
      space.factors + share.begin};
  ByCount<Format>::kScore[count - 1](job, queries, list, blocks, space.scores);
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t n = 0; n < count; ++n) {
    const TokenSpan own = TokensOf(job, share, tile, share.begin + n, share.begin + n + 1);
    if (own.begin >= own.end) continue;  // what is computed for this query is never read
    float* const scores = space.scores + size_t{n} * kTile;
    Softmax(scores, blocks, own, kBytes ? 1.0f : job.scale, records + n * record + job.head_dim);
    if constexpr (Format::Values::kBytes == 1) ApplyScales(job, list, blocks, scores);
  }
  ByCount<Format>::kAccumulate[count - 1](job, space.scores, list, all, records);
  return true;
}

// Visits the shares of each of `tiles`: the cut of queries is made anew only where it changes.
template <typename Format, typename Visit>
QUIRE_INLINE void ForShares(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space,
                            const Visit& visit) {
  if constexpr (Format::Keys::kDimensions > 1) QuantiseQueries(job, space);
  Shares shares;
  shares.until = tiles.begin;
  for (uint32_t tile = tiles.begin; tile < tiles.end; ++tile) {
    if (tile >= shares.until) {
      MakeShares(job, tile, &shares);
      PackQueries<typename Format::Keys>(job, shares, space);
    }
    for (uint32_t i = 0; i < shares.count; ++i) visit(tile, shares.list[i]);
  }
}

template <typename Format>
void FoldTiles(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  const size_t record = RecordFloats(job.head_dim);
  ClearState(job, space.state);
  ForShares<Format>(job, tiles, space, [&](uint32_t tile, const Share& share) {
    if (!AttendShare<Format>(job, tile, share, space, space.records)) return;
    for (uint32_t n = share.begin; n < share.end; ++n) {
      const TokenSpan own = TokensOf(job, share, tile, n, n + 1);
      if (own.begin >= own.end) continue;
      FoldRecord(job.head_dim, space.records + (n - share.begin) * record,
                 space.state + n * record);
    }
  });
}

template <typename Format>
void KeepTiles(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  const size_t record = RecordFloats(job.head_dim);
  ForShares<Format>(job, tiles, space, [&](uint32_t tile, const Share& share) {
    float* const kept = space.partials + size_t{tile - tiles.begin} * job.num_queries * record;
    AttendShare<Format>(job, tile, share, space, kept + share.begin * record);
  });
}

// Which of the four formats a job has.
uint32_t FormatOf(const AttentionJob& job) {
  if (job.key_kind == KvKind::kFloat) return 1;
  if (job.key_kind == KvKind::kInt8) return 2;
  return job.value_kind == KvKind::kInt8 ? 3 : 0;
}

using SpanFn = void (*)(const AttentionJob&, TileSpan, const AttentionSpace&);

void Fold(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  constexpr SpanFn kFold[] = {FoldTiles<F16Format>, FoldTiles<F32Format>, FoldTiles<Q8Format>,
                              FoldTiles<K16V8Format>};
  kFold[FormatOf(job)](job, tiles, space);
}

void Keep(const AttentionJob& job, TileSpan tiles, const AttentionSpace& space) {
  constexpr SpanFn kKeep[] = {KeepTiles<F16Format>, KeepTiles<F32Format>, KeepTiles<Q8Format>,
                              KeepTiles<K16V8Format>};
  kKeep[FormatOf(job)](job, tiles, space);
}

void Merge(const AttentionJob& job, TileSpan tiles, const float* partials, float* state) {
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t tile = tiles.begin; tile < tiles.end; ++tile) {
    float* one = state;
    for (uint32_t m = 0; m < job.num_members; ++m) {
      for (uint32_t n = 0; n < job.members[m].num_queries; ++n) {
        const TokenSpan own = TokensOf(job, job.members[m], tile, {n, n + 1});
        if (own.begin < own.end) FoldRecord(job.head_dim, partials, one);
        partials += record;
        one += record;
      }
    }
  }
}

// Adding zero makes -0 into +0: the sign of a zero may depend on which rows shared the tile.
void Finish(const AttentionJob& job, const float* state) {
  const size_t record = RecordFloats(job.head_dim);
  for (uint32_t m = 0; m < job.num_members; ++m) {
    for (uint32_t n = 0; n < job.members[m].num_queries; ++n, state += record) {
      float* const out = job.out + OffsetOf(job, job.members[m], n);
      const F32x16 factor = SplatF32(1.0f) / LoadF32(state + job.head_dim + kLanes);
      for (uint32_t d = 0; d < job.head_dim; d += kLanes) {
        StoreF32(out + d, LoadF32(state + d) * factor + ZeroF32());
      }
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
