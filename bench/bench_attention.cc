// bench/bench_attention.cc -- attention against two peaks measured in the same run: one core's f32
// FMA rate (prefill) and its rate of reading memory (decode).
//
//   taskset -c 1 build/release/bench/bench_attention --benchmark_filter=Decode
//   build/release/bench/bench_attention --benchmark_filter='Batch|Balance'
//
// Counters: of_fma_peak and of_read_peak are ratios; machines differ, ratios less.
#include <benchmark/benchmark.h>
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "bench/peak.h"
#include "kernels/attention.h"
#include "kernels/dispatch.h"
#include "kernels/ops.h"

namespace quire {
namespace {

// Time this thread has run: other work on a shared machine must not count.
double Seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// The best of a few runs of `work`, in units of work per second.
template <typename Work>
double BestRate(double units, Work&& work) {
  double best = 0;
  for (int i = 0; i < 8; ++i) {
    const double begin = Seconds();
    work();
    best = std::max(best, units / (Seconds() - begin));
  }
  return best;
}

// 12 independent chains, in assembly because compilers spill arrays of accumulators.
#define QUIRE_FMA12(r)                                                                       \
  "vfmadd231ps %%" r "12, %%" r "13, %%" r "0\n vfmadd231ps %%" r "12, %%" r "13, %%" r      \
  "1\n vfmadd231ps %%" r "12, %%" r "13, %%" r "2\n vfmadd231ps %%" r "12, %%" r "13, %%" r  \
  "3\n vfmadd231ps %%" r "12, %%" r "13, %%" r "4\n vfmadd231ps %%" r "12, %%" r "13, %%" r  \
  "5\n vfmadd231ps %%" r "12, %%" r "13, %%" r "6\n vfmadd231ps %%" r "12, %%" r "13, %%" r  \
  "7\n vfmadd231ps %%" r "12, %%" r "13, %%" r "8\n vfmadd231ps %%" r "12, %%" r "13, %%" r  \
  "9\n vfmadd231ps %%" r "12, %%" r "13, %%" r "10\n vfmadd231ps %%" r "12, %%" r "13, %%" r \
  "11\n"

void FmaLoop512(int64_t rounds) {
  asm volatile("1:\n" QUIRE_FMA12("zmm") "dec %0\n jnz 1b\n vzeroupper\n"
               : "+r"(rounds)
               :
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "cc");
}

void FmaLoop256(int64_t rounds) {
  asm volatile("1:\n" QUIRE_FMA12("ymm") "dec %0\n jnz 1b\n vzeroupper\n"
               : "+r"(rounds)
               :
               : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "cc");
}

// FMAs per second of one core at the width of the current instruction set.
double FmaPeak() {
  constexpr int64_t kRounds = 200'000;
  const bool wide = CurrentIsa() == Isa::kAvx512;
  return BestRate(12.0 * (wide ? 16 : 8) * kRounds,
                  [&] { wide ? FmaLoop512(kRounds) : FmaLoop256(kRounds); });
}

// Memory on huge pages, where the system gives them, as the arena of the engine is.
struct HugeBuffer {
  static constexpr std::align_val_t kAlign{size_t{2} << 20};
  explicit HugeBuffer(size_t size) : bytes(static_cast<std::byte*>(::operator new(size, kAlign))) {
    madvise(bytes, size, MADV_HUGEPAGE);
    std::fill_n(bytes, size, std::byte{0});
  }
  ~HugeBuffer() { ::operator delete(bytes, kAlign); }
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;

  std::byte* bytes;
};

struct Setup {
  Setup(KvShape kv, uint32_t query_heads_, uint32_t rows_, uint32_t depth_)
      : query_heads(query_heads_),
        rows(rows_),
        depth(depth_),
        table((depth_ + kBlockTokens - 1) / kBlockTokens),
        arena(table.size() * kv.block_bytes()),
        q(size_t{rows_} * query_heads_ * kv.head_dim),
        out(q.size()),
        plan(rows_, query_heads_ / kv.kv_heads),
        scratch(rows_, query_heads_, kv.head_dim, depth_, 3) {
    view = {arena.bytes, kv, static_cast<uint32_t>(table.size())};
    std::iota(table.begin(), table.end(), 0u);
    std::mt19937 generator(1);
    std::normal_distribution<float> normal;
    for (float& x : q) x = normal(generator);
    std::vector<float> token(size_t{kv.kv_heads} * kv.head_dim);
    for (float& x : token) x = normal(generator);
    for (uint32_t layer = 0; layer < kv.layers; ++layer) {
      for (uint32_t t = 0; t < depth; ++t) {
        StoreKv(view, layer, table[t / kBlockTokens], t % kBlockTokens, token.data(), token.data());
      }
    }
    const AttentionRows one = {0, rows, depth - rows, table};
    plan.Fill({&one, 1}, 0);
  }

