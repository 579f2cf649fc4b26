#include "plan/serving_replay.h"

#include <gtest/gtest.h>

#include <fstream>

#include "plan/trace_parser.h"

namespace quire {
namespace {

// `count` requests of two blocks each second; the first block is common to all.
Trace Steady(uint32_t count) {
  Trace trace{.format = "steady", .block_tokens = 64, .num_blocks = count + 1};
  for (uint32_t i = 0; i < count; ++i) {
    TraceRequest request{.arrival = TickMs{i} * 1000, .prompt_tokens = 128, .output_tokens = 10};
    request.tenant = i;
    request.blocks = {{0, 1}, {i + 1, 1}};
    trace.requests.push_back(request);
  }
  return trace;
}

TEST(ServingReplay, TimesAreTheRatesWhereNobodyWaits) {
  const Trace trace = Steady(20);
  ServingOptions options{.capacity_tokens = 64'000};
  options.rates = {.prefill_tokens_per_s = 1000, .step_ms = 10};
  const ServingResult result = Serve(trace, options);
  ASSERT_EQ(result.ttft_ms.size(), 20u);
  // One step of 64 rows, and for the first request of 128.
  EXPECT_DOUBLE_EQ(result.ttft_ms.front(), 10 + 64);
  EXPECT_DOUBLE_EQ(result.ttft_ms.back(), 10 + 128);
  EXPECT_EQ(result.cached_tokens, 19u * 64);
  EXPECT_EQ(result.refused, 0u);
}

TEST(ServingReplay, FasterArrivalsWaitLonger) {
  const Trace trace = Steady(200);
  ServingOptions options{.capacity_tokens = 64'000};
  options.rates = {.prefill_tokens_per_s = 500, .step_ms = 10};
  const double calm = PercentileOf(Serve(trace, options).ttft_ms, 0.95);
  options.speed = 20;
  const double rush = PercentileOf(Serve(trace, options).ttft_ms, 0.95);
  EXPECT_GT(rush, 3 * calm);
}

TEST(ServingReplay, TenantsShareNothingAndAreTreatedAlike) {
  const Trace trace = Steady(200);
  ServingOptions options{.capacity_tokens = 64'000, .tenants = 4};
  const ServingResult result = Serve(trace, options);
  EXPECT_EQ(result.cached_tokens, 196u * 64) << "each computes the common block once";
  EXPECT_GT(result.fairness(), 0.99);
  uint64_t requests = 0;
  for (const TenantResult& tenant : result.tenants) requests += tenant.requests;
  EXPECT_EQ(requests, 200u);
}

TEST(ServingReplay, WhatCanNeverFitIsCountedAsRefused) {
  const Trace trace = Steady(3);
  const ServingResult result = Serve(trace, {.capacity_tokens = 64});
  EXPECT_EQ(result.refused, 3u);
  EXPECT_TRUE(result.ttft_ms.empty());
}

TEST(ServingReplay, EveryRequestOfAnExcerptIsServed) {
  std::ifstream in(QUIRE_SOURCE_DIR "/tests/golden/traces/mooncake_200.jsonl");
  const auto trace = ParseTrace(in, {});
  ASSERT_TRUE(trace);
  for (const EvictionKind kind : {EvictionKind::kLru, EvictionKind::kAuto}) {
    ServingOptions options{.capacity_tokens = 300'000, .eviction = kind, .tenants = 2};
    options.rates = {.prefill_tokens_per_s = 50'000, .step_ms = 20};
    const ServingResult result = Serve(*trace, options);
    EXPECT_EQ(result.ttft_ms.size() + result.refused, 200u);
    EXPECT_EQ(result.refused, 0u);
  }
}

}  // namespace
}  // namespace quire
