#include "apps/bench/peak_loops.h"

namespace quire {

#if defined(__x86_64__)

namespace {

// 8 independent accumulators: an instruction on registers a..h.
#define QUIRE_EACH8(op, a, b, c, d, e, f, g, h) op(a) op(b) op(c) op(d) op(e) op(f) op(g) op(h)

#define QUIRE_CLEAR(a) "vpxor %%xmm" #a ", %%xmm" #a ", %%xmm" #a "\n"
#define QUIRE_CLEAR_HIGH(a) "vpxord %%zmm" #a ", %%zmm" #a ", %%zmm" #a "\n"
#define QUIRE_CLEAR16                              \
  QUIRE_EACH8(QUIRE_CLEAR, 0, 1, 2, 3, 4, 5, 6, 7) \
  QUIRE_EACH8(QUIRE_CLEAR, 8, 9, 10, 11, 12, 13, 14, 15)
#define QUIRE_CLEAR32                                           \
  QUIRE_CLEAR16                                                 \
  QUIRE_EACH8(QUIRE_CLEAR_HIGH, 16, 17, 18, 19, 20, 21, 22, 23) \
  QUIRE_EACH8(QUIRE_CLEAR_HIGH, 24, 25, 26, 27, 28, 29, 30, 31)

#define QUIRE_LOW_REGISTERS                                                                \
  "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
      "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc"
#define QUIRE_HIGH_REGISTERS                                                                \
  "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", \
      "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31"

#define QUIRE_LOOP(body) "1:\n" body "dec %0\n jnz 1b\n vzeroupper\n"

#define QUIRE_DOT512(a) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #a "\n"
#define QUIRE_FMA512(a) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" #a "\n"
#define QUIRE_EACH24(op)                        \
  QUIRE_EACH8(op, 0, 1, 2, 3, 4, 5, 6, 7)       \
  QUIRE_EACH8(op, 8, 9, 10, 11, 12, 13, 14, 15) \
  QUIRE_EACH8(op, 16, 17, 18, 19, 20, 21, 22, 23)

__attribute__((target("avx512f,avx512vnni"))) void Dots512(uint64_t rounds) {
  asm volatile(QUIRE_CLEAR32 QUIRE_LOOP(QUIRE_EACH24(QUIRE_DOT512))
               : "+r"(rounds)
               :
               : QUIRE_LOW_REGISTERS, QUIRE_HIGH_REGISTERS);
}

__attribute__((target("avx512f"))) void Fmas512(uint64_t rounds) {
  asm volatile(QUIRE_CLEAR32 QUIRE_LOOP(QUIRE_EACH24(QUIRE_FMA512))
               : "+r"(rounds)
               :
               : QUIRE_LOW_REGISTERS, QUIRE_HIGH_REGISTERS);
}

#define QUIRE_DOT_VEX(a) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #a "\n"
#define QUIRE_FMA256(a) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #a "\n"
// What AVX2 has instead of a dot product: pairs of bytes to 16 bits, pairs of those to 32, add.
#define QUIRE_DOT256(a)                                                                \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #a "\n vpmaddwd %%ymm13, %%ymm" #a ", %%ymm" #a \
  "\n vpaddd %%ymm" #a ", %%ymm12, %%ymm" #a "\n"
#define QUIRE_EACH12(op) QUIRE_EACH8(op, 0, 1, 2, 3, 4, 5, 6, 7) op(8) op(9) op(10) op(11)

__attribute__((target("avx2"))) void DotsVex(uint64_t rounds) {
  asm volatile(QUIRE_CLEAR16 QUIRE_LOOP(QUIRE_EACH12(QUIRE_DOT_VEX))
               : "+r"(rounds)
               :
               : QUIRE_LOW_REGISTERS);
}

__attribute__((target("avx2"))) void Dots256(uint64_t rounds) {
  asm volatile(QUIRE_CLEAR16 QUIRE_LOOP(QUIRE_EACH12(QUIRE_DOT256))
               : "+r"(rounds)
               :
               : QUIRE_LOW_REGISTERS);
}

__attribute__((target("avx2,fma"))) void Fmas256(uint64_t rounds) {
  asm volatile(QUIRE_CLEAR16 QUIRE_LOOP(QUIRE_EACH12(QUIRE_FMA256))
               : "+r"(rounds)
               :
               : QUIRE_LOW_REGISTERS);
}

}  // namespace

double DotOpsPerRound(Isa isa) {
  switch (isa) {
    case Isa::kPortable:
      return 0;
    case Isa::kAvx2:
    case Isa::kAvxVnni:
      return 2.0 * 32 * 12;  // a product and an addition x bytes of a vector x accumulators
    case Isa::kAvx512:
      break;
  }
  return 2.0 * 64 * 24;
}

double FmaOpsPerRound(Isa isa) {
  if (isa == Isa::kPortable) return 0;
  return isa == Isa::kAvx512 ? 2.0 * 16 * 24 : 2.0 * 8 * 12;
}

void DotLoop(Isa isa, uint64_t rounds) {
  if (isa == Isa::kAvx512) Dots512(rounds);
  if (isa == Isa::kAvxVnni) DotsVex(rounds);
  if (isa == Isa::kAvx2) Dots256(rounds);
}

void FmaLoop(Isa isa, uint64_t rounds) {
  if (isa == Isa::kPortable) return;
  isa == Isa::kAvx512 ? Fmas512(rounds) : Fmas256(rounds);
}

void ReadLoop(const std::byte* data, size_t bytes) {
  size_t pieces = bytes / 256;
  if (pieces == 0) return;
#define QUIRE_READ64(at)                                                   \
  "prefetcht0 " #at "+4096(%0)\n movdqu " #at "(%0), %%xmm0\n movdqu " #at \
  "+16(%0), %%xmm1\n movdqu " #at "+32(%0), %%xmm2\n movdqu " #at "+48(%0), %%xmm3\n"
  asm volatile("1:\n" QUIRE_READ64(0) QUIRE_READ64(64) QUIRE_READ64(128)
                   QUIRE_READ64(192) "add $256, %0\n dec %1\n jnz 1b\n"
               : "+r"(data), "+r"(pieces)
               :
               : "xmm0", "xmm1", "xmm2", "xmm3", "cc", "memory");
}

#else

double DotOpsPerRound(Isa) { return 0; }
double FmaOpsPerRound(Isa) { return 0; }
void DotLoop(Isa, uint64_t) {}
void FmaLoop(Isa, uint64_t) {}

void ReadLoop(const std::byte* data, size_t bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes / sizeof(uint64_t); ++i) sum ^= words[i];
  asm volatile("" : : "r"(sum));
}

#endif

}  // namespace quire
