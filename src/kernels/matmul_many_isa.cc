// Many tokens (prefill): unpacks a piece of the weights once for all panels of tokens.
//
//   for a strip of 4 groups of rows
//     for each chunk of columns       unpacked bytes and scales: 24 KiB, first-level cache
//       unpack, then for each panel   its chunk of activations serves the whole strip
//         for 2 groups of rows        a register tile is 2 x 16 rows times a panel of tokens
//
// Partial sums of a strip stay in the second-level cache, as do the packed weights of the next
// piece, which are asked for while the tiles of this one run. Columns go up in order and partial
// sums are kept as they are, so the cuts change no bit.
#include "kernels/matmul_kernels.h"
#include "kernels/matmul_steps.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

constexpr uint32_t kPieceBlocks = 10;  // the longest chunk
constexpr uint32_t kStripGroups = 4;
constexpr uint32_t kPartPanels = 48;
constexpr uint32_t kPartTokens = kPartPanels * kPanelTokens;
#if defined(QUIRE_ISA_avx512)
constexpr uint32_t kTileGroups = 2;
constexpr uint32_t kTileTokens = 6;  // 24 accumulators, 2 weights, 1 activation of 32 registers
#elif defined(QUIRE_ISA_portable)
constexpr uint32_t kTileGroups = 1;
constexpr uint32_t kTileTokens = 1;  // 4 accumulators and their temporaries of 16 registers
#else
constexpr uint32_t kTileGroups = 1;
constexpr uint32_t kTileTokens = 6;  // the int32 accumulators take 12 of 16 registers
#endif

struct BlockScales {
  alignas(64) float numbers[6][16];  // d, m, sub0, sub1, min0, min1
};

// A piece of one group of rows, unpacked: 8-bit planes and float scales of its blocks.
struct Piece {
  alignas(64) uint8_t planes[kPieceBlocks][512];
  BlockScales scales[kPieceBlocks];
};

struct Scratch {
  Piece pieces[kStripGroups];
  const uint8_t* planes[kStripGroups];  // of the first block of each piece
  alignas(64) float partial[kPartTokens][kStripGroups][16];
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
using KindOf = Kind<QUIRE_DOT_BITS(W::kBits, !W::kMinimum), W::kHalves, W::kMinimum>;

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

// Dots of steps [begin, end) of a block.
template <typename K, int begin, int end, int T>
QUIRE_INLINE void Dots(const PieceView& view, const Tokens& x, uint32_t sum_row,
                       I32x16 (&dots)[kTileGroups][T]) {
  using Sum = DotSum<K::kBits, !K::kMinimum>;
  I32x16 sum[kTileGroups][T];
  for (int t = 0; t < T; ++t) {
    const I32x16 start = Sum::Start(x.sums(sum_row, t), view.offset_shift);
    for (uint32_t r = 0; r < kTileGroups; ++r) sum[r][t] = start;
  }
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    typename Sum::Weights w[kTileGroups];
    for (uint32_t r = 0; r < kTileGroups; ++r) {
      w[r] = Sum::Prepare(LoadBytes(view.planes[r] + 64 * j));
    }
    for (int t = 0; t < T; ++t) {
      const U8x64 a = SplatBytes4(x.at(j, t));
      for (uint32_t r = 0; r < kTileGroups; ++r) sum[r][t] = Sum::Add(sum[r][t], w[r], a);
    }
  });
  for (int t = 0; t < T; ++t) {
    const I32x16 start = Sum::Start(x.sums(sum_row, t), view.offset_shift);
    for (uint32_t r = 0; r < kTileGroups; ++r) dots[r][t] = Sum::End(sum[r][t], start);
  }
}

