// base/size.h -- amounts of bytes as people write them: "256MiB", "1.5 GiB", "4096".
//
// Units are powers of 1024. K, M, G and T alone mean KiB ... TiB; upper or lower case is the same.
// KB, MB and GB are refused, because half of the world means 1000 by them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace quire {

inline constexpr uint64_t kKiB = uint64_t{1} << 10;
inline constexpr uint64_t kMiB = uint64_t{1} << 20;
inline constexpr uint64_t kGiB = uint64_t{1} << 30;
inline constexpr uint64_t kTiB = uint64_t{1} << 40;

// Bytes; a fraction is rounded down to a whole byte. kInvalidArgument names what is wrong.
Result<uint64_t> ParseSize(std::string_view text);

// The largest unit that leaves at least 1, with one decimal where the amount is not whole:
// "512 B", "256 MiB", "1.5 GiB". Rounds to nearest. ParseSize reads it back.
std::string FormatSize(uint64_t bytes);

}  // namespace quire
