// tests/support/random_weights.h -- random matrices in every tensor type, the same on every
// machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "gguf/tensor_type.h"

namespace quire::test {

// splitmix64: every output is a bijective mix of a counter.
class Rng {
 public:
  explicit Rng(uint64_t seed) : state_(seed) {}
  uint64_t Next();
  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>((Next() >> 32) * bound >> 32); }
  uint8_t Byte() { return static_cast<uint8_t>(Next() >> 56); }
  float Gaussian();  // near normal, mean 0, deviation 1, |x| < 3.5
  float Sign() { return (Next() >> 63) != 0 ? -1.0f : 1.0f; }

 private:
  uint64_t state_;
};

// The seed of one tensor of a model: other tensors do not change when one is added.
uint64_t SeedFor(uint64_t model_seed, std::string_view tensor_name);

// `values` weights (a multiple of the type's block) with mean near 0 and the given deviation.
std::vector<std::byte> RandomWeights(TensorType type, uint64_t values, float deviation, Rng& rng);

uint16_t HalfFromFloat(float value);  // round to nearest even; finite values in half's range

}  // namespace quire::test
