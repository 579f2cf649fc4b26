#include "kernels/lanes.h"
#include "kernels/lanes_test_table.h"

namespace quire::QUIRE_ISA_NAMESPACE {
namespace {

void TestFma(const float* a, const float* b, const float* c, float* out) {
  StoreF32(out, Fma(LoadF32(a), LoadF32(b), LoadF32(c)));
}
void TestRound(const float* x, float* out) { StoreF32(out, Round(LoadF32(x))); }
void TestToInt(const float* x, int32_t* out) { StoreI32(out, ToI32(LoadF32(x))); }
void TestToHalf(const float* x, uint16_t* out) { StoreF16(out, LoadF32(x)); }
void TestFromHalf(const uint16_t* x, float* out) { StoreF32(out, LoadF16(x)); }
float TestReduceAdd(const float* x) { return ReduceAdd(LoadF32(x)); }
void TestDot(const int32_t* acc, const uint8_t* u, const int8_t* s, int32_t* out) {
  StoreI32(out, DotU8S8(LoadI32(acc), LoadBytes(u), LoadBytes(s)));
}
void TestWideDot(const int8_t* bytes, const int16_t* even, const int16_t* odd, int32_t* out) {
  const U8x64 x = LoadBytes(bytes);
  const I32x16 sum = DotS16(SplatI32(0), EvenBytes(x), LoadBytes(even));
  StoreI32(out, DotS16(sum, OddBytes(x), LoadBytes(odd)));
}

}  // namespace

const LanesTestTable kLanesTestTable = {.fma = TestFma,
                                        .round = TestRound,
                                        .to_int = TestToInt,
                                        .to_half = TestToHalf,
                                        .from_half = TestFromHalf,
                                        .reduce_add = TestReduceAdd,
                                        .dot = TestDot,
                                        .wide_dot = TestWideDot};

}  // namespace quire::QUIRE_ISA_NAMESPACE
