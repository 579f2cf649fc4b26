// Many tokens (prefill): unpacks a piece of the weights once for many panels of tokens.
//
//   for 2 groups of rows              a register tile is 2 x 16 rows times a panel of tokens
//     for up to 16 panels of tokens   their partial sums stay in the second-level cache
//       for up to 18 blocks           unpacked bytes and scales: 23 KiB, first-level cache
//         unpack, then for each panel: tile
//
// Columns go up in order and partial sums are kept as they are, so the cuts change no bit.
#include "kernels/matmul_kernels.h"
#include "kernels/matmul_steps.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

// Even, so that units of two blocks are not cut; 18 blocks are the 576 columns of a small model.
constexpr uint32_t kPieceBlocks = 18;
constexpr uint32_t kPiecePanels = 16;
constexpr uint32_t kPieceTokens = kPiecePanels * kPanelTokens;
#if defined(QUIRE_ISA_avx512)
constexpr int kTileGroups = 2;
constexpr uint32_t kTileTokens = 6;  // 24 accumulators, 2 weights, 1 activation of 32 registers
#elif defined(QUIRE_ISA_portable)
constexpr int kTileGroups = 1;
constexpr uint32_t kTileTokens = 1;  // 4 accumulators and their temporaries of 16 registers
#else
constexpr int kTileGroups = 1;
constexpr uint32_t kTileTokens = 3;  // the int32 accumulators take 6 of 16 registers
#endif

alignas(64) constexpr float kZeros[16] = {};

struct BlockScales {
  alignas(64) float numbers[6][16];  // d, m, sub0, sub1, min0, min1
};

// A piece of one group of rows, unpacked: 8-bit planes and float scales of its blocks.
struct Piece {
  alignas(64) uint8_t planes[kPieceBlocks][512];
  BlockScales scales[kPieceBlocks];
};

struct Scratch {
  Piece pieces[kTileGroups];
  alignas(64) float partial[kPieceTokens][kTileGroups][16];
};

// Where the sums of a tile come from and go to, at its first token: whole groups of rows. The first
// piece of columns starts from zeros (token stride 0), the last one ends in the output.
struct Sums {
  const float* from[kTileGroups];
  size_t from_stride;  // in floats, between tokens
  float* to[kTileGroups];
  size_t to_stride[kTileGroups];
  const float* bias[kTileGroups];  // where the sums are finished and there is one, else null
  bool accumulate[kTileGroups];    // likewise

  QUIRE_INLINE Sums At(uint32_t token) const {
    Sums s = *this;
    for (int r = 0; r < kTileGroups; ++r) {
      s.from[r] += token * from_stride;
      s.to[r] += token * to_stride[r];
    }
    return s;
  }
};

// Where the inner loops find a piece. Weights that are bytes already are read where they lie.
struct PieceView {
  const uint8_t* planes[kTileGroups];
  const BlockScales* scales[kTileGroups];
  uint32_t gap;  // bytes between the planes of the second and the third block, and so on
  int offset_shift;
};

// What the inner loops must know of a weight type: few kinds, so few copies of the loops.
template <int bits, bool halves, bool minimum>
struct Kind {
  static constexpr int kBits = bits;
  static constexpr bool kHalves = halves;
  static constexpr bool kMinimum = minimum;
};
template <typename W>
using KindOf = Kind<QUIRE_DOT_BITS(W::kBits), W::kHalves, W::kMinimum>;

template <typename W>
void UnpackScales(const Scales& s, BlockScales& to) {
  StoreF32(to.numbers[0], s.d);
  if constexpr (W::kMinimum) StoreF32(to.numbers[1], s.m);
  if constexpr (W::kHalves) {
    StoreF32(to.numbers[2], s.sub[0]);
    StoreF32(to.numbers[3], s.sub[1]);
  }
  if constexpr (W::kHalves && W::kMinimum) {
    StoreF32(to.numbers[4], s.min[0]);
    StoreF32(to.numbers[5], s.min[1]);
  }
}

template <typename K>
QUIRE_INLINE Scales LoadScales(const BlockScales& from) {
  Scales s;
  s.d = LoadF32(from.numbers[0]);
  if constexpr (K::kMinimum) s.m = LoadF32(from.numbers[1]);
  if constexpr (K::kHalves) {
    s.sub[0] = LoadF32(from.numbers[2]);
    s.sub[1] = LoadF32(from.numbers[3]);
  }
  if constexpr (K::kHalves && K::kMinimum) {
    s.min[0] = LoadF32(from.numbers[4]);
    s.min[1] = LoadF32(from.numbers[5]);
  }
  return s;
}

// A range of the blocks of a row.
struct Blocks {
  uint32_t begin;
  uint32_t count;
};

