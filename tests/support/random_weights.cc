#include "tests/support/random_weights.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/check.h"
#include "tests/support/gguf_writer.h"

namespace quire::test {
namespace {

// Root mean squares of uniform quants, by which a scale is divided to reach a deviation.
constexpr float kRms4Bit = 4.64f;   // 0..15 less 8 (less 7.5: 4.61)
constexpr float kRms5Bit = 9.25f;   // 0..31 less 16
constexpr float kRms6Bit = 18.48f;  // 0..63 less 32
constexpr float kRms8Bit = 73.3f;   // -127..127
constexpr float kRms2Bit = 1.12f;   // 0..3 less 1.5
constexpr float kRms3Bit = 2.35f;   // -4..3
constexpr float kRmsIq4 = 69.5f;    // the 16 values of IQ4_NL

class BlockWriter {
 public:
  BlockWriter(float deviation, Rng& rng) : deviation_(deviation), rng_(rng) {}

  void Write(TensorType type);
  std::vector<std::byte> Take() { return sink_.Take(); }

 private:
  // A block's scale: scales vary by a quarter and their sign is random, as in real files.
  float Scale(float rms) {
    const float vary = 0.75f + static_cast<float>(rng_.Below(1024)) / 2048.0f;
    return deviation_ / rms * vary;
  }
  void Half(float value) { sink_.U16(HalfFromFloat(value)); }
  void Noise(int num_bytes) {
    for (int i = 0; i < num_bytes; ++i) sink_.U8(rng_.Byte());
  }
  void ScaledSigned(float rms, int num_bytes) {  // d, quants
    Half(Scale(rms) * rng_.Sign());
    Noise(num_bytes);
  }
  void ScaledFromMinimum(float rms, float middle, int num_bytes) {  // d, m, quants
    const float d = Scale(rms);
    Half(d);
    Half(-d * middle);
    Noise(num_bytes);
  }
  void Q8_0();
  void Q2_K();
  void Q3_K();
  void KWithMinimum(float rms, float middle, int num_bytes);
  void Q6_K();

