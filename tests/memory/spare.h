// tests/memory/spare.h -- the spare memory of this program, kept by whichever test comes first.
#pragma once

#include <gtest/gtest.h>

#include "base/spare_memory.h"

namespace quire::test {

inline constexpr size_t kSpareBytes = size_t{16} << 20;

inline void KeepSpare() {
  static const bool kept = SpareMemory::Keep(kSpareBytes);
  ASSERT_TRUE(kept);
}

}  // namespace quire::test
