// kernels/numerics.h -- the version of the arithmetic, part of every block's name.
#pragma once

#include <cstdint>

namespace quire {

// Bumped by any change that alters a bit of a logit: kernels, quantisation, rope, tile size.
inline constexpr uint32_t kNumericsVersion = 1;

}  // namespace quire
