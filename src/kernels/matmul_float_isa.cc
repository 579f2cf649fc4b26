// Float weights: one FMA per column, ascending, in every lane.
#include "kernels/matmul_kernels.h"
#include "kernels/matmul_steps.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

struct FloatF32 {
  static constexpr uint32_t kBytes = 4;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) {
    return LoadF32(reinterpret_cast<const float*>(p));
  }
};
struct FloatF16 {
  static constexpr uint32_t kBytes = 2;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) { return LoadF16(Halves(p)); }
};
struct FloatBF16 {
  static constexpr uint32_t kBytes = 2;
  static QUIRE_INLINE F32x16 Load(const uint8_t* p) { return LoadBF16(Halves(p)); }
};

// An FMA takes 4 cycles and two start in each: 8 independent sums and more keep them busy.
#if defined(QUIRE_ISA_avx512)
constexpr uint32_t kMaxTileTokens = 6;
constexpr int TileGroups(int tokens) { return tokens <= 2 ? 4 : 2; }
#elif defined(QUIRE_ISA_portable)
constexpr uint32_t kMaxTileTokens = 1;
constexpr int TileGroups(int) { return 1; }
#else
constexpr uint32_t kMaxTileTokens = 6;  // 12 half-width accumulators, 2 weights, 1 activation
constexpr int TileGroups(int tokens) { return tokens == 1 ? 4 : tokens == 2 ? 2 : 1; }
#endif

// Up to R groups from `group` on times T tokens of a panel; missing groups are computed as the last
// one again, and not stored.
template <typename W, int T>
void Tile(const MatMulJob& job, uint32_t group, Tokens x, float* out) {
  constexpr int R = TileGroups(T);
  const uint32_t groups = (job.rows + 15) / 16;
  const uint8_t* data[R];
  F32x16 f[R][T];
  for (int r = 0; r < R; ++r) {
    const uint32_t g = group + r < groups ? group + r : groups - 1;
    data[r] = job.groups + g * GroupBytes(job.type, job.columns);
    for (int t = 0; t < T; ++t) f[r][t] = ZeroF32();
  }
  for (uint32_t k = 0; k < job.columns; ++k, x.record += x.row_bytes) {
    F32x16 w[R];
    for (int r = 0; r < R; ++r) w[r] = W::Load(data[r] + size_t{k} * 16 * W::kBytes);
    for (int t = 0; t < T; ++t) {
      const F32x16 a = x.number(0, t);
      for (int r = 0; r < R; ++r) f[r][t] = Fma(w[r], a, f[r][t]);
    }
  }
  for (uint32_t r = 0; r < R && group + r < groups; ++r) {
    const uint32_t row = (group + r) * 16;
    for (int t = 0; t < T; ++t) StoreSums(job, row, f[r][t], out + t * job.stride + row);
  }
}

// Four groups of rows times a tile of T tokens.
template <typename W, int T>
void FourGroups(const MatMulJob& job, uint32_t group, const Tokens& x, float* out) {
  const uint32_t groups = (job.rows + 15) / 16;
  for (uint32_t g = group; g < group + 4 && g < groups; g += TileGroups(T)) {
    Tile<W, T>(job, g, x, out);
  }
}

template <typename W>
void TilesOfPanel(const MatMulJob& job, uint32_t group, Tokens x, float* out) {
  const auto width = static_cast<uint32_t>(x.row_bytes / 4);
  for (uint32_t t = 0; t < width; t += kMaxTileTokens) {
    WithTokens<kMaxTileTokens>(width - t, [&](auto tokens) {
      FourGroups<W, decltype(tokens)::value>(job, group, x, out);
    });
    x.record += 4 * kMaxTileTokens;
    out += kMaxTileTokens * job.stride;
  }
}

template <typename W>
void MultiplyAs(const MatMulJob& job) {
  for (uint32_t group = 0; group * 16 < job.rows; group += 4) {
    for (uint32_t panel = 0; panel < PanelCount(job.tokens); ++panel) {
      const uint32_t begin = PanelBegin(job.tokens, panel);
      const uint32_t width = PanelBegin(job.tokens, panel + 1) - begin;
      const auto* data = reinterpret_cast<const uint8_t*>(job.f32 + size_t{begin} * job.columns);
      TilesOfPanel<W>(job, group, {data, size_t{4} * width}, job.out + begin * job.stride);
    }
  }
}

}  // namespace

void MultiplyFloat(const MatMulJob& job) {
  switch (job.type) {
    case TensorType::kF32:
      return MultiplyAs<FloatF32>(job);
    case TensorType::kF16:
      return MultiplyAs<FloatF16>(job);
    default:
      return MultiplyAs<FloatBF16>(job);
  }
}

}  // namespace quire::QUIRE_ISA_NAMESPACE