  void Attend(const Worker& worker, uint32_t layer) {
    Attention(worker, view, {layer, query_heads, 0.125f}, plan, q.data(), out.data(), scratch);
  }

  uint32_t query_heads, rows, depth;
  std::vector<uint32_t> table;
  HugeBuffer arena;
  std::vector<float> q, out;
  KvView view;
  AttentionPlan plan;
  AttentionScratch scratch;
};

// Arguments: query heads, KV heads, head size, rows, depth, layers in turn, instruction set,
// format.
void Attend(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<uint32_t>(state.range(i)); };
  const auto isa = static_cast<Isa>(arg(6));
  const auto format = static_cast<KvFormat>(arg(7));
  if (std::ranges::find(AvailableIsas(), isa) == AvailableIsas().end()) {
    state.SkipWithError("this machine lacks the instruction set");
    return;
  }
  SelectIsa(isa);
  const KvShape kv = {.layers = arg(5), .kv_heads = arg(1), .head_dim = arg(2), .format = format};
  Setup setup(kv, arg(0), arg(3), arg(4));
  WorkerPool pool(1);
  const double bytes = static_cast<double>(setup.table.size() * kv.block_layer_bytes());
  const double fmas =
      2.0 * setup.rows * setup.query_heads * kv.head_dim * (setup.depth - (setup.rows - 1) / 2.0);
  const double fma_peak = FmaPeak();
  static const double read_peak = PeakReadBytes();
  double best = 1e9;
  uint32_t layer = 0;
  for (auto _ : state) {
    pool.Run([&](const Worker& worker) {
      const double begin = Seconds();
      for (uint32_t i = 0; i < kv.layers; ++i) {
        setup.Attend(worker, layer);
        layer = (layer + 1) % kv.layers;
      }
      best = std::min(best, (Seconds() - begin) / kv.layers);
    });
  }
  state.SetLabel(std::string(IsaName(isa)) + " " + std::string(KvFormatName(format)));
  state.counters["us"] = best * 1e6;
  state.counters["gb_s"] = bytes / best * 1e-9;
  state.counters["of_read_peak"] = bytes / best / read_peak;
  state.counters["read_peak_gb_s"] = read_peak * 1e-9;
  state.counters["of_fma_peak"] = fmas / best / fma_peak;
  state.counters["fma_peak_g"] = fma_peak * 1e-9;
}

// Arguments: query heads, KV heads, head size, rows, depth, workers. Mean over greatest share of
// the work, by each worker's own time: 1 is perfect balance.
void Balance(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<uint32_t>(state.range(i)); };
  SelectIsa(AvailableIsas().back());
  Setup setup({.layers = 1, .kv_heads = arg(1), .head_dim = arg(2)}, arg(0), arg(3), arg(4));
  WorkerPool pool(arg(5));
  std::vector<double> least(pool.count(), 1e9);
  for (auto _ : state) {
    pool.Run([&](const Worker& worker) {
      const double begin = Seconds();
      setup.Attend(worker, 0);
      double& own = least[worker.index()];
      own = std::min(own, Seconds() - begin);
    });
  }
  const double sum = std::accumulate(least.begin(), least.end(), 0.0);
  const double mean = sum / static_cast<double>(least.size());
  state.counters["balance"] = mean / *std::ranges::max_element(least);
  state.counters["us"] = *std::ranges::max_element(least) * 1e6;
}

void BalanceArguments(benchmark::internal::Benchmark* b) {
  for (const int workers : {1, 2, 3}) {
    b->Args({9, 3, 64, 1, 4096, workers});
    b->Args({4, 1, 256, 1, 4096, workers});
    b->Args({9, 3, 64, 48, 1024, workers});
    b->Args({4, 1, 256, 16, 1024, workers});
  }
}

constexpr int kFormats[] = {static_cast<int>(KvFormat::kF16), static_cast<int>(KvFormat::kQ8),
                            static_cast<int>(KvFormat::kK16V8)};