// Adds one block to the sums of a tile.
template <typename K, int T>
QUIRE_INLINE void AddBlock(const PieceView& view, uint32_t block, const Tokens& x,
                           F32x16 (&f)[kTileGroups][T]) {
  I32x16 first[kTileGroups][T];
  I32x16 second[kTileGroups][T];
  if constexpr (K::kHalves) {
    Dots<K, 0, 4>(view, x, 9, first);
    Dots<K, 4, 8>(view, x, 10, second);
  } else {
    Dots<K, 0, 8>(view, x, 8, first);
  }
  for (uint32_t r = 0; r < kTileGroups; ++r) {
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

// Where the sums of a tile are kept between pieces: of its first token and group.
struct Sums {
  float* partial;
  bool zero;  // the first piece of columns: they start there

  QUIRE_INLINE float* at(uint32_t r, uint32_t t) const {
    return partial + (size_t{t} * kStripGroups + r) * 16;
  }
};

// All blocks of a piece times T tokens, added to their sums.
template <typename K, int T>
void Tile(PieceView view, uint32_t blocks, Tokens x, Sums sums) {
  if constexpr (kTileTokens == kPanelTokens) x.row_bytes = 4 * T;  // the panel is T tokens wide
  F32x16 f[kTileGroups][T];
  for (uint32_t r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) f[r][t] = sums.zero ? ZeroF32() : LoadF32(sums.at(r, t));
  }
  for (uint32_t block = 0; block < blocks; ++block) {
    AddBlock<K>(view, block, x, f);
    x.record += kRecordRows * x.row_bytes;
    for (const uint8_t*& planes : view.planes) planes += 512 + (block & 1) * view.gap;
  }
  for (uint32_t r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) StoreF32(sums.at(r, t), f[r][t]);
  }
}

template <typename K>
void TilesOfPanel(const PieceView& view, uint32_t blocks, Tokens x, Sums sums) {
  const auto width = static_cast<uint32_t>(x.row_bytes / 4);
  for (uint32_t t = 0; t < width; t += kTileTokens, x.record += 4 * kTileTokens) {
    const Sums at = {sums.at(0, t), sums.zero};
    WithTokens<kTileTokens>(
        width - t, [&](auto tokens) { Tile<K, decltype(tokens)::value>(view, blocks, x, at); });
  }
}

// A strip of row groups times some panels of tokens.
struct Part {
  uint32_t first_group;
  uint32_t end_group;  // at most kStripGroups further, fewer at the end of a job
  uint32_t first_panel;
  uint32_t end_panel;
  uint32_t first_token;
  uint32_t tokens;

  // The groups of a tile may be more than are left: the last is then computed twice.
  QUIRE_INLINE uint32_t group(uint32_t r) const {
    return first_group + r < end_group ? first_group + r : end_group - 1;
  }
};

// Stores the finished sums of a part.
void StorePart(const MatMulJob& job, const Part& part, const Scratch& scratch) {
  for (uint32_t t = 0; t < part.tokens; ++t) {
    float* out = job.out + (part.first_token + t) * job.stride;
    for (uint32_t group = part.first_group; group < part.end_group; ++group) {
      const F32x16 f = LoadF32(scratch.partial[t][group - part.first_group]);
      StoreSums(job, group * 16, f, out + group * 16);
    }
  }
}

// The packed bytes of the piece after this one, asked for a few lines at a time.
class Ahead {
 public:
  // The piece after `blocks` of `part`: of the same rows or, at their end, of the next strip.
  template <typename W>
  static QUIRE_INLINE Ahead Of(const MatMulJob& job, const Part& part, Blocks blocks) {
    const size_t group_bytes = GroupBytes(W::kType, job.columns);
    const uint32_t row_blocks = job.columns / 32;
    uint32_t group = part.first_group;
    Blocks next = {blocks.begin + blocks.count, blocks.count};
    if (next.begin == row_blocks) {
      next.begin = 0;
      group = part.end_group;
    }
    if (next.count > row_blocks - next.begin) next.count = row_blocks - next.begin;
    Ahead ahead = {};
    if (group * 16 >= job.rows) return ahead;
    const size_t begin = Offset<W>(next.begin);
    ahead.from_ = job.groups + group * group_bytes + begin;
    ahead.group_bytes_ = group_bytes;
    ahead.bytes_ = Offset<W>(next.begin + next.count) - begin;
    const uint32_t panels = part.end_panel - part.first_panel;
    ahead.step_bytes_ = (ahead.bytes_ / 64 / panels + 1) * 64;
    return ahead;
  }

  QUIRE_INLINE void Step() {
    const size_t end = at_ + step_bytes_ < bytes_ ? at_ + step_bytes_ : bytes_;
    for (; at_ < end; at_ += 64) {
      for (uint32_t r = 0; r < kStripGroups; ++r) {
        __builtin_prefetch(from_ + r * group_bytes_ + at_, 0, 2);
      }
    }
  }

