#include "apps/bench/bench_result.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace quire {
namespace {

// Two cores that do 1000 ops, 100 flops and read 50 bytes a second; then half of that.
MachinePeaks PeaksOf(double factor) {
  return {.dot = {500 * factor, 1000 * factor},
          .fma = {50 * factor, 100 * factor},
          .read_huge = {30 * factor, 50 * factor},
          .read_small = {20 * factor, 40 * factor},
          .barrier_seconds = 1e-6};
}

// Two passes of five barriers, 200 ns of work in all.
PassTimes TimesOf(uint64_t attention, uint64_t wait) {
  PassTimes times{.passes = 2, .barriers = 10};
  times.ns[static_cast<size_t>(PassPhase::kAttention)] = attention;
  times.ns[static_cast<size_t>(PassPhase::kWait)] = wait;
  times.ns[static_cast<size_t>(PassPhase::kQkv)] = 200 - attention - wait;
  return times;
}

BenchResult TwoRounds() {
  BenchResult result;
  result.setting.threads = 2;
  result.setting.version = "1.2.3";
  result.peaks = {PeaksOf(1), PeaksOf(0.5)};
  result.cases.push_back({.bench = {.tokens = 20},
                          .cost = {.dot_ops = 4000, .attention_ops = 100, .weight_bytes = 5},
                          .seconds = {10, 20},
                          .times = {TimesOf(60, 40), TimesOf(60, 40)}});
  result.cases.push_back({.bench = {.tokens = 4, .depth = 32, .clients = 3, .shared_prefix = 16},
                          .cost = {.dot_ops = 100, .weight_bytes = 80, .kv_bytes = 20},
                          .seconds = {4, 8},
                          .times = {TimesOf(50, 0), TimesOf(50, 50)}});
  return result;
}

TEST(BenchResultTest, SharesAreOfThePeaksOfTheirOwnRound) {
  const BenchResult result = TwoRounds();
  const CaseFigures prefill = FiguresOf(result, result.cases[0]);
  EXPECT_DOUBLE_EQ(prefill.tokens_per_second, 1.5);  // between 2 and 1
  EXPECT_DOUBLE_EQ(prefill.dot_share, 0.4);          // 4 s of 10, and 8 s of 20
  EXPECT_DOUBLE_EQ(prefill.limit_share, 0.5);        // with 1 s of attention
  EXPECT_DOUBLE_EQ(prefill.attention_part, 0.2);
  EXPECT_DOUBLE_EQ(prefill.read_share, 0.01);
  const CaseFigures decode = FiguresOf(result, result.cases[1]);
  EXPECT_DOUBLE_EQ(decode.samples[0], 3);  // 4 tokens of each of 3 clients
  EXPECT_DOUBLE_EQ(decode.read_share, 0.5);
  EXPECT_DOUBLE_EQ(decode.limit_share, 0.5);  // reading takes longer than the arithmetic
}

TEST(BenchResultTest, PhasesAreSharesOfAllWorkersTime) {
  const BenchResult result = TwoRounds();
  const CaseFigures prefill = FiguresOf(result, result.cases[0]);
  EXPECT_DOUBLE_EQ(prefill.phases[static_cast<size_t>(PassPhase::kAttention)], 0.3);
  EXPECT_DOUBLE_EQ(prefill.outside_kernels, 0.2);
  EXPECT_DOUBLE_EQ(prefill.barriers, 5);
  EXPECT_DOUBLE_EQ(prefill.attention_peak_share, 1.0 / 3);  // 1 s of 10, in the 3 it took
  EXPECT_DOUBLE_EQ(FiguresOf(result, result.cases[1]).outside_kernels, 0.125);  // of 0 and 1/4
}

TEST(BenchResultTest, AnUnknownPeakGivesNoShare) {
  BenchResult result = TwoRounds();
  for (MachinePeaks& peaks : result.peaks) peaks.dot = peaks.fma = {};
  const CaseFigures prefill = FiguresOf(result, result.cases[0]);
  EXPECT_EQ(prefill.dot_share, 0);
  EXPECT_EQ(prefill.attention_part, 0);
  EXPECT_EQ(BenchTable(result).find("nan"), std::string::npos);
}

TEST(BenchResultTest, JsonHasTheHeadlinesAndEverySample) {
  const auto json = nlohmann::json::parse(BenchJson(TwoRounds()));
  EXPECT_DOUBLE_EQ(json["prefill_tokens_per_second"].get<double>(), 1.5);
  EXPECT_DOUBLE_EQ(json["decode_tokens_per_second"].get<double>(), 2.25);
  EXPECT_EQ(json["decode_tokens_per_second_samples"].size(), 2);
  EXPECT_DOUBLE_EQ(json["ratios"]["prefill_of_dot_peak"].get<double>(), 0.4);
  EXPECT_DOUBLE_EQ(json["ratios"]["decode_of_read_bandwidth"].get<double>(), 0.5);
  EXPECT_EQ(json["cases"][1]["clients"], 3);
  EXPECT_EQ(json["cases"][1]["shared_prefix"], 16);
  EXPECT_EQ(json["versions"]["quire"], "1.2.3");
  EXPECT_EQ(json["peaks"]["dot_ops_per_second"]["all_cores_samples"].size(), 2);
}

TEST(BenchResultTest, JsonSaysNullForWhatWasNotMeasured) {
  BenchResult result = TwoRounds();
  result.cases.erase(result.cases.begin());
  const auto json = nlohmann::json::parse(BenchJson(result));
  EXPECT_TRUE(json["prefill_tokens_per_second"].is_null());
  EXPECT_TRUE(json["prefill_tokens_per_second_samples"].empty());
  EXPECT_FALSE(json["decode_tokens_per_second"].is_null());
}

TEST(BenchResultTest, TableNamesEveryCase) {
  const std::string table = BenchTable(TwoRounds());
  EXPECT_NE(table.find("prefill 20 "), std::string::npos);
  EXPECT_NE(table.find("decode 4 at depth 32, 3 clients, 16 shared "), std::string::npos);
  EXPECT_NE(table.find("40 %"), std::string::npos);
  EXPECT_NE(table.find("     0     0    50    30     0     0     0     0    20\n"),
            std::string::npos)
      << table;
}

TEST(BenchResultTest, OtherWorkIsSaid) {
  BenchResult result = TwoRounds();
  EXPECT_EQ(BenchTable(result).find("other processes"), std::string::npos);
  result.other_cores = 0.8;
  EXPECT_NE(BenchTable(result).find("other processes kept 0.8 cores busy"), std::string::npos);
}

TEST(BenchCaseTest, MedianOfEvenAndOdd) {
  EXPECT_EQ(Median({3, 1, 2}), 2);
  EXPECT_EQ(Median({4, 1, 2, 3}), 2.5);
}

}  // namespace
}  // namespace quire