void DecodeArguments(benchmark::internal::Benchmark* b) {
  for (const int isa : {3, 1}) {
    for (const int format : kFormats) {
      b->Args({9, 3, 64, 1, 4096, 30, isa, format});
      b->Args({14, 2, 64, 1, 4096, 24, isa, format});
      b->Args({12, 2, 128, 1, 4096, 28, isa, format});
      b->Args({4, 1, 256, 1, 4096, 18, isa, format});
      b->Args({9, 3, 64, 1, 1024, 1, isa, format});  // from L2
    }
  }
}

void PrefillArguments(benchmark::internal::Benchmark* b) {
  for (const int isa : {3, 1}) {
    for (const int format : kFormats) {
      b->Args({9, 3, 64, 48, 512, 1, isa, format});
      b->Args({9, 3, 64, 512, 8192, 1, isa, format});
      b->Args({14, 2, 64, 512, 8192, 1, isa, format});
      b->Args({12, 2, 128, 48, 2048, 1, isa, format});
      b->Args({4, 1, 256, 48, 2048, 1, isa, format});
    }
  }
}

// Several sequences decoding at once. Arguments: query heads, KV heads, head size, sequences,
// tokens they share, tokens of each besides, layers in turn, workers, format.
void Batch(benchmark::State& state) {
  const auto arg = [&](int i) { return static_cast<uint32_t>(state.range(i)); };
  SelectIsa(AvailableIsas().back());
  const uint32_t sequences = arg(3);
  const uint32_t depth = arg(4) + arg(5);
  const uint32_t shared = arg(4) / kBlockTokens;
  const uint32_t blocks = (depth + kBlockTokens - 1) / kBlockTokens;
  const KvShape kv = {.layers = arg(6),
                      .kv_heads = arg(1),
                      .head_dim = arg(2),
                      .format = static_cast<KvFormat>(arg(8))};
  Setup setup(kv, arg(0), sequences, (shared + sequences * (blocks - shared)) * kBlockTokens);
  std::vector<std::vector<uint32_t>> tables;
  std::vector<AttentionRows> rows;
  for (uint32_t i = 0; i < sequences; ++i) {
    std::vector<uint32_t>& table = tables.emplace_back(blocks);
    std::iota(table.begin(), table.begin() + shared, 0u);
    std::iota(table.begin() + shared, table.end(), shared + i * (blocks - shared));
  }
  for (uint32_t i = 0; i < sequences; ++i) rows.push_back({i, 1, depth - 1, tables[i]});
  setup.plan.Fill(rows, 0);
  WorkerPool pool(arg(7));
  std::vector<double> least(pool.count(), 1e9);  // by each worker's own time
  for (auto _ : state) {
    pool.Run([&](const Worker& worker) {
      double took = 0;
      for (uint32_t layer = 0; layer < kv.layers; ++layer) {
        const double begin = Seconds();
        setup.Attend(worker, layer);
        took += Seconds() - begin;
        worker.Barrier();
      }
      least[worker.index()] = std::min(least[worker.index()], took / kv.layers);
    });
  }
  const double best = *std::ranges::max_element(least);
  const double bytes = static_cast<double>(setup.table.size() * kv.block_layer_bytes());
  state.SetLabel(std::string(KvFormatName(kv.format)));
  state.counters["us"] = best * 1e6;
  state.counters["gb_s"] = bytes / best * 1e-9;
  state.counters["gmacs"] = 2e-9 * sequences * depth * setup.query_heads * kv.head_dim / best;
}

void BatchArguments(benchmark::internal::Benchmark* b) {
  for (const int format : kFormats) {
    b->Args({9, 3, 64, 8, 0, 2048, 30, 2, format});
    b->Args({9, 3, 64, 8, 2000, 48, 30, 2, format});
    b->Args({14, 2, 64, 8, 0, 2048, 24, 2, format});
    b->Args({14, 2, 64, 8, 2000, 48, 24, 2, format});
    b->Args({9, 3, 64, 16, 0, 512, 30, 2, format});
  }
}

BENCHMARK(Batch)->Apply(BatchArguments)->Iterations(10);
BENCHMARK(Attend)->Name("Decode")->Apply(DecodeArguments)->Iterations(10);
BENCHMARK(Balance)->Apply(BalanceArguments)->Iterations(50);
BENCHMARK(Attend)->Name("Prefill")->Apply(PrefillArguments)->Iterations(20);

}  // namespace
}  // namespace quire

BENCHMARK_MAIN();
