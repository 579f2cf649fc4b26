#include "plan/capacity/capacity_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/size.h"
#include "plan/capacity/plan_json.h"
#include "plan/capacity/shape_json.h"

namespace quire {
namespace {

ModelShape Shape() {
  return *ParseModelShape(
      R"({"layers": 32, "width": 4096, "ffn_width": 14336, "query_heads": 32, "kv_heads": 8,
          "vocabulary": 128256, "context": 131072})");
}

MachineProfile Profile(const ModelShape& shape) {
  MachineProfile profile;
  profile.machine = {.cpu = "A CPU", .isa = "avx2", .threads = 2, .build = "0.1.0/1"};
  profile.peaks = {.dot_ops = 4e11, .fma_ops = 1e11, .read_bytes = 2e10, .disk_read_bytes = 1e9};
  profile.models[shape.Key()] = {
      .decode = {{1, 0.25, 0.02}, {64, 3, 0.3}},
      .chunk = {{1, 0.25, 0.02}, {256, 10, 0.02}},
      .attention = {{KvFormat::kK16V8, {1e-7, 2e-8}}, {KvFormat::kQ8, {7e-8, 2e-8}}}};
  return profile;
}

CapacityPlan Plan(const PlanQuestion& question) {
  const auto plan = MakePlan(Shape(), question, nullptr);
  EXPECT_TRUE(plan) << plan.error().message;
  return *plan;
}

// The least memory with room for so many blocks.
uint64_t MemoryFor(uint64_t blocks) { return ForecastMemory(Shape(), {}).BytesWith(blocks); }

TEST(CapacityPlan, VerdictsTurnWhereTheyShould) {
  const uint64_t block = Shape().kv(KvFormat::kK16V8).block_bytes();
  const auto verdict = [&](uint64_t blocks, uint32_t context, uint32_t sessions, uint64_t disk) {
    PlanQuestion question{
        .memory_bytes = MemoryFor(blocks), .contexts = {context}, .sessions = {sessions}};
    question.setting.disk_bytes = 0;
    const uint64_t fixed = ForecastMemory(Shape(), question.setting).fixed_bytes();
    question.setting.disk_bytes = disk;
    question.memory_bytes += ForecastMemory(Shape(), question.setting).fixed_bytes() - fixed;
    const CapacityPlan plan = Plan(question);
    EXPECT_EQ(plan.kv_blocks, blocks);
    return plan.rows[0].cells[0].verdict;
  };
  // 1024 tokens are 64 blocks.
  EXPECT_EQ(verdict(711, 1024, 10, 0), Verdict::kTight);  // 71 of 711 are left
  EXPECT_EQ(verdict(712, 1024, 10, 0), Verdict::kFits);
  EXPECT_EQ(verdict(640, 1024, 10, 0), Verdict::kTight);
  EXPECT_EQ(verdict(639, 1024, 10, 0), Verdict::kNever);
  EXPECT_EQ(verdict(639, 1024, 10, block), Verdict::kNeedsDisk);
  EXPECT_EQ(verdict(638, 1024, 10, block), Verdict::kNever);
  EXPECT_EQ(verdict(63, 1024, 1, 100 * kGiB), Verdict::kNever);
  EXPECT_EQ(verdict(64, 1024, 1, 0), Verdict::kTight);
  EXPECT_EQ(verdict(64, 1009, 1, 0), Verdict::kTight);  // a partial block is a block
  EXPECT_EQ(verdict(64, 1025, 1, 0), Verdict::kNever);
  EXPECT_EQ(verdict(100000, 131073, 1, 0), Verdict::kNever);  // longer than the model's
}

TEST(CapacityPlan, WhatIsForecastAddsUpToWhatWasGiven) {
  const CapacityPlan plan = Plan({.memory_bytes = 16 * kGiB});
  const uint64_t forecast = plan.memory.BytesWith(plan.kv_blocks);
  EXPECT_LE(forecast, 16 * kGiB);
  EXPECT_GT(forecast + plan.memory.block_bytes + kKiB, 16 * kGiB);
  EXPECT_EQ(plan.kv_bytes, plan.kv_blocks * plan.memory.block_bytes);
  EXPECT_EQ(plan.rows.size(), 4u);
  EXPECT_EQ(plan.rows.back().context, 131072u);
  EXPECT_FALSE(plan.measured);
  EXPECT_EQ(plan.rows[0].first_token, 0);
  EXPECT_TRUE(plan.break_even.empty());
}

TEST(CapacityPlan, TooLittleMemoryLeavesNothing) {
  const CapacityPlan plan = Plan({.memory_bytes = 1});
  EXPECT_EQ(plan.kv_blocks, 0u);
  for (const ContextRow& row : plan.rows) {
    for (const Cell& cell : row.cells) EXPECT_EQ(cell.verdict, Verdict::kNever);
  }
}

TEST(CapacityPlan, AbsurdQuestionsAreRefused) {
  const std::pair<PlanQuestion, const char*> kWrong[] = {
      {{.memory_bytes = 0}, "memory"},
      {{.memory_bytes = kGiB, .contexts = {0}}, "context"},
      {{.memory_bytes = kGiB, .contexts = {1u << 25}}, "context"},
      {{.memory_bytes = kGiB, .contexts = std::vector<uint32_t>(33, 1024)}, "context"},
      {{.memory_bytes = kGiB, .sessions = {0}}, "sessions"},
      {{.memory_bytes = kGiB, .sessions = {2'000'000}}, "sessions"},
      {{.memory_bytes = kGiB, .network_gbits = {-1}}, "network"},
      {{.memory_bytes = kGiB, .network_gbits = {std::nan("")}}, "network"},
  };
  for (const auto& [question, field] : kWrong) {
    const auto plan = MakePlan(Shape(), question, nullptr);
    ASSERT_FALSE(plan) << field;
    EXPECT_EQ(plan.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(plan.error().param, field);
  }
  EXPECT_TRUE(MakePlan(
      Shape(), {.memory_bytes = UINT64_MAX, .contexts = {1u << 24}, .sessions = {1'000'000}},
      nullptr));
}

TEST(CapacityPlan, BreakEvenIsWhereFetchingBeginsToWin) {
  const ModelShape shape = Shape();
  const MachineProfile profile = Profile(shape);
  const auto plan =
      MakePlan(shape, {.memory_bytes = 16 * kGiB, .network_gbits = {0.001, 100}}, &profile);
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->break_even.size(), 4u);
  EXPECT_EQ(plan->break_even[0].place, "RAM");
  EXPECT_EQ(plan->break_even[0].tokens, kBlockTokens);
  // A token takes 98 KiB of KV: 0.1 ms from disk, 40 ms to compute, 0.8 s at 1 Mbit/s.
  EXPECT_EQ(plan->break_even[1].tokens, kBlockTokens);
  EXPECT_EQ(plan->break_even[2].tokens, 0u);
  EXPECT_EQ(plan->break_even[3].tokens, kBlockTokens);
  for (const BreakEven& one : plan->break_even) EXPECT_FALSE(one.arithmetic.empty());
}

TEST(CapacityPlan, ChangesChangeWhatTheySay) {
  const ModelShape shape = Shape();
  const MachineProfile profile = Profile(shape);
  const auto plan = MakePlan(shape, {.memory_bytes = 32 * kGiB, .contexts = {32768}}, &profile);
  ASSERT_TRUE(plan);
  const auto find = [&](std::string_view name) {
    const auto found = std::ranges::find_if(
        plan->changes, [&](const Change& change) { return change.name.starts_with(name); });
    EXPECT_NE(found, plan->changes.end()) << name;
    return *found;
  };
  const Change now = find("as it is");
  EXPECT_EQ(find("q8").context_bytes, 2048 * shape.kv(KvFormat::kQ8).block_bytes());
  EXPECT_DOUBLE_EQ(find("MHA").kv_token_bytes, 4 * now.kv_token_bytes);
  EXPECT_DOUBLE_EQ(find("MQA").kv_token_bytes, now.kv_token_bytes / 8);
  EXPECT_DOUBLE_EQ(find("MLA").kv_token_bytes, now.kv_token_bytes * 576 / 2048);
  EXPECT_EQ(find("a window").context_bytes, now.context_bytes / 4);
  EXPECT_GT(find("MQA").sessions, 7 * now.sessions);
  EXPECT_LT(find("MQA").next_token, now.next_token);
  EXPECT_GT(find("MHA").next_token, now.next_token);
  EXPECT_LT(find("q8").next_token, now.next_token);
  EXPECT_LT(find("a window").next_token, now.next_token);
}

TEST(CapacityPlan, TimesAreExplainedByPartsThatAddUp) {
  const ModelShape shape = Shape();
  const MachineProfile profile = Profile(shape);
  const auto plan = MakePlan(shape, {.memory_bytes = 16 * kGiB, .contexts = {4096}}, &profile);
  ASSERT_TRUE(plan);
  double token = 0;
  double prompt = 0;
  for (const Term& term : plan->times) {
    (term.name.starts_with("a token") ? token : prompt) += term.value;
    EXPECT_FALSE(term.arithmetic.empty());
  }
  EXPECT_NEAR(token, plan->rows[0].next_token, 1e-9);
  EXPECT_NEAR(prompt, plan->rows[0].first_token, 1e-9);
}

TEST(PlanJson, HasWhatThePlanHas) {
  const ModelShape shape = Shape();
  const MachineProfile profile = Profile(shape);
  const PlanQuestion question{.memory_bytes = 16 * kGiB, .contexts = {4096}, .sessions = {1, 8}};
  const auto plan = MakePlan(shape, question, &profile);
  const auto json = nlohmann::json::parse(PlanJson(shape, *plan, &profile));
  EXPECT_EQ(json["memory"]["kv_bytes"], plan->kv_bytes);
  EXPECT_EQ(json["contexts"][0]["sessions"].size(), 2u);
  EXPECT_EQ(json["contexts"][0]["sessions"][0]["verdict"], "fits");
  EXPECT_EQ(json["machine"]["read_bytes_per_second"], 2e10);
  // 32 layers of 218,103,808 weights; of the last only keys, values and queries for every row.
  const auto& work = json["model"]["multiply_adds"];
  EXPECT_EQ(work["row"], 31 * 218103808.0 + 4096.0 * (4096 + 2 * 1024));
  EXPECT_EQ(work["row"].get<double>() + work["choice"].get<double>(), 32 * 218103808.0 + 525336576);
  const auto unmeasured = MakePlan(shape, question, nullptr);
  const auto without = nlohmann::json::parse(PlanJson(shape, *unmeasured, nullptr));
  EXPECT_TRUE(without["machine"].is_null());
  EXPECT_TRUE(without["contexts"][0]["first_token_seconds"].is_null());
  EXPECT_TRUE(without["contexts"][0]["decode_tokens_per_second"].is_null());
}

}  // namespace
}  // namespace quire
