// bench/bench_kernels.cc -- matrix products of every type against the peaks of one core.
//
//   taskset -c 1 build/release/bench/bench_kernels --benchmark_filter=Prefill
//
// Prefill  a chunk of tokens, weights and activations in cache: byte products against the dot peak.
// Decode   one token, weights far larger than the caches: bytes read against the read peak.
#include <benchmark/benchmark.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "bench/peak.h"
#include "kernels/dispatch.h"
#include "kernels/matmul.h"
#include "kernels/quant_samples.h"

namespace quire {
namespace {

struct Matrix {
  PackedMatrix view;
  std::byte* data;

  // `copies` groups of rows with the same random content: packing a large matrix takes long.
  Matrix(TensorType type, uint32_t rows, uint32_t columns) {
    constexpr uint32_t kDistinct = 64;
    const size_t bytes = PackedBytes(type, rows, columns);
    data =
        static_cast<std::byte*>(std::aligned_alloc(2 << 20, (bytes + (2 << 20) - 1) >> 21 << 21));
    const std::vector<std::byte> source = RandomTensor(type, kDistinct, columns, 1);
    Pack(type, source, kDistinct, columns, data, {0, kDistinct / kRowGroup});
    const size_t piece = PackedBytes(type, kDistinct, columns);
    for (size_t at = piece; at < bytes; at += piece) {
      std::memcpy(data + at, data, std::min(piece, bytes - at));
    }
    view = {type, rows, columns, data};
  }
  ~Matrix() { std::free(data); }
  Matrix(const Matrix&) = delete;
  Matrix& operator=(const Matrix&) = delete;
};

void Store(Activations& x, uint32_t tokens, uint32_t columns) {
  const std::vector<float> values = RandomFloats(columns, 3);
  x.SetShape(tokens, columns);
  for (uint32_t t = 0; t < tokens; ++t) x.StoreRow(t, values.data(), {.int8 = true, .f32 = true});
}

// Runs `work` and, in between, `peak`; `of_peak` is the ratio of the best rates of either, since
// other programs on the machine may slow down any single run. `amount` is what one run does.
template <typename Work, typename Peak>
void Compare(benchmark::State& state, double amount, const Work& work, const Peak& peak) {
  double best = 0;
  double best_peak = peak();
  for (auto _ : state) {
    const double start = ThreadSeconds();
    work();
    const double seconds = ThreadSeconds() - start;
    state.SetIterationTime(seconds);
    best = std::max(best, amount / seconds);
    if (state.iterations() % 8 == 0) best_peak = std::max(best_peak, peak());
  }
  state.counters["G/s"] = best * 1e-9;
  state.counters["of_peak"] = best / best_peak;
}

void Prefill(benchmark::State& state, TensorType type) {
  const auto rows = static_cast<uint32_t>(state.range(0));
  const auto columns = static_cast<uint32_t>(state.range(1));
  const auto tokens = static_cast<uint32_t>(state.range(2));
  static const double peak = PeakDotProducts();
  const Matrix matrix(type, rows, columns);
  Activations x(tokens, columns);
  Store(x, tokens, columns);
  std::vector<float> out(size_t{tokens} * rows);
  Compare(
      state, double(rows) * columns * tokens,
      [&] { MatMul(matrix.view, x, {out.data(), rows, nullptr, false}, 0, rows); },
      [] { return peak; });
}

void Decode(benchmark::State& state, TensorType type) {
  const auto columns = static_cast<uint32_t>(state.range(0));
  const auto tokens = static_cast<uint32_t>(state.range(1));
  const size_t group = PackedBytes(type, kRowGroup, columns);
  const auto rows = static_cast<uint32_t>((size_t{128} << 20) / group * kRowGroup);
  const Matrix matrix(type, rows, columns);
  Activations x(tokens, columns);
  Store(x, tokens, columns);
  std::vector<float> out(size_t{tokens} * rows);
  const size_t bytes = PackedBytes(type, rows, columns);
  Compare(
      state, double(bytes),
      [&] { MatMul(matrix.view, x, {out.data(), rows, nullptr, false}, 0, rows); },
      [&] { return ReadRate(matrix.data, bytes); });
}

// Repacking at load: bytes of the file a second.
void Packing(benchmark::State& state, TensorType type) {
  constexpr uint32_t kRows = 64;
  constexpr uint32_t kColumns = 1536;
  const std::vector<std::byte> source = RandomTensor(type, kRows, kColumns, 1);
  std::vector<std::byte> packed(PackedBytes(type, kRows, kColumns));
  for (auto _ : state) {
    Pack(type, source, kRows, kColumns, packed.data(), {0, kRows / kRowGroup});
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * source.size()));
}

// Quantising one token.
void StoreRow(benchmark::State& state) {
  const auto columns = static_cast<uint32_t>(state.range(0));
  const std::vector<float> values = RandomFloats(columns, 3);
  Activations x(6, columns);
  x.SetShape(6, columns);
  for (auto _ : state) x.StoreRow(2, values.data(), {.int8 = true, .f32 = false});
  state.counters["values/s"] =
      benchmark::Counter(double(state.iterations()) * columns, benchmark::Counter::kIsRate);
}
BENCHMARK(StoreRow)->Arg(576);

void Peaks(benchmark::State& state) {
  double dots = 0;
  double bytes = 0;
  for (auto _ : state) {
    dots = PeakDotProducts();
    bytes = PeakReadBytes();
  }
  state.counters["Gprod/s"] = dots * 1e-9;
  state.counters["GB/s"] = bytes * 1e-9;
}
BENCHMARK(Peaks)->Iterations(1)->Unit(benchmark::kMillisecond);

void RegisterAll() {
  for (const TensorType type : kAllTensorTypes) {
    const std::string name(Info(type).name);
    benchmark::RegisterBenchmark(("Packing/" + name).c_str(), Packing, type);
    benchmark::RegisterBenchmark(("Prefill/" + name).c_str(), Prefill, type)
        ->ArgNames({"rows", "columns", "tokens"})
        ->Args({768, 512, 48})
        ->Args({768, 1536, 48})
        ->Args({768, 512, 480})
        ->UseManualTime();
    benchmark::RegisterBenchmark(("Decode/" + name).c_str(), Decode, type)
        ->ArgNames({"columns", "tokens"})
        ->Args({1536, 1})
        ->Args({1536, 4})
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  if (!quire::SelectIsaFromEnvironment()) return 2;
  quire::RegisterAll();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
