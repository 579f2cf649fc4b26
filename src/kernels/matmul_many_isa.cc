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
#else
constexpr int kTileGroups = 1;
constexpr uint32_t kTileTokens = 3;  // the int32 accumulators take 6 of 16 registers
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
  Piece pieces[kTileGroups];
  alignas(64) float partial[kPieceTokens][kTileGroups][16];
};

// Where the inner loops find a piece. Weights that are bytes already are read where they lie.
struct PieceView {
  const uint8_t* planes[kTileGroups];
  const BlockScales* scales[kTileGroups];
  uint32_t gap;  // bytes between the planes of the second and the third block, and so on
  int offset_shift;
};

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

template <bool halves, bool minimum>
QUIRE_INLINE Scales LoadScales(const BlockScales& from) {
  Scales s;
  s.d = LoadF32(from.numbers[0]);
  if constexpr (minimum) s.m = LoadF32(from.numbers[1]);
  if constexpr (halves) {
    s.sub[0] = LoadF32(from.numbers[2]);
    s.sub[1] = LoadF32(from.numbers[3]);
  }
  if constexpr (halves && minimum) {
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
template <bool minimum, int T>
QUIRE_INLINE void Start(const Tokens& x, uint32_t sum_row, int shift,
                        I32x16 (&acc)[kTileGroups][T]) {
  for (int t = 0; t < T; ++t) {
    const I32x16 start = minimum ? SplatI32(0) : ShiftLeftBy(x.integer(sum_row, t), shift);
    for (int r = 0; r < kTileGroups; ++r) acc[r][t] = start;
  }
}

template <int begin, int end, int T>
QUIRE_INLINE void Dots(const uint8_t* const (&planes)[kTileGroups], const Tokens& x,
                       I32x16 (&acc)[kTileGroups][T]) {
  Unroll<begin, end>([&](auto step) __attribute__((always_inline)) {
    constexpr int j = decltype(step)::value;
    U8x64 w[kTileGroups];
    for (int r = 0; r < kTileGroups; ++r) w[r] = LoadBytes(planes[r] + 64 * j);
    for (int t = 0; t < T; ++t) {
      const U8x64 a = SplatBytes4(x.at(j, t));
      for (int r = 0; r < kTileGroups; ++r) acc[r][t] = DotU8S8(acc[r][t], w[r], a);
    }
  });
}

// Adds one block to the sums of a tile.
template <bool halves, bool minimum, int T>
QUIRE_INLINE void AddBlock(const PieceView& view, uint32_t block, const Tokens& x,
                           F32x16 (&f)[kTileGroups][T]) {
  I32x16 first[kTileGroups][T];
  I32x16 second[kTileGroups][T];
  if constexpr (halves) {
    Start<minimum>(x, 9, view.offset_shift, first);
    Dots<0, 4>(view.planes, x, first);
    Start<minimum>(x, 10, view.offset_shift, second);
    Dots<4, 8>(view.planes, x, second);
  } else {
    Start<minimum>(x, 8, view.offset_shift, first);
    Dots<0, 8>(view.planes, x, first);
  }
  for (int r = 0; r < kTileGroups; ++r) {
    const Scales s = LoadScales<halves, minimum>(view.scales[r][block]);
    for (int t = 0; t < T; ++t) {
      if constexpr (halves) {
        f[r][t] = AddHalves<minimum>(first[r][t], second[r][t], s, x, t, f[r][t]);
      } else {
        f[r][t] = AddScaled<minimum>(first[r][t], s, x, t, f[r][t]);
      }
    }
  }
}

// All blocks of a piece times T tokens, added to their partial sums.
template <bool halves, bool minimum, int T>
void Tile(PieceView view, uint32_t blocks, Tokens x, float (*partial)[kTileGroups][16]) {
  if constexpr (kTileTokens == kPanelTokens) x.row_bytes = 4 * T;  // the panel is T tokens wide
  F32x16 f[kTileGroups][T];
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) f[r][t] = LoadF32(partial[t][r]);
  }
  for (uint32_t block = 0; block < blocks; ++block) {
    AddBlock<halves, minimum>(view, block, x, f);
    x.record += kRecordRows * x.row_bytes;
    for (const uint8_t*& planes : view.planes) planes += 512 + (block & 1) * view.gap;
  }
  for (int r = 0; r < kTileGroups; ++r) {
    for (int t = 0; t < T; ++t) StoreF32(partial[t][r], f[r][t]);
  }
}

