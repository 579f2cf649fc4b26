#include "bench/peak.h"

#include <immintrin.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace quire {
namespace {

// Best of a few runs of `work`, which does `amount` of something.
template <typename Work>
double BestRate(double amount, const Work& work) {
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const double start = ThreadSeconds();
    work();
    best = std::max(best, amount / (ThreadSeconds() - start));
  }
  return best;
}

constexpr int kRounds = 2'000'000;

#define QUIRE_DOT8(reg, a, b, c, d, e, f, g, h)                                                    \
  "vpdpbusd %%" reg "30, %%" reg "31, %%" reg #a "\n vpdpbusd %%" reg "30, %%" reg "31, %%" reg #b \
  "\n vpdpbusd %%" reg "30, %%" reg "31, %%" reg #c "\n vpdpbusd %%" reg "30, %%" reg              \
  "31, %%" reg #d "\n vpdpbusd %%" reg "30, %%" reg "31, %%" reg #e "\n vpdpbusd %%" reg           \
  "30, %%" reg "31, %%" reg #f "\n vpdpbusd %%" reg "30, %%" reg "31, %%" reg #g                   \
  "\n vpdpbusd %%" reg "30, %%" reg "31, %%" reg #h "\n"

__attribute__((target("avx512f,avx512vnni"))) void DotsAvx512() {
  int rounds = kRounds;
  asm volatile("1:\n" QUIRE_DOT8("zmm", 0, 1, 2, 3, 4, 5, 6, 7)
                   QUIRE_DOT8("zmm", 8, 9, 10, 11, 12, 13, 14, 15) QUIRE_DOT8(
                       "zmm", 16, 17, 18, 19, 20, 21, 22, 23) "dec %0\n jnz 1b\n vzeroupper\n"
               : "+r"(rounds)
               :
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18",
                 "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "cc");
}

#define QUIRE_MAD(a)                                                                   \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #a "\n vpmaddwd %%ymm13, %%ymm" #a ", %%ymm" #a \
  "\n vpaddd %%ymm" #a ", %%ymm12, %%ymm" #a "\n"

__attribute__((target("avx2"))) void DotsAvx2() {
  int rounds = kRounds;
  asm volatile("1:\n" QUIRE_MAD(0) QUIRE_MAD(1) QUIRE_MAD(2) QUIRE_MAD(3) QUIRE_MAD(4) QUIRE_MAD(5)
                   QUIRE_MAD(6) QUIRE_MAD(7) "dec %0\n jnz 1b\n vzeroupper\n"
               : "+r"(rounds)
               :
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm12", "xmm13",
                 "xmm14", "xmm15", "cc");
}

}  // namespace

double PeakDotProducts() {
  if (__builtin_cpu_supports("avx512vnni")) return BestRate(64.0 * 24 * kRounds, DotsAvx512);
  return BestRate(32.0 * 8 * kRounds, DotsAvx2);
}

double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double ReadRate(const void* data, size_t bytes) {
  const double start = ThreadSeconds();
  const void* p = data;
  size_t pieces = bytes / 256;
  asm volatile(
      "1:\n prefetcht0 2048(%0)\n prefetcht0 2112(%0)\n prefetcht0 2176(%0)\n"
      " prefetcht0 2240(%0)\n vmovdqu (%0), %%ymm0\n vmovdqu 32(%0), %%ymm1\n"
      " vmovdqu 64(%0), %%ymm2\n vmovdqu 96(%0), %%ymm3\n vmovdqu 128(%0), %%ymm4\n"
      " vmovdqu 160(%0), %%ymm5\n vmovdqu 192(%0), %%ymm6\n vmovdqu 224(%0), %%ymm7\n"
      " add $256, %0\n dec %1\n jnz 1b\n vzeroupper\n"
      : "+r"(p), "+r"(pieces)
      :
      : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "cc", "memory");
  return static_cast<double>(bytes) / (ThreadSeconds() - start);
}

double PeakReadBytes() {
  constexpr size_t kBytes = size_t{256} << 20;
  constexpr size_t kPage = size_t{2} << 20;
  void* memory = std::aligned_alloc(kPage, kBytes);
  if (memory == nullptr) return 0;
  madvise(memory, kBytes, MADV_HUGEPAGE);
  std::memset(memory, 1, kBytes);
  double best = 0;
  for (int i = 0; i < 5; ++i) best = std::max(best, ReadRate(memory, kBytes));
  std::free(memory);
  return best;
}

}  // namespace quire
