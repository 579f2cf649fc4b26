#include "model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <random>
#include <tuple>

#include "model/counter_random.h"

namespace quire {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> RandomLogits(uint32_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

// How often each token is drawn in `draws` positions.
std::map<TokenId, uint32_t> Histogram(const SamplingParams& params, std::span<const float> logits,
                                      uint32_t draws) {
  Sampler sampler(params, 0, static_cast<uint32_t>(logits.size()));
  std::map<TokenId, uint32_t> counts;
  for (uint32_t position = 0; position < draws; ++position) {
    ++counts[sampler.Sample(logits, {.position = position}).token];
  }
  return counts;
}

// Plain softmax probabilities in double, of the tokens that `keep` names.
std::vector<double> Probabilities(std::span<const float> logits, float temperature) {
  std::vector<double> p;
  double sum = 0;
  for (const float logit : logits) sum += p.emplace_back(std::exp(double{logit} / temperature));
  for (double& value : p) value /= sum;
  return p;
}

SamplingParams Greedy() {
  SamplingParams params;
  params.temperature = 0;
  return params;
}

TEST(CounterRandomTest, IsPhilox) {
  // The published vectors of Philox 4x32-10.
  EXPECT_EQ(RandomBits({.seed = 0, .choice = 0, .position = 0}), 0xe169c58d6627e8d5u);
}

TEST(CounterRandomTest, EveryPartOfTheKeyMatters) {
  const uint64_t base = RandomBits({1, 2, 3});
  EXPECT_EQ(RandomBits({1, 2, 3}), base);
  EXPECT_NE(RandomBits({uint64_t{1} << 40, 2, 3}), base);
  EXPECT_NE(RandomBits({1, 3, 2}), base);
  EXPECT_NE(RandomBits({1, 2, 4}), base);
}

TEST(SamplerTest, GreedyTakesTheLargestAndTiesGoToTheLowestId) {
  std::vector<float> logits = RandomLogits(1003, 1);
  logits[700] = logits[500] = logits[999] = 50;
  Sampler sampler(Greedy(), 0, 1003);
  EXPECT_EQ(sampler.Sample(logits, {}).token, 500);
  SamplingParams nearly;
  nearly.temperature = 1e-6f;
  EXPECT_EQ(Sampler(nearly, 0, 1003).Sample(logits, {}).token, 500);
}

TEST(SamplerTest, DrawsFollowTheSoftmax) {
  const std::vector<float> logits = {1, 0, 2, -1, 0.5f};
  SamplingParams params;
  params.temperature = 0.8f;
  const std::vector<double> p = Probabilities(logits, 0.8f);
  auto counts = Histogram(params, logits, 40000);
  for (size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(counts[static_cast<TokenId>(i)] / 40000.0, p[i], 0.01) << i;
  }
}

TEST(SamplerTest, ADrawIsAFunctionOfSeedChoiceAndPosition) {
  const std::vector<float> logits = RandomLogits(500, 2);
  SamplingParams params;
  params.seed = 42;
  Sampler first(params, 0, 500);
  std::vector<TokenId> forward;
  for (uint32_t i = 0; i < 50; ++i) forward.push_back(first.Sample(logits, {.position = i}).token);
  Sampler resumed(params, 0, 500);
  Sampler other_choice(params, 1, 500);
  uint32_t same = 0;
  for (uint32_t i = 50; i-- > 0;) {
    EXPECT_EQ(resumed.Sample(logits, {.position = i}).token, forward[i]);
    same += other_choice.Sample(logits, {.position = i}).token == forward[i] ? 1 : 0;
  }
  EXPECT_LT(same, 25u);
}

TEST(SamplerTest, TopKKeepsTheBestWithTiesToTheLowestIds) {
  const std::vector<float> logits = {1, 3, 1, 1, 2, 1};
  SamplingParams params;
  params.top_k = 3;
  const auto counts = Histogram(params, logits, 3000);
  std::vector<TokenId> tokens;
  for (const auto& [token, count] : counts) tokens.push_back(token);
  EXPECT_EQ(tokens, (std::vector<TokenId>{0, 1, 4}));
}

// The tokens that can be drawn, by the definitions, sorting everything.
std::vector<TokenId> Allowed(std::span<const float> logits, const SamplingParams& params) {
  std::vector<TokenId> order(logits.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<TokenId>(i);
  std::ranges::stable_sort(order, [&](TokenId a, TokenId b) {
    return logits[static_cast<size_t>(a)] > logits[static_cast<size_t>(b)];
  });
  if (params.top_k > 0) order.resize(std::min<size_t>(order.size(), params.top_k));
  const std::vector<double> p = Probabilities(logits, params.temperature);
  const auto of = [&](TokenId token) { return p[static_cast<size_t>(token)]; };
  double total = 0;
  for (const TokenId token : order) total += of(token);
  double sum = 0;
  size_t kept = 0;
  while (kept < order.size() && (kept == 0 || sum < double{params.top_p} * total)) {
    sum += of(order[kept++]);
  }
  order.resize(kept);
  std::erase_if(order, [&](TokenId token) {
    return of(token) < double{params.min_p} * p[static_cast<size_t>(order.front())];
  });
  std::ranges::sort(order);
  return order;
}

TEST(SamplerTest, TopPAndMinPKeepWhatTheirDefinitionsKeep) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    const std::vector<float> logits = RandomLogits(40, seed);
    SamplingParams params;
    params.temperature = 0.5f + 0.05f * static_cast<float>(seed);
    params.top_p = seed % 3 == 0 ? 1.0f : 0.6f + 0.01f * static_cast<float>(seed);
    params.min_p = seed % 2 == 0 ? 0.0f : 0.02f;
    params.top_k = seed % 5 == 0 ? 7 : 0;
    const std::vector<TokenId> allowed = Allowed(logits, params);
    for (const auto& [token, count] : Histogram(params, logits, 2000)) {
      EXPECT_TRUE(std::ranges::binary_search(allowed, token)) << "seed " << seed;
    }
    // And the other way round: without the rest, the same draws.
    std::vector<float> only = logits;
    for (size_t i = 0; i < only.size(); ++i) {
      if (!std::ranges::binary_search(allowed, static_cast<TokenId>(i))) only[i] = -kInfinity;
    }
    SamplingParams plain = params;
    plain.top_p = 1;
    plain.min_p = 0;
    plain.top_k = 0;
    const auto a = Histogram(params, logits, 20000);
    const auto b = Histogram(plain, only, 20000);
    for (const auto& [token, count] : b) {
      const double here = a.contains(token) ? a.at(token) : 0;
      EXPECT_NEAR(here / 20000, count / 20000.0, 0.02) << "seed " << seed;
    }
  }
}

// A draw by its definition: every sum a chain of rounded additions.
TokenId DrawnByDefinition(std::span<const float> logits, const SamplingParams& params,
                          const DrawKey& key) {
  const float max = logits[static_cast<size_t>(ArgMax(logits))];
  const Weighing weighing = {
      .max = max, .temperature = params.temperature, .floor = max - 40 * params.temperature};
  std::vector<Candidate> candidates;
  if (params.top_k > 0) {
    SelectTop(logits, params.top_k, candidates);
    Weigh(weighing, candidates);
  } else {
    SelectAbove(logits, weighing, candidates);
  }
  if (params.top_p < 1) KeepNucleus(params.top_p, TotalWeight(candidates), candidates);
  std::erase_if(candidates, [&](const Candidate& c) { return c.weight < params.min_p; });
  return Draw(candidates, RandomUnit(key));
}

TEST(SamplerTest, ShortCutsDrawWhatTheDefinitionDraws) {
  uint32_t seed = 0;
  for (const uint32_t vocab : {1u, 40u, 1000u, 20'001u}) {
    for (const float temperature : {0.05f, 0.8f, 2.0f}) {
      for (const auto& [top_k, top_p, min_p] :
           std::initializer_list<std::tuple<uint32_t, float, float>>{{0, 1, 0},
                                                                     {0, 0.95f, 0},
                                                                     {0, 1, 0.05f},
                                                                     {0, 0.9999999f, 0},
                                                                     {0, 0.5f, 0.1f},
                                                                     {40, 1, 0},
                                                                     {7, 0.9f, 0.01f},
                                                                     {0, 1e-6f, 0},
                                                                     {0, 1, 0.999f}}) {
        std::vector<float> logits = RandomLogits(vocab, ++seed);
        if (seed % 3 == 0) std::ranges::fill(logits, 1.5f);  // flat: every sum matters
        if (seed % 5 == 0 && vocab > 1) logits[vocab / 2] = kNan;
        SamplingParams params;
        params.temperature = temperature;
        params.top_k = top_k;
        params.top_p = top_p;
        params.min_p = min_p;
        params.seed = seed;
        Sampler sampler(params, 0, vocab);
        for (uint32_t position = 0; position < 40; ++position) {
          const DrawKey key = {.seed = seed, .choice = 0, .position = position};
          EXPECT_EQ(sampler.Sample(logits, {.position = position}).token,
                    DrawnByDefinition(logits, params, key))
              << vocab << " " << temperature << " " << top_k << " " << top_p << " " << min_p;
        }
      }
    }
  }
}

TEST(SamplerTest, PenaltiesAndBias) {
  SamplingParams params = Greedy();
  params.presence_penalty = 0.5f;
  params.frequency_penalty = 0.4f;
  const std::vector<float> logits = {3, 2.75f, 0};
  Sampler sampler(params, 0, 3);
  sampler.ObservePrompt(std::vector<TokenId>{0, 0, 0});  // prompts do not count for these two
  std::vector<TokenId> tokens;
  for (uint32_t i = 0; i < 4; ++i) tokens.push_back(sampler.Sample(logits, {.position = i}).token);
  // 3 | 2.1, 2.75 | 2.1, 1.85 | 1.7, 1.85
  EXPECT_EQ(tokens, (std::vector<TokenId>{0, 1, 0, 1}));

  SamplingParams repetition = Greedy();
  repetition.repetition_penalty = 2;
  Sampler repeated(repetition, 0, 3);
  repeated.ObservePrompt(std::vector<TokenId>{0});
  EXPECT_EQ(repeated.Sample(std::vector<float>{3, 2, 1}, {}).token, 1);
  EXPECT_EQ(repeated.Sample(std::vector<float>{-1, -3, -1.5f}, {}).token, 2);  // -2, -6, -1.5
  SamplingParams bias = Greedy();
  bias.logit_bias = {{2, 5.0f}, {0, -100.0f}};
  EXPECT_EQ(Sampler(bias, 0, 3).Sample(logits, {}).token, 2);
}

// Who goes on with an answer counts what it holds already, as the one who began it did.
TEST(SamplerTest, AnAnswerInTwoPartsIsTheAnswer) {
  const auto logits = RandomLogits(40, 3);
  SamplingParams params;
  params.seed = 5;
  params.presence_penalty = 1.5f;
  params.frequency_penalty = 0.7f;
  params.repetition_penalty = 1.2f;
  const std::vector<TokenId> prompt = {1, 2, 3};
  Sampler whole(params, 0, 40);
  whole.ObservePrompt(prompt);
  std::vector<TokenId> answer;
  for (uint32_t i = 0; i < 20; ++i) answer.push_back(whole.Sample(logits, {.position = i}).token);
  Sampler second(params, 0, 40);
  second.ObservePrompt(prompt);
  second.ObserveAnswer(std::span(answer).first(8));
  for (uint32_t i = 8; i < 20; ++i) {
    EXPECT_EQ(second.Sample(logits, {.position = i}).token, answer[i]) << i;
  }
}

TEST(SamplerTest, BannedTokensAreNeverChosenWhileTheBanHolds) {
  SamplingParams params = Greedy();
  params.banned = {1};
  Sampler sampler(params, 0, 3);
  const std::vector<float> logits = {1, 9, 2};
  EXPECT_EQ(sampler.Sample(logits, {.ban_end = true}).token, 2);
  EXPECT_EQ(sampler.Sample(logits, {.ban_end = false}).token, 1);
}

TEST(SamplerTest, ChoosesAmongTheAllowedOnly) {
  const std::vector<float> logits = RandomLogits(200, 11);
  for (const float temperature : {0.0f, 1.0f, 2.0f}) {
    SamplingParams params;
    params.temperature = temperature;
    params.top_k = 5;
    Sampler sampler(params, 0, 200);
    std::vector<uint64_t> allowed(4);
    for (uint32_t position = 0; position < 200; ++position) {
      allowed[position / 64] = uint64_t{1} << position % 64;
      const TokenId only = static_cast<TokenId>(position);
      EXPECT_EQ(sampler.Sample(logits, {.position = position, .allowed = allowed}).token, only);
      allowed[position / 64] = 0;
    }
    allowed = {0, 0b1001, 0, 0};  // 64 and 67
    std::map<TokenId, uint32_t> counts;
    for (uint32_t position = 0; position < 300; ++position) {
      ++counts[sampler.Sample(logits, {.position = position, .allowed = allowed}).token];
    }
    EXPECT_EQ(counts[64] + counts[67], 300u);
    if (temperature == 2) {
      EXPECT_TRUE(counts[64] > 0 && counts[67] > 0);
    }
  }
}

TEST(SamplerTest, ChoosesAnAllowedTokenWhateverTheLogitsAre) {
  for (const float logit : {kNan, kInfinity, -kInfinity}) {
    const std::vector<float> logits(100, logit);
    const std::vector<uint64_t> allowed = {0, 0b100};
    Sampler sampler({}, 0, 100);
    EXPECT_EQ(sampler.Sample(logits, {.position = 0, .allowed = allowed}).token, 66);
  }
}

TEST(SamplerTest, SurvivesLogitsThatAreNoNumbers) {
  SamplingParams params;
  for (const float temperature : {0.0f, 1.0f}) {
    params.temperature = temperature;
    Sampler sampler(params, 0, 4);
    EXPECT_EQ(sampler.Sample(std::vector<float>{kNan, -kInfinity, 1, kNan}, {}).token, 2);
    EXPECT_EQ(sampler.Sample(std::vector<float>{kNan, kInfinity, 1, 0}, {}).token, 1);
    const TokenId any = sampler.Sample(std::vector<float>(4, kNan), {}).token;
    EXPECT_TRUE(any >= 0 && any < 4);
    const TokenId none = sampler.Sample(std::vector<float>(4, -kInfinity), {}).token;
    EXPECT_TRUE(none >= 0 && none < 4);
  }
  params.top_k = 3;
  params.top_p = 0.9f;
  Sampler limited(params, 0, 4);
  EXPECT_EQ(limited.Sample(std::vector<float>{kNan, -kInfinity, 1, kNan}, {}).token, 2);
}

TEST(SamplerTest, LogprobsAreOfTheRawLogits) {
  SamplingParams params = Greedy();
  params.logit_bias = {{3, 100.0f}};
  const std::vector<float> logits = RandomLogits(1000, 3);
  Sampler sampler(params, 0, 1000);
  const SampledToken sampled =
      sampler.Sample(logits, {.position = 0, .want_logprob = true, .num_top = 5});
  const std::vector<double> p = Probabilities(logits, 1);
  EXPECT_EQ(sampled.token, 3);
  EXPECT_NEAR(sampled.logprob, std::log(p[3]), 1e-5);
  ASSERT_EQ(sampled.top.size(), 5u);
  EXPECT_EQ(sampled.top[0].token, std::ranges::max_element(p) - p.begin());
  for (const TokenLogprob& top : sampled.top) {
    EXPECT_NEAR(top.logprob, std::log(p[static_cast<size_t>(top.token)]), 1e-5);
  }
  EXPECT_TRUE(std::ranges::is_sorted(sampled.top, std::ranges::greater{}, &TokenLogprob::logprob));
}

TEST(ValidateTest, NamesTheFieldAtFault) {
  using Change = void (*)(SamplingParams&);
  const std::pair<const char*, Change> changes[] = {
      {"temperature", [](SamplingParams& p) { p.temperature = -0.1f; }},
      {"temperature", [](SamplingParams& p) { p.temperature = kNan; }},
      {"temperature", [](SamplingParams& p) { p.temperature = 2.5f; }},
      {"top_p", [](SamplingParams& p) { p.top_p = 0; }},
      {"top_p", [](SamplingParams& p) { p.top_p = 1.1f; }},
      {"min_p", [](SamplingParams& p) { p.min_p = 1; }},
      {"repetition_penalty", [](SamplingParams& p) { p.repetition_penalty = 0; }},
      {"presence_penalty", [](SamplingParams& p) { p.presence_penalty = 3; }},
      {"frequency_penalty", [](SamplingParams& p) { p.frequency_penalty = -kInfinity; }},
      {"logit_bias", [](SamplingParams& p) { p.logit_bias = {{10, 0.0f}}; }},
      {"logit_bias", [](SamplingParams& p) { p.logit_bias = {{-1, 0.0f}}; }},
      {"logit_bias", [](SamplingParams& p) { p.logit_bias = {{1, 101.0f}}; }},
  };
  EXPECT_TRUE(Validate(SamplingParams{}, 10).has_value());
  for (const auto& [field, change] : changes) {
    SamplingParams params;
    change(params);
    const Status status = Validate(params, 10);
    ASSERT_FALSE(status.has_value()) << field;
    EXPECT_EQ(status.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(status.error().param, field);
  }
}

}  // namespace
}  // namespace quire