template <bool halves, bool minimum>
void TilesOfPanel(const PieceView& view, uint32_t blocks, Tokens x,
                  float (*partial)[kTileGroups][16]) {
  const auto width = static_cast<uint32_t>(x.row_bytes / 4);
  for (uint32_t t = 0; t < width; t += kTileTokens, x.record += 4 * kTileTokens) {
    switch (width - t < kTileTokens ? width - t : kTileTokens) {
      case 1:
        Tile<halves, minimum, 1>(view, blocks, x, partial + t);
        break;
      case 2:
        Tile<halves, minimum, 2>(view, blocks, x, partial + t);
        break;
      case 3:
        Tile<halves, minimum, 3>(view, blocks, x, partial + t);
        break;
      case 4:
        Tile<halves, minimum, 4>(view, blocks, x, partial + t);
        break;
      case 5:
        Tile<halves, minimum, 5>(view, blocks, x, partial + t);
        break;
      default:
        Tile<halves, minimum, 6>(view, blocks, x, partial + t);
    }
  }
}

// The groups of rows a tile covers; the last tile of a job may have fewer than kTileGroups, and
// computes its last one twice.
struct Groups {
  uint32_t first;
  uint32_t end;

  QUIRE_INLINE uint32_t at(uint32_t r) const { return first + r < end ? first + r : end - 1; }
};

void StartPartial(const MatMulJob& job, const Groups& groups, uint32_t tokens, Scratch& scratch) {
  for (int r = 0; r < kTileGroups; ++r) {
    const uint32_t row = groups.at(r) * 16;
    const F32x16 start =
        job.bias == nullptr ? ZeroF32() : LoadF32Partial(job.bias + row, job.rows - row);
    for (uint32_t t = 0; t < tokens; ++t) StoreF32(scratch.partial[t][r], start);
  }
}

void StorePartial(const MatMulJob& job, const Groups& groups, uint32_t first_token, uint32_t tokens,
                  const Scratch& scratch) {
  for (uint32_t t = 0; t < tokens; ++t) {
    for (uint32_t r = 0; groups.first + r < groups.end && r < kTileGroups; ++r) {
      const uint32_t row = (groups.first + r) * 16;
      const uint32_t rows = job.rows - row < 16 ? job.rows - row : 16;
      float* to = job.out + (first_token + t) * job.stride + row;
      F32x16 f = LoadF32(scratch.partial[t][r]);
      if (job.accumulate) f = LoadF32Partial(to, rows) + f;
      StoreF32Partial(to, f, rows);
    }
  }
}

// Panels [panel, end) times the rows of a tile.
template <typename W>
void MultiplyPanels(const MatMulJob& job, const Groups& groups, uint32_t panel, uint32_t end,
                    Scratch& scratch) {
  const uint32_t first_token = PanelBegin(job.tokens, panel);
  const uint32_t tokens = PanelBegin(job.tokens, end) - first_token;
  const uint32_t blocks = job.columns / 32;
  const uint32_t pieces = (blocks + kPieceBlocks - 1) / kPieceBlocks;
  const uint32_t piece_blocks = ((blocks + pieces - 1) / pieces + 1) / 2 * 2;
  StartPartial(job, groups, tokens, scratch);
  for (uint32_t begin = 0; begin < blocks; begin += piece_blocks) {
    const uint32_t count = blocks - begin < piece_blocks ? blocks - begin : piece_blocks;
    PieceView view = {};
    view.gap = LayoutOf(W::kType).plane_bytes < 512 ? 0 : LayoutOf(W::kType).header_bytes;
    view.offset_shift = W::kOffsetShift;
    for (int r = 0; r < kTileGroups; ++r) {
      const uint8_t* group = job.groups + groups.at(r) * GroupBytes(W::kType, job.columns);
      view.planes[r] = Unpack<W>(group, {begin, count}, scratch.pieces[r]);
      view.scales[r] = scratch.pieces[r].scales;
    }
    for (uint32_t p = panel; p < end; ++p) {
      const uint32_t token = PanelBegin(job.tokens, p);
      const size_t row_bytes = size_t{4} * (PanelBegin(job.tokens, p + 1) - token);
      const uint8_t* records = job.int8 + size_t{4} * kRecordRows * token * blocks;
      const Tokens x = {records + begin * kRecordRows * row_bytes, row_bytes};
      TilesOfPanel<W::kHalves, W::kMinimum>(view, count, x,
                                            scratch.partial + (token - first_token));
    }
  }
  StorePartial(job, groups, first_token, tokens, scratch);
}

}  // namespace

void MultiplyMany(const MatMulJob& job) {
  Scratch scratch;
  const uint32_t end = (job.rows + 15) / 16;
  const uint32_t panels = PanelCount(job.tokens);
  for (uint32_t first = 0; first < end; first += kTileGroups) {
    const Groups groups = {first, end};
    for (uint32_t panel = 0; panel < panels; panel += kPiecePanels) {
      const uint32_t last = panels - panel < kPiecePanels ? panels : panel + kPiecePanels;
      WithWeight(job.type, [&](auto weight) {
        MultiplyPanels<decltype(weight)>(job, groups, panel, last, scratch);
      });
    }
  }
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
