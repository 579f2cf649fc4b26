#include "kernels/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "kernels/dispatch.h"
#include "kernels/packed_layout.h"
#include "kernels/quant_block.h"
#include "kernels/quant_samples.h"

namespace quire {
namespace {

struct FreeDeleter {
  void operator()(std::byte* p) const { std::free(p); }
};
using AlignedBytes = std::unique_ptr<std::byte[], FreeDeleter>;

AlignedBytes PackAll(TensorType type, std::span<const std::byte> source, uint32_t rows,
                     uint32_t columns) {
  const size_t bytes = PackedBytes(type, rows, columns);
  EXPECT_EQ(bytes % 64, 0u);
  AlignedBytes packed(static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
  const uint32_t groups = (rows + kRowGroup - 1) / kRowGroup;
  Pack(type, source, rows, columns, packed.get(), {groups / 2, groups});
  Pack(type, source, rows, columns, packed.get(), {0, groups / 2});
  return packed;
}

std::span<const std::byte> RowOf(TensorType type, std::span<const std::byte> source,
                                 uint32_t columns, uint32_t row) {
  const TensorTypeInfo& info = Info(type);
  const size_t row_bytes = size_t{columns} / info.block_values * info.block_bytes;
  return source.subspan(row * row_bytes, row_bytes);
}

// One block of quantised activations, straight from the definition.
struct ReferenceBlock {
  int q[32];
  float da;
};

ReferenceBlock QuantizeReference(const float* x) {
  ReferenceBlock block = {};
  float amax = 0;
  for (int i = 0; i < 32; ++i) amax = std::max(amax, std::fabs(x[i]));
  if (amax < 1e-30f) return block;
  block.da = amax / 127.0f;
  const float inverse = 127.0f / amax;
  for (int i = 0; i < 32; ++i) block.q[i] = static_cast<int>(std::nearbyintf(x[i] * inverse));
  return block;
}

int WeightOf(TensorType type, const QuantBlock& w, int i) {
  const bool codebook = type == TensorType::kIQ4_NL || type == TensorType::kIQ4_XS;
  return codebook ? kIq4Values[w.q[i]] : w.q[i] - OffsetOf(type);
}

// f after one block, by the sequence that matmul_isa.cc states.
float AddBlockReference(TensorType type, const QuantBlock& w, const ReferenceBlock& a, float f) {
  int dot[2] = {0, 0};
  int sum[2] = {0, 0};
  for (int i = 0; i < 32; ++i) {
    dot[i / 16] += WeightOf(type, w, i) * a.q[i];
    sum[i / 16] += a.q[i];
  }
  const float d = HalfToFloat(w.d);
  const float m = HalfToFloat(w.m);
  switch (type) {
    case TensorType::kQ2_K:
    case TensorType::kQ3_K:
    case TensorType::kQ6_K: {
      const int scaled = w.sub_scale[0] * dot[0] + w.sub_scale[1] * dot[1];
      f = std::fma(static_cast<float>(scaled), d * a.da, f);
      if (type != TensorType::kQ2_K) return f;
      const int minimum = w.sub_min[0] * sum[0] + w.sub_min[1] * sum[1];
      return std::fma(static_cast<float>(minimum), -m * a.da, f);
    }
    default:
      break;
  }
  const bool simple = Info(type).block_values == 32;
  const float scale = simple ? d : d * static_cast<float>(w.sub_scale[0]);
  const float minimum = simple ? m : -(m * static_cast<float>(w.sub_min[0]));
  f = std::fma(static_cast<float>(dot[0] + dot[1]), scale * a.da, f);
  if (!HasMinimum(type)) return f;
  return std::fma(minimum, a.da * static_cast<float>(sum[0] + sum[1]), f);
}

float DotReference(TensorType type, std::span<const std::byte> row, const float* x,
                   uint32_t columns) {
  float f = 0;
  if (ActivationKindOf(type) == ActivationKind::kF32) {
    std::vector<float> w(columns);
    DequantizeRow(type, row, w);
    for (uint32_t k = 0; k < columns; ++k) f = std::fma(w[k], x[k], f);
    return f;
  }
  for (uint32_t b = 0; b < columns / 32; ++b) {
    const QuantBlock w = ReadQuantBlock(type, row.data(), b);
    f = AddBlockReference(type, w, QuantizeReference(x + 32 * b), f);
  }
  return f;
}

// A matrix, activations and what their product must be.
struct Problem {
  TensorType type;
  uint32_t rows;
  uint32_t columns;
  uint32_t tokens;
  std::vector<std::byte> source;
  std::vector<float> x;
  std::vector<float> bias;
  std::vector<float> residual;
  std::vector<float> expected;  // residual + (product + bias)
};

void FillExpected(Problem& p) {
  p.expected = p.residual;
  for (uint32_t t = 0; t < p.tokens; ++t) {
    for (uint32_t r = 0; r < p.rows; ++r) {
      p.expected[t * p.rows + r] += DotReference(p.type, RowOf(p.type, p.source, p.columns, r),
                                                 p.x.data() + size_t{t} * p.columns, p.columns) +
                                    p.bias[r];
    }
  }
}

Problem MakeProblem(TensorType type, uint32_t rows, uint32_t columns, uint32_t tokens) {
  const uint32_t seed = rows * 131 + columns * 7 + tokens + static_cast<uint32_t>(type) * 1009;
  Problem p = {type,
               rows,
               columns,
               tokens,
               RandomTensor(type, rows, columns, seed),
               RandomFloats(size_t{tokens} * columns, seed + 1),
               RandomFloats(rows, seed + 2),
               RandomFloats(size_t{tokens} * rows, seed + 3),
               {}};
  for (uint32_t k = 0; k < std::min(32u, columns); ++k) p.x[k] = 0;  // a block without a scale
  FillExpected(p);
  return p;
}

// The product as the current instruction set has it, rows in two calls.
std::vector<float> Multiply(const Problem& p, const std::byte* packed, Activations& x) {
  x.SetShape(p.tokens, p.columns);
  for (uint32_t t = p.tokens; t-- > 0;) {
    x.StoreRow(t, p.x.data() + size_t{t} * p.columns, {.int8 = p.columns % 32 == 0, .f32 = true});
  }
  std::vector<float> out = p.residual;
  const PackedMatrix matrix = {p.type, p.rows, p.columns, packed};
  const MatMulOut to = {out.data(), p.rows, p.bias.data(), true};
  const uint32_t middle = p.rows / 32 * kRowGroup;
  MatMul(matrix, x, to, middle, p.rows);
  MatMul(matrix, x, to, 0, middle);
  return out;
}

void ExpectSameBits(const std::vector<float>& got, const std::vector<float>& want,
                    const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(got[i]), std::bit_cast<uint32_t>(want[i]))
        << what << " at " << i << ": " << got[i] << " instead of " << want[i];
  }
}

class MatMulTest : public testing::TestWithParam<TensorType> {
 protected:
  void TearDown() override { SelectIsa(AvailableIsas().back()); }

