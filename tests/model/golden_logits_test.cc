// Real models against reference logits, computed from the same weights in float32.
//
// Quantised mode must stay within what 8-bit activations cost other engines; float32 mode must
// match to rounding, so that windows, rope and activations are proved and not drowned in noise.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <set>
#include <string>

#include "base/worker_pool.h"
#include "model/sampler.h"
#include "model/single_sequence.h"
#include "tests/model/golden_logits.h"

namespace quire::test {
namespace {

struct Case {
  std::string model;
  std::string golden;
  std::set<std::string> ill_conditioned;  // prompts that 8-bit activations cannot follow
  size_t float32_tokens = 4096;           // longer prompts take too long in float32
};

const Case kCases[] = {
    {"smollm2-135m", "smollm2-135m-instruct-q4_1.json", {}},
    {"gemma3-270m", "gemma3-270m-q4_k_m.json", {}},
    {"qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b.json", {"one_token", "repeat", "hello"}},
    {"qwen2.5-coder-1.5b", "qwen2.5-coder-1.5b.json", {"one_token", "repeat"}, 250},
};

class GoldenLogits : public testing::TestWithParam<Case> {
 protected:
  // Loads the model, or skips with the reason.
  void Load(Precision precision) {
    const auto path = FindModelFile(GetParam().model);
    if (!path) GTEST_SKIP() << GetParam().model << ".gguf is not here (tools/fetch_model gets it)";
    auto golden = ReadGolden(GetParam().golden);
    if (!golden) GTEST_SKIP() << GetParam().golden << " is not here";
    golden_ = std::move(*golden);
    model_ = LoadModel(*path, precision, pool_);
    ASSERT_NE(model_, nullptr);
    const KvFormat format = precision == Precision::kFloat32 ? KvFormat::kF32 : KvFormat::kF16;
    constexpr ForwardLimits kLimits{.max_tokens = 64, .max_logit_rows = 64, .max_context = 2048};
    sequence_ =
        std::make_unique<SingleSequence>(*model_, pool_, SingleSequence::Options{format, kLimits});
  }

  std::span<const float> Read(const std::vector<TokenId>& tokens) {
    sequence_->Truncate(0);
    return sequence_->Append(tokens);
  }

  void CheckPrompt(const GoldenPrompt& prompt, float tolerance);
  void CheckGreedy(const GoldenPrompt& prompt, double least_margin);

  // What differs on `long`.
  struct Distance {
    double mean_nll = 0;
    double mean_abs_diff = 0;
    double max_abs_diff = 0;
    double agreement = 0;
    double largest_margin_lost = 0;  // of a position whose argmax differs
  };
  Distance CompareLong(const GoldenPrompt& prompt);
  void Report(const char* mode, const GoldenPrompt& prompt, const Distance& distance) const;

