#include "model/rope_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/matmul.h"
#include "model/config.h"

namespace quire {
namespace {

constexpr double kLn2High = 6.93147180369123816490e-01;  // the upper 32 bits of ln 2
constexpr double kLn2Low = 1.90821492927058770002e-10;   // the rest
constexpr double kPi = 3.14159265358979323846;
constexpr double kMaxFactor = 1e6;  // contexts are not stretched further than a millionfold

// How many times position `context` turns frequency index i: solves for i.
double CorrectionIndex(double turns, double context, double base, uint32_t dims) {
  return dims * ExactLog(context / (turns * 2 * kPi)) / (2 * ExactLog(base));
}

void ScaleLinear(double factor, RopeConfig& rope) {
  for (double& frequency : rope.inverse_frequency) frequency /= factor;
}

Status ScaleByTensor(const TensorInfo& tensor, RopeConfig& rope) {
  const size_t count = rope.inverse_frequency.size();
  if (tensor.type != TensorType::kF32 || tensor.columns() != count || tensor.rows() != 1) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("tensor '{}' is not {} values of type F32", tensor.name, count));
  }
  std::vector<float> factors(count);
  DequantizeRow(tensor.type, tensor.data, factors);
  for (size_t i = 0; i < count; ++i) {
    if (!(factors[i] > 0 && factors[i] < kMaxFactor)) {
      return Refuse(ErrorCode::kCorrupt,
                    fmt::format("tensor '{}' holds the factor {}", tensor.name, factors[i]));
    }
    rope.inverse_frequency[i] /= factors[i];
  }
  return {};
}

Status ScaleLlama3(const MetadataReader& metadata, double factor, double context,
                   RopeConfig& rope) {
  QUIRE_TRY(const double low, metadata.Float("rope.scaling.low_freq_factor", {1e-3, 1e3}, 1.0));
  QUIRE_TRY(const double high, metadata.Float("rope.scaling.high_freq_factor", {1e-3, 1e3}, 4.0));
  if (high <= low) {
    return Refuse(ErrorCode::kCorrupt,
                  fmt::format("rope scaling: high_freq_factor {} is not above low_freq_factor {}",
                              high, low));
  }
  for (double& frequency : rope.inverse_frequency) {
    const double turns = context * frequency / (2 * kPi);
    const double keep = std::clamp((turns - low) / (high - low), 0.0, 1.0);
    frequency = (1 - keep) * frequency / factor + keep * frequency;
  }
  return {};
}

Status ScaleYarn(const MetadataReader& metadata, double base, double context, RopeConfig& rope) {
  constexpr FloatRange kFactor = {1e-3, kMaxFactor};
  QUIRE_TRY(const double factor, metadata.Float("rope.scaling.factor", kFactor));
  QUIRE_TRY(const double extrapolate, metadata.Float("rope.scaling.yarn_ext_factor", {0, 1}, 1.0));
  QUIRE_TRY(const double fast, metadata.Float("rope.scaling.yarn_beta_fast", kFactor, 32.0));
  QUIRE_TRY(const double slow, metadata.Float("rope.scaling.yarn_beta_slow", kFactor, 1.0));
  QUIRE_TRY(const double attention_factor,
            metadata.Float("rope.scaling.attn_factor", kFactor, 1.0));
  QUIRE_TRY(const double yarn_attention_factor,
            metadata.Float("rope.scaling.yarn_attn_factor", kFactor, 1.0));
  const double last = rope.dims - 1;
  const double start =
      std::clamp(std::floor(CorrectionIndex(fast, context, base, rope.dims)), 0.0, last);
  const double end =
      std::clamp(std::ceil(CorrectionIndex(slow, context, base, rope.dims)), 0.0, last);
  for (size_t i = 0; i < rope.inverse_frequency.size(); ++i) {
    const double ramp = (static_cast<double>(i) - start) / std::max(0.001, end - start);
    const double keep = (1 - std::clamp(ramp, 0.0, 1.0)) * extrapolate;
    double& frequency = rope.inverse_frequency[i];
    frequency = frequency / factor * (1 - keep) + frequency * keep;
  }
  double magnitude = attention_factor * yarn_attention_factor;
  if (extrapolate != 0 && factor > 1) magnitude *= 1 + 0.1 * ExactLog(factor);
  rope.magnitude = static_cast<float>(magnitude);
  return {};
}

}  // namespace