  float deviation_;
  Rng& rng_;
  ByteSink sink_;
};

void BlockWriter::Q8_0() {
  Half(Scale(kRms8Bit));
  for (int i = 0; i < 32; ++i) {
    sink_.U8(static_cast<uint8_t>(static_cast<int>(rng_.Below(255)) - 127));
  }
}

// 16 nibble pairs (minimum, scale), quants, d, dmin. Minimum and scale of a sub-block are close,
// and dmin = 1.5 d, so that its values lie around 0.
void BlockWriter::Q2_K() {
  constexpr float kMeanScale = 9.0f;
  for (int i = 0; i < 16; ++i) {
    const uint32_t scale = 4 + rng_.Below(11);
    const uint32_t minimum = scale - 1 + rng_.Below(3);
    sink_.U8(static_cast<uint8_t>(minimum << 4 | scale));
  }
  Noise(64);
  const float d = Scale(kRms2Bit * kMeanScale);
  Half(d);
  Half(d * 1.5f);
}

// High bits, low bits, sixteen 6-bit scales less 32, d. Everything but d may be noise.
void BlockWriter::Q3_K() {
  Noise(32 + 64 + 12);
  Half(Scale(kRms3Bit * kRms6Bit));
}

// Q4_K and Q5_K: d, dmin, eight pairs of 6-bit scale and minimum in 12 bytes, quants.
void BlockWriter::KWithMinimum(float rms, float middle, int num_bytes) {
  constexpr float kMeanScale = 43.0f;
  const float d = Scale(rms * kMeanScale);
  Half(d);
  Half(d * middle);
  std::array<uint32_t, 8> scale;
  std::array<uint32_t, 8> minimum;
  for (int j = 0; j < 8; ++j) {
    scale[j] = 26 + rng_.Below(35);
    minimum[j] = scale[j] - 3 + rng_.Below(7);
    minimum[j] = std::min(minimum[j], 63u);
  }
  for (int j = 0; j < 4; ++j) sink_.U8(static_cast<uint8_t>(scale[j] | (scale[j + 4] >> 4) << 6));
  for (int j = 0; j < 4; ++j) {
    sink_.U8(static_cast<uint8_t>(minimum[j] | (minimum[j + 4] >> 4) << 6));
  }
  for (int j = 4; j < 8; ++j) {
    sink_.U8(static_cast<uint8_t>((scale[j] & 15) | (minimum[j] & 15) << 4));
  }
  Noise(num_bytes);
}

void BlockWriter::Q6_K() {
  constexpr float kMeanScale = 84.0f;
  Noise(128 + 64);
  for (int i = 0; i < 16; ++i) {
    const int scale = 40 + static_cast<int>(rng_.Below(88));
    sink_.U8(static_cast<uint8_t>(rng_.Sign() < 0 ? -scale : scale));
  }
  Half(Scale(kRms6Bit * kMeanScale));
}

void BlockWriter::Write(TensorType type) {
  switch (type) {
    case TensorType::kF32:
      return sink_.F32(deviation_ * rng_.Gaussian());
    case TensorType::kF16:
      return Half(deviation_ * rng_.Gaussian());
    case TensorType::kBF16:  // truncated: any bfloat16 is as good as another
      return sink_.U16(
          static_cast<uint16_t>(std::bit_cast<uint32_t>(deviation_ * rng_.Gaussian()) >> 16));
    case TensorType::kQ4_0:
      return ScaledSigned(kRms4Bit, 16);
    case TensorType::kQ4_1:
      return ScaledFromMinimum(kRms4Bit, 7.5f, 16);
    case TensorType::kQ5_0:
      return ScaledSigned(kRms5Bit, 4 + 16);
    case TensorType::kQ5_1:
      return ScaledFromMinimum(kRms5Bit, 15.5f, 4 + 16);
    case TensorType::kQ8_0:
      return Q8_0();
    case TensorType::kQ2_K:
      return Q2_K();
    case TensorType::kQ3_K:
      return Q3_K();
    case TensorType::kQ4_K:
      return KWithMinimum(kRms4Bit, 7.5f, 128);
    case TensorType::kQ5_K:
      return KWithMinimum(kRms5Bit, 15.5f, 32 + 128);
    case TensorType::kQ6_K:
      return Q6_K();
    case TensorType::kIQ4_NL:
      return ScaledSigned(kRmsIq4, 16);
    case TensorType::kIQ4_XS:  // d, 6-bit scales less 32 in 6 bytes, quants
      return ScaledSigned(kRmsIq4 * kRms6Bit, 6 + 128);
  }
}

}  // namespace

uint64_t Rng::Next() {
  state_ += 0x9E3779B97F4A7C15;
  uint64_t z = state_;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
  z = (z ^ z >> 27) * 0x94D049BB133111EB;
  return z ^ z >> 31;
}

// The sum of four uniform 16-bit numbers: exact in float, so rounded only by the last product.
float Rng::Gaussian() {
  constexpr float kMean = 4 * 65535.0f / 2;
  constexpr float kDeviation = 37837.2f;  // 65536 * sqrt(4 / 12)
  const uint64_t bits = Next();
  const uint64_t sum =
      (bits & 0xFFFF) + (bits >> 16 & 0xFFFF) + (bits >> 32 & 0xFFFF) + (bits >> 48);
  return (static_cast<float>(sum) - kMean) / kDeviation;
}

uint64_t SeedFor(uint64_t model_seed, std::string_view tensor_name) {
  uint64_t hash = 0xCBF29CE484222325 ^ model_seed;  // FNV-1a
  for (const char c : tensor_name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

std::vector<std::byte> RandomWeights(TensorType type, uint64_t values, float deviation, Rng& rng) {
  const TensorTypeInfo& info = Info(type);
  QUIRE_CHECK(values % info.block_values == 0);
  const uint64_t num_blocks = values / info.block_values;
  BlockWriter writer(deviation, rng);
  for (uint64_t i = 0; i < num_blocks; ++i) writer.Write(type);
  std::vector<std::byte> bytes = writer.Take();
  QUIRE_CHECK(bytes.size() == num_blocks * info.block_bytes);
  return bytes;
}

uint16_t HalfFromFloat(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const int exponent = static_cast<int>(bits >> 23 & 0xFF) - 127;
  QUIRE_CHECK(exponent <= 15, "beyond the range of a half");
  if (exponent < -25) return sign;
  // The significand with its leading one, to be shifted so that its last bit is half's last.
  const uint32_t significand = (bits & 0x7FFFFF) | 0x800000;
  const int shift = exponent >= -14 ? 13 : 13 + (-14 - exponent);
  const uint32_t kept = significand >> shift;
  const uint32_t rest = significand & ((1u << shift) - 1);
  const uint32_t middle = 1u << (shift - 1);
  const uint32_t up = rest > middle || (rest == middle && (kept & 1) != 0) ? 1 : 0;
  // `kept` carries its leading one into the exponent field, and a carry of `up` does what it must.
  const uint32_t biased = exponent >= -14 ? static_cast<uint32_t>(exponent + 14) << 10 : 0;
  return static_cast<uint16_t>(sign | (biased + kept + up));
}

}  // namespace quire::test