// Unpacks some blocks of a group and returns where their planes are.
template <typename W>
const uint8_t* Unpack(const uint8_t* group, Blocks blocks, Piece& piece) {
  constexpr PackedLayout kLayout = LayoutOf(W::kType);
  constexpr size_t kUnit = kLayout.header_bytes + kLayout.unit_blocks * kLayout.plane_bytes;
  const uint8_t* first = nullptr;
  for (uint32_t i = 0; i < blocks.count; ++i) {
    const uint32_t block = blocks.begin + i;
    const uint32_t in_unit = block % kLayout.unit_blocks;
    const uint8_t* header = group + block / kLayout.unit_blocks * kUnit;
    const uint8_t* planes = header + kLayout.header_bytes + in_unit * kLayout.plane_bytes;
    UnpackScales<W>(W::ScalesOf(header, in_unit), piece.scales[i]);
    if (i == 0) first = planes;
    if constexpr (kLayout.plane_bytes < 512) {
      Unroll<0, 8>([&](auto step) __attribute__((always_inline)) {
        constexpr int j = decltype(step)::value;
        StoreBytes(piece.planes[i] + 64 * j, W::template Step<j>(planes));
      });
    }
  }
  return kLayout.plane_bytes < 512 ? piece.planes[0] : first;
}

// Accumulators of a block or half: types without minimums have an offset, the others have none.
template <typename K, int T>
QUIRE_INLINE void Start(const Tokens& x, uint32_t sum_row, int shift,
                        I32x16 (&acc)[kTileGroups][T]) {
  for (int t = 0; t < T; ++t) {
    const I32x16 start = K::kMinimum ? SplatI32(0) : ShiftLeftBy(x.integer(sum_row, t), shift);
    for (int r = 0; r < kTileGroups; ++r) acc[r][t] = start;
  }
}

template <typename K, int begin, int end, int T>
QUIRE_INLINE void Dots(const uint8_t* const (&planes)[kTileGroups], const Tokens& x,
                       I32x16 (&acc)[kTileGroups][T]) {
  using Sum = DotSum<K::kBits>;
  I32x16 sum[kTileGroups][T];
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) sum[r][t] = Sum::Begin(acc[r][t]);
  }
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    U8x64 w[kTileGroups];
    for (int r = 0; r < kTileGroups; ++r) w[r] = LoadBytes(planes[r] + 64 * j);
    for (int t = 0; t < T; ++t) {
      const U8x64 a = SplatBytes4(x.at(j, t));
      for (int r = 0; r < kTileGroups; ++r) sum[r][t] = Sum::Add(sum[r][t], w[r], a);
    }
  });
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) acc[r][t] = Sum::End(sum[r][t], acc[r][t]);
  }
}

// Adds one block to the sums of a tile.
template <typename K, int T>
QUIRE_INLINE void AddBlock(const PieceView& view, uint32_t block, const Tokens& x,
                           F32x16 (&f)[kTileGroups][T]) {
  I32x16 first[kTileGroups][T];
  I32x16 second[kTileGroups][T];
  if constexpr (K::kHalves) {
    Start<K>(x, 9, view.offset_shift, first);
    Dots<K, 0, 4>(view.planes, x, first);
    Start<K>(x, 10, view.offset_shift, second);
    Dots<K, 4, 8>(view.planes, x, second);
  } else {
    Start<K>(x, 8, view.offset_shift, first);
    Dots<K, 0, 8>(view.planes, x, first);
  }
  for (int r = 0; r < kTileGroups; ++r) {
    const Scales s = LoadScales<K>(view.scales[r][block]);
    for (int t = 0; t < T; ++t) {
      if constexpr (K::kHalves) {
        f[r][t] = AddHalves<K::kMinimum>(first[r][t], second[r][t], s, x, t, f[r][t]);
      } else {
        f[r][t] = AddScaled<K::kMinimum>(first[r][t], s, x, t, f[r][t]);
      }
    }
  }
}

// All blocks of a piece times T tokens, added to their sums.
template <typename K, int T>
void Tile(PieceView view, uint32_t blocks, Tokens x, const Sums& sums) {
  if constexpr (kTileTokens == kPanelTokens) x.row_bytes = 4 * T;  // the panel is T tokens wide
  F32x16 f[kTileGroups][T];
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) f[r][t] = LoadF32(sums.from[r] + t * sums.from_stride);
  }
  for (uint32_t block = 0; block < blocks; ++block) {
    AddBlock<K>(view, block, x, f);
    x.record += kRecordRows * x.row_bytes;
    for (const uint8_t*& planes : view.planes) planes += 512 + (block & 1) * view.gap;
  }
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) {
      float* to = sums.to[r] + t * sums.to_stride[r];
      if (sums.bias[r] != nullptr) f[r][t] = f[r][t] + LoadF32(sums.bias[r]);
      if (sums.accumulate[r]) f[r][t] = LoadF32(to) + f[r][t];
      StoreF32(to, f[r][t]);
    }
  }
}

template <typename K>
void TilesOfPanel(const PieceView& view, uint32_t blocks, Tokens x, const Sums& panel) {
  const auto width = static_cast<uint32_t>(x.row_bytes / 4);
  for (uint32_t t = 0; t < width; t += kTileTokens, x.record += 4 * kTileTokens) {
    const Sums sums = panel.At(t);
    WithTokens<kTileTokens>(
        width - t, [&](auto tokens) { Tile<K, decltype(tokens)::value>(view, blocks, x, sums); });
  }
}

