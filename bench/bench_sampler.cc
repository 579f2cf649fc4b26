// bench/bench_sampler.cc -- what choosing a token costs, by vocabulary and by what was asked for.
//
// Rows of logits as models give them: a few likely tokens over a wide bulk. Vocabularies: SmolLM2
// (49,152), Qwen 2.5 (151,936), Gemma 3 (262,144).
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "model/sampler.h"

namespace quire {
namespace {

std::vector<float> Logits(size_t size) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  for (int i = 0; i < 20; ++i) logits[random() % size] = 14.0f + normal(random);
  return logits;
}

void Sample(benchmark::State& state, const SamplingParams& params) {
  const auto vocab = static_cast<uint32_t>(state.range(0));
  const std::vector<float> logits = Logits(vocab);
  Sampler sampler(params, 0, vocab);
  std::vector<TokenId> prompt(1000);
  for (size_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>(i * 7);
  sampler.ObservePrompt(prompt);
  uint32_t position = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sampler.Sample(logits, {.position = position++}));
  }
}

void Add(const char* name, const SamplingParams& params) {
  benchmark::RegisterBenchmark(name, Sample, params)
      ->Arg(49152)
      ->Arg(151936)
      ->Arg(262144)
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace
}  // namespace quire

int main(int argc, char** argv) {
  using quire::Add;
  Add("greedy", {.temperature = 0});
  Add("temperature_0.8", {.temperature = 0.8f});
  Add("temperature_0.8/top_p_0.95", {.temperature = 0.8f, .top_p = 0.95f});
  Add("temperature_0.8/top_k_40", {.temperature = 0.8f, .top_k = 40});
  Add("temperature_0.8/min_p_0.05", {.temperature = 0.8f, .min_p = 0.05f});
  Add("temperature_0.8/top_k_40/top_p_0.95/min_p_0.05",
      {.temperature = 0.8f, .top_p = 0.95f, .top_k = 40, .min_p = 0.05f});
  Add("temperature_0.8/repetition_penalty_1.1", {.temperature = 0.8f, .repetition_penalty = 1.1f});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