double ExactLog(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);  // exact
  if (mantissa < 0.70710678118654752440) {
    mantissa *= 2;
    --exponent;
  }
  // ln m = 2 atanh(s) with |s| < 0.172: the series needs 12 terms for 54 bits.
  const double s = (mantissa - 1) / (mantissa + 1);
  const double s2 = s * s;
  double series = 0;
  for (int k = 25; k >= 3; k -= 2) series = std::fma(series, s2, 1.0 / k);
  const double log_mantissa = std::fma(2 * s * s2, series, 2 * s);
  return std::fma(exponent, kLn2High, std::fma(exponent, kLn2Low, log_mantissa));
}

double ExactExp(double x) {
  const double n = std::nearbyint(x / (kLn2High + kLn2Low));
  const double r = std::fma(-n, kLn2Low, std::fma(-n, kLn2High, x));  // |r| <= 0.347
  double series = 1;
  for (int k = 18; k >= 1; --k) series = std::fma(series, r / k, 1.0);
  return std::ldexp(series, static_cast<int>(n));
}

std::vector<double> InverseFrequencies(double base, uint32_t dims) {
  std::vector<double> frequencies(dims / 2);
  const double log_base = ExactLog(base);
  for (uint32_t i = 0; i < dims / 2; ++i) frequencies[i] = ExactExp(-log_base * (2.0 * i) / dims);
  return frequencies;
}

Status ScaleRope(const MetadataReader& metadata, double base, RopeConfig& rope) {
  const TensorInfo* factors = metadata.file().FindTensor("rope_freqs.weight");
  if (factors != nullptr) {
    if (Status scaled = ScaleByTensor(*factors, rope); !scaled) return scaled;
  }
  for (const char* name : {"rope_factors_long.weight", "rope_factors_short.weight"}) {
    if (metadata.file().FindTensor(name) != nullptr) {
      return Refuse(ErrorCode::kUnsupported,
                    fmt::format("tensor '{}': longrope scaling is not supported", name));
    }
  }
  constexpr FloatRange kFactor = {1e-3, kMaxFactor};
  QUIRE_TRY(const double old_linear, metadata.Float("rope.scale_linear", kFactor, 1.0));
  QUIRE_TRY(double factor, metadata.Float("rope.scaling.factor", {0, kMaxFactor}, old_linear));
  if (factor == 0) factor = 1;  // written by some converters for "no scaling"
  QUIRE_TRY(const std::string kind,
            metadata.String("rope.scaling.type", factor == 1 ? "none" : "linear"));
  // The tensor is what a converter made of llama3's numbers: not to be applied twice.
  if (kind == "none" || (kind == "llama3" && factors != nullptr)) return {};
  if (kind == "linear") {
    ScaleLinear(factor, rope);
    return {};
  }
  if (kind != "llama3" && kind != "yarn") {
    return Refuse(ErrorCode::kUnsupported,
                  fmt::format("rope scaling '{}' is not supported; Quire knows none, linear, "
                              "llama3 and yarn",
                              kind));
  }
  constexpr UintRange kContext = {1, uint64_t{1} << 31};
  QUIRE_TRY(const uint32_t trained, metadata.Uint("context_length", kContext));
  QUIRE_TRY(const uint32_t context,
            metadata.Uint("rope.scaling.original_context_length", kContext, trained));
  return kind == "yarn" ? ScaleYarn(metadata, base, context, rope)
                        : ScaleLlama3(metadata, factor, context, rope);
}

}  // namespace quire