// What one call of MultiplyPart covers: some groups of rows, some panels of tokens.
struct Part {
  uint32_t first_group;
  uint32_t end_group;  // fewer than kTileGroups at the end of a job: the last is computed twice
  uint32_t first_panel;
  uint32_t end_panel;
  uint32_t first_token;
  uint32_t tokens;

  QUIRE_INLINE uint32_t group(uint32_t r) const {
    return first_group + r < end_group ? first_group + r : end_group - 1;
  }
  // Whether group r is stored by tiles: all its 16 rows exist, and it is not a second copy.
  QUIRE_INLINE bool whole(uint32_t r, uint32_t rows) const {
    return first_group + r < end_group && (first_group + r + 1) * 16 <= rows;
  }
};

Sums SumsOf(const MatMulJob& job, const Part& part, bool first, bool last, Scratch& scratch) {
  Sums sums = {};
  sums.from_stride = first ? 0 : kTileGroups * 16;
  for (int r = 0; r < kTileGroups; ++r) {
    const bool out = last && part.whole(r, job.rows);
    sums.from[r] = first ? kZeros : scratch.partial[0][r];
    sums.to[r] =
        out ? job.out + part.first_token * job.stride + part.group(r) * 16 : scratch.partial[0][r];
    sums.to_stride[r] = out ? job.stride : kTileGroups * 16;
    sums.bias[r] = out && job.bias != nullptr ? job.bias + part.group(r) * 16 : nullptr;
    sums.accumulate[r] = out && job.accumulate;
  }
  return sums;
}

// Stores the last group of a matrix whose rows are not a multiple of 16.
void StoreTail(const MatMulJob& job, const Part& part, const Scratch& scratch) {
  const uint32_t row = (part.end_group - 1) * 16;
  if (job.rows - row >= 16) return;
  const uint32_t r = part.end_group - 1 - part.first_group;
  for (uint32_t t = 0; t < part.tokens; ++t) {
    StoreSums(job, row, LoadF32(scratch.partial[t][r]),
              job.out + (part.first_token + t) * job.stride + row);
  }
}

template <typename W>
PieceView UnpackPiece(const MatMulJob& job, const Part& part, Blocks blocks, Scratch& scratch) {
  PieceView view = {};
  view.gap = LayoutOf(W::kType).plane_bytes < 512 ? 0 : LayoutOf(W::kType).header_bytes;
  view.offset_shift = W::kOffsetShift;
  for (int r = 0; r < kTileGroups; ++r) {
    const uint8_t* group = job.groups + part.group(r) * GroupBytes(W::kType, job.columns);
    view.planes[r] = Unpack<W>(group, blocks, scratch.pieces[r]);
    view.scales[r] = scratch.pieces[r].scales;
  }
  return view;
}

template <typename W>
void MultiplyPart(const MatMulJob& job, const Part& part, Scratch& scratch) {
  const uint32_t blocks = job.columns / 32;
  const uint32_t pieces = (blocks + kPieceBlocks - 1) / kPieceBlocks;
  const uint32_t piece_blocks = ((blocks + pieces - 1) / pieces + 1) / 2 * 2;
  for (uint32_t begin = 0; begin < blocks; begin += piece_blocks) {
    const uint32_t count = blocks - begin < piece_blocks ? blocks - begin : piece_blocks;
    const PieceView view = UnpackPiece<W>(job, part, {begin, count}, scratch);
    const Sums sums = SumsOf(job, part, begin == 0, begin + count == blocks, scratch);
    for (uint32_t p = part.first_panel; p < part.end_panel; ++p) {
      const uint32_t token = PanelBegin(job.tokens, p);
      const size_t row_bytes = size_t{4} * (PanelBegin(job.tokens, p + 1) - token);
      const uint8_t* records = job.int8 + size_t{4} * kRecordRows * token * blocks;
      const Tokens x = {records + begin * kRecordRows * row_bytes, row_bytes};
      TilesOfPanel<KindOf<W>>(view, count, x, sums.At(token - part.first_token));
    }
  }
  StoreTail(job, part, scratch);
}

template <typename W>
void MultiplyAs(const MatMulJob& job, Scratch& scratch) {
  const uint32_t groups = (job.rows + 15) / 16;
  const uint32_t panels = PanelCount(job.tokens);
  for (uint32_t g = 0; g < groups; g += kTileGroups) {
    for (uint32_t p = 0; p < panels; p += kPiecePanels) {
      Part part = {};
      part.first_group = g;
      part.end_group = groups - g < kTileGroups ? groups : g + kTileGroups;
      part.first_panel = p;
      part.end_panel = panels - p < kPiecePanels ? panels : p + kPiecePanels;
      part.first_token = PanelBegin(job.tokens, p);
      part.tokens = PanelBegin(job.tokens, part.end_panel) - part.first_token;
      MultiplyPart<W>(job, part, scratch);
    }
  }
}

}  // namespace

void MultiplyMany(const MatMulJob& job) {
  Scratch scratch;
  WithWeight(job.type, [&](auto weight) { MultiplyAs<decltype(weight)>(job, scratch); });
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