  void Check(uint32_t rows, uint32_t columns, uint32_t tokens) {
    const Problem p = MakeProblem(GetParam(), rows, columns, tokens);
    const AlignedBytes packed = PackAll(p.type, p.source, rows, columns);
    Activations x(tokens, columns);
    for (const Isa isa : AvailableIsas()) {
      SelectIsa(isa);
      ExpectSameBits(Multiply(p, packed.get(), x), p.expected,
                     std::string(IsaName(isa)) + " rows " + std::to_string(rows) + " columns " +
                         std::to_string(columns) + " tokens " + std::to_string(tokens));
    }
  }
  // The smallest number of columns a row of the type can have.
  uint32_t unit() const {
    const uint32_t values = Info(GetParam()).block_values;
    return values == 1 ? 5 : values;
  }
};

TEST_P(MatMulTest, EveryNumberOfTokensGivesTheDefinitionsBits) {
  for (uint32_t tokens = 1; tokens <= 70; ++tokens) Check(33, 3 * unit(), tokens);
}

TEST_P(MatMulTest, EveryShapeGivesTheDefinitionsBits) {
  for (const uint32_t rows : {1u, 15u, 16u, 17u, 32u, 47u, 64u, 100u}) {
    Check(rows, unit(), 3);
    Check(rows, 2 * unit(), 1);
    Check(rows, 5 * unit(), 7);
  }
}

// Groups in pairs and strips, with and without a tail, on either side of the kernels' borders.
TEST_P(MatMulTest, RandomShapesGiveTheDefinitionsBits) {
  std::mt19937 random(7 + static_cast<unsigned>(GetParam()));
  for (int i = 0; i < 12; ++i) {
    const auto rows = static_cast<uint32_t>(1 + random() % 150);
    const auto units = static_cast<uint32_t>(1 + random() % (unit() > 32 ? 3 : 23));
    const auto tokens = static_cast<uint32_t>(1 + random() % 40);
    Check(rows, units * unit(), tokens);
  }
}

TEST_P(MatMulTest, ManyTokensAndColumnsGiveTheDefinitionsBits) {
  Check(40, 1536, 33);
  Check(24, 2816, 64);
  Check(20, 768, 300);
}

// All quants at one end of their range and all activations at +-127: where 16-bit sums inside a
// kernel would overflow first.
TEST_P(MatMulTest, ExtremeValuesStayExact) {
  const TensorType type = GetParam();
  if (ActivationKindOf(type) == ActivationKind::kF32) return;
  for (const int pattern : {0x00, 0xff, 0x80, 0x7f, 0xf0}) {
    for (const uint32_t tokens : {1u, 9u}) {
      Problem p = MakeProblem(type, 16, 512, tokens);
      const std::vector<std::byte> scales = p.source;
      std::fill(p.source.begin(), p.source.end(), static_cast<std::byte>(pattern));
      for (size_t block = 0; block < p.source.size(); block += Info(type).block_bytes) {
        for (const int offset : HalfOffsets(type)) {
          if (offset < 0) continue;
          std::copy_n(scales.begin() + static_cast<ptrdiff_t>(block) + offset, 2,
                      p.source.begin() + static_cast<ptrdiff_t>(block) + offset);
        }
      }
      for (size_t i = 0; i < p.x.size(); ++i) p.x[i] = i / 512 % 2 == 0 ? 1.0f : -1.0f;
      FillExpected(p);
      const AlignedBytes packed = PackAll(type, p.source, p.rows, p.columns);
      Activations x(tokens, p.columns);
      for (const Isa isa : AvailableIsas()) {
        SelectIsa(isa);
        ExpectSameBits(Multiply(p, packed.get(), x), p.expected, std::string(IsaName(isa)));
      }
    }
  }
}

// The definition itself is right: close to the product of the dequantised numbers.
TEST_P(MatMulTest, ProductIsCloseToTheFloatProduct) {
  const Problem p = MakeProblem(GetParam(), 16, 1024, 2);
  std::vector<float> w(p.columns);
  for (uint32_t r = 0; r < p.rows; ++r) {
    DequantizeRow(p.type, RowOf(p.type, p.source, p.columns, r), w);
    for (uint32_t t = 0; t < p.tokens; ++t) {
      double exact = p.bias[r] + p.residual[t * p.rows + r];
      double size = 0;
      for (uint32_t k = 0; k < p.columns; ++k) {
        const double term = double{w[k]} * p.x[size_t{t} * p.columns + k];
        exact += term;
        size += term * term;
      }
      EXPECT_NEAR(p.expected[t * p.rows + r], exact, 0.03 * std::sqrt(size) + 1e-3);
    }
  }
}

TEST_P(MatMulTest, WithoutBiasAndResidualItOverwrites) {
  const Problem p = MakeProblem(GetParam(), 16, unit(), 1);
  const AlignedBytes packed = PackAll(p.type, p.source, p.rows, p.columns);
  Activations x(1, p.columns);
  x.SetShape(1, p.columns);
  x.StoreRow(0, p.x.data(), {.int8 = p.columns % 32 == 0, .f32 = true});
  std::vector<float> out(p.rows, std::nanf(""));
  MatMul({p.type, p.rows, p.columns, packed.get()}, x, {out.data(), p.rows, nullptr, false}, 0,
         p.rows);
  for (uint32_t r = 0; r < p.rows; ++r) {
    EXPECT_EQ(out[r],
              DotReference(p.type, RowOf(p.type, p.source, p.columns, r), p.x.data(), p.columns))
        << r;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, MatMulTest, testing::ValuesIn(kAllTensorTypes),
                         [](const auto& test) { return std::string(Info(test.param).name); });

}  // namespace
}  // namespace quire
