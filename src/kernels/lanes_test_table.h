// kernels/lanes_test_table.h -- lets lanes_test.cc call functions of lanes.h of every set.
#pragma once

#include <stdint.h>

#include "kernels/isa_tables.h"

namespace quire {

// All over 16 numbers.
struct LanesTestTable {
  void (*fma)(const float* a, const float* b, const float* c, float* out);
  void (*round)(const float* x, float* out);
  void (*to_int)(const float* x, int32_t* out);
  void (*to_half)(const float* x, uint16_t* out);
  void (*from_half)(const uint16_t* x, float* out);
  float (*reduce_add)(const float* x);
  void (*dot)(const int32_t* acc, const uint8_t* u, const int8_t* s, int32_t* out);
  // Of the 4 signed bytes of each lane with 4 numbers of 16 bits: even ones, then odd ones.
  void (*wide_dot)(const int8_t* bytes, const int16_t* even, const int16_t* odd, int32_t* out);
};

QUIRE_ISA_TABLES(LanesTestTable, kLanesTestTable)

}  // namespace quire