 private:
  // Bytes of a group before a block: about, since headers count at their unit's first block.
  template <typename W>
  static QUIRE_INLINE size_t Offset(uint32_t block) {
    constexpr PackedLayout kLayout = LayoutOf(W::kType);
    return (block + kLayout.unit_blocks - 1) / kLayout.unit_blocks * kLayout.header_bytes +
           size_t{block} * kLayout.plane_bytes;
  }

  const uint8_t* from_;
  size_t group_bytes_;
  size_t bytes_;
  size_t step_bytes_;
  size_t at_;
};

template <typename W>
void UnpackPieces(const MatMulJob& job, const Part& part, Blocks blocks, Scratch& scratch) {
  for (uint32_t r = 0; part.first_group + r < part.end_group; ++r) {
    const uint8_t* group = job.groups + part.group(r) * GroupBytes(W::kType, job.columns);
    scratch.planes[r] = Unpack<W>(group, blocks, scratch.pieces[r]);
  }
}

template <typename W>
PieceView ViewOf(const Part& part, uint32_t strip_group, const Scratch& scratch) {
  PieceView view = {};
  view.gap = LayoutOf(W::kType).plane_bytes < 512 ? 0 : LayoutOf(W::kType).header_bytes;
  view.offset_shift = W::kOffsetShift;
  for (uint32_t i = 0; i < kTileGroups; ++i) {
    const uint32_t r = part.group(strip_group + i) - part.first_group;
    view.planes[i] = scratch.planes[r];
    view.scales[i] = scratch.pieces[r].scales;
  }
  return view;
}

// One piece of the weights times all panels of a part.
template <typename W>
void MultiplyPiece(const MatMulJob& job, const Part& part, Blocks blocks, Scratch& scratch) {
  constexpr uint32_t kTiles = kStripGroups / kTileGroups;
  UnpackPieces<W>(job, part, blocks, scratch);
  PieceView views[kTiles];
  uint32_t tiles = 0;
  for (uint32_t r = 0; part.first_group + r < part.end_group; r += kTileGroups, ++tiles) {
    views[tiles] = ViewOf<W>(part, r, scratch);
  }
  const RecordPlace place = {job.tokens, job.columns / 32};
  Ahead ahead = Ahead::Of<W>(job, part, blocks);
  for (uint32_t p = part.first_panel; p < part.end_panel; ++p) {
    const uint32_t token = PanelBegin(job.tokens, p);
    const uint32_t width = PanelBegin(job.tokens, p + 1) - token;
    const Tokens x = {job.int8 + 4 * place.At(token, width, blocks.begin), size_t{4} * width};
    ahead.Step();
    for (uint32_t i = 0; i < tiles; ++i) {
      float* partial = scratch.partial[token - part.first_token][i * kTileGroups];
      TilesOfPanel<KindOf<W>>(views[i], blocks.count, x, {partial, blocks.begin == 0});
    }
  }
}

template <typename W>
void MultiplyPart(const MatMulJob& job, const Part& part, Scratch& scratch) {
  const uint32_t blocks = job.columns / 32;
  const uint32_t chunk_blocks = ChunkBlocks(blocks);
  for (uint32_t begin = 0; begin < blocks; begin += chunk_blocks) {
    const uint32_t count = blocks - begin < chunk_blocks ? blocks - begin : chunk_blocks;
    MultiplyPiece<W>(job, part, {begin, count}, scratch);
  }
  StorePart(job, part, scratch);
}

template <typename W>
void MultiplyAs(const MatMulJob& job, Scratch& scratch) {
  const uint32_t groups = (job.rows + 15) / 16;
  const uint32_t panels = PanelCount(job.tokens);
  const uint32_t parts = (panels + kPartPanels - 1) / kPartPanels;
  for (uint32_t p = 0; p < parts; ++p) {
    Part part = {};
    part.first_panel = panels * p / parts;
    part.end_panel = panels * (p + 1) / parts;
    part.first_token = PanelBegin(job.tokens, part.first_panel);
    part.tokens = PanelBegin(job.tokens, part.end_panel) - part.first_token;
    for (uint32_t g = 0; g < groups; g += kStripGroups) {
      part.first_group = g;
      part.end_group = groups - g < kStripGroups ? groups : g + kStripGroups;
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