  WorkerPool pool_{2};
  GoldenModel golden_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<SingleSequence> sequence_;
};

void GoldenLogits::CheckPrompt(const GoldenPrompt& prompt, float tolerance) {
  const std::span<const float> logits = Read(prompt.tokens);
  float worst = 0;
  double top1 = 0;
  for (size_t i = 0; i < prompt.top_ids.size(); ++i) {
    const float logprob = LogprobOf(logits, prompt.top_ids[i], 0).logprob;
    const float diff = std::fabs(logprob - prompt.top_logprobs[i]);
    if (i == 0) top1 = diff;
    worst = std::max(worst, diff);
  }
  std::printf("  %-12s top-1 off by %.5f, top-20 by up to %.5f\n", prompt.name.c_str(), top1,
              worst);
  EXPECT_LE(worst, tolerance) << prompt.name;
}

void GoldenLogits::CheckGreedy(const GoldenPrompt& prompt, double least_margin) {
  std::span<const float> logits = Read(prompt.tokens);
  const GoldenGreedy& greedy = *prompt.greedy;
  for (size_t i = 0; i < greedy.ids.size() && greedy.margins[i] >= least_margin; ++i) {
    const TokenId token = ArgMax(logits);
    ASSERT_EQ(token, greedy.ids[i]) << prompt.name << " step " << i;
    logits = sequence_->Append({&token, 1});
  }
}

GoldenLogits::Distance GoldenLogits::CompareLong(const GoldenPrompt& prompt) {
  constexpr size_t kRows = 64;
  const GoldenPositions& reference = *prompt.positions;
  const size_t vocab = model_->config().vocab_size;
  Distance distance;
  size_t same = 0;
  sequence_->Truncate(0);
  for (size_t at = 0; at < prompt.tokens.size(); at += kRows) {
    const size_t count = std::min(kRows, prompt.tokens.size() - at);
    const auto logits = sequence_->Append(std::span(prompt.tokens).subspan(at, count),
                                          static_cast<uint32_t>(count));
    for (size_t i = at; i < at + count; ++i) {
      const auto row = logits.subspan((i - at) * vocab, vocab);
      if (ArgMax(row) == reference.argmax[i]) {
        ++same;
      } else {
        distance.largest_margin_lost =
            std::max<double>(distance.largest_margin_lost, reference.margin[i]);
      }
      if (i + 1 == prompt.tokens.size()) continue;
      const double logprob = LogprobOf(row, prompt.tokens[i + 1], 0).logprob;
      const double diff = std::fabs(logprob - reference.logprob_next[i]);
      distance.mean_nll -= logprob;
      distance.mean_abs_diff += diff;
      distance.max_abs_diff = std::max(distance.max_abs_diff, diff);
    }
  }
  const double scored = static_cast<double>(prompt.tokens.size() - 1);
  distance.mean_nll /= scored;
  distance.mean_abs_diff /= scored;
  distance.agreement = static_cast<double>(same) / static_cast<double>(prompt.tokens.size());
  return distance;
}

void GoldenLogits::Report(const char* mode, const GoldenPrompt& prompt,
                          const Distance& distance) const {
  std::printf(
      "%s %s: NLL reference %.5f, ours %.5f (%+.3f %%), llama.cpp %.5f; mean abs diff ours %.5f, "
      "llama.cpp %.5f; max %.4f; same argmax %.2f %%, largest margin lost %.3f\n",
      GetParam().model.c_str(), mode, prompt.positions->mean_nll, distance.mean_nll,
      100 * (distance.mean_nll / prompt.positions->mean_nll - 1), golden_.peer.mean_nll,
      distance.mean_abs_diff, golden_.peer.mean_abs_diff, distance.max_abs_diff,
      100 * distance.agreement, distance.largest_margin_lost);
}

TEST_P(GoldenLogits, QuantisedStaysWithinWhatEightBitsCost) {
  Load(Precision::kQuantised);
  if (IsSkipped() || HasFatalFailure()) return;
  for (const GoldenPrompt& prompt : golden_.prompts) {
    if (GetParam().ill_conditioned.contains(prompt.name)) continue;
    CheckPrompt(prompt, 1.0f);
    if (prompt.greedy) CheckGreedy(prompt, 0.5);
    if (!prompt.positions) continue;
    const Distance distance = CompareLong(prompt);
    Report("quantised", prompt, distance);
    const double reference = prompt.positions->mean_nll;
    EXPECT_NEAR(distance.mean_nll, reference, 0.003 * reference);
    EXPECT_LE(distance.mean_abs_diff, 1.1 * golden_.peer.mean_abs_diff);
    EXPECT_LE(distance.largest_margin_lost, 0.8);
  }
}

TEST_P(GoldenLogits, Float32MatchesToRounding) {
  Load(Precision::kFloat32);
  if (IsSkipped() || HasFatalFailure()) return;
  for (const GoldenPrompt& prompt : golden_.prompts) {
    if (prompt.tokens.size() > GetParam().float32_tokens) continue;
    CheckPrompt(prompt, 2e-3f);
    if (prompt.greedy) CheckGreedy(prompt, 0.01);
    if (!prompt.positions) continue;
    const Distance distance = CompareLong(prompt);
    Report("float32", prompt, distance);
    EXPECT_NEAR(distance.mean_nll, prompt.positions->mean_nll, 1e-4);
    EXPECT_LE(distance.max_abs_diff, 5e-3);
    EXPECT_LE(distance.largest_margin_lost, 0.01);
  }
}

INSTANTIATE_TEST_SUITE_P(RealModels, GoldenLogits, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& item) {
                           std::string name = item.param.model;
                           std::ranges::replace_if(
                               name, [](char c) { return std::isalnum(c) == 0; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace quire::test
