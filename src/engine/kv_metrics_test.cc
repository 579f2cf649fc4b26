// Scraped at any moment, the gauges of KV memory add up.
#include "engine/kv_metrics.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>

namespace quire {
namespace {

std::map<std::string, double> Sums(const KvMetrics& metrics) {
  std::map<std::string, double> sums;
  for (const auto& family : metrics.Collect()) {
    for (const auto& metric : family.metric) sums[family.name] += metric.gauge.value;
  }
  return sums;
}

std::map<std::string, double> ByState(const KvMetrics& metrics, const std::string& name) {
  std::map<std::string, double> values;
  for (const auto& family : metrics.Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) values[metric.label.at(0).value] = metric.gauge.value;
  }
  return values;
}

KvState StateOf(uint32_t live) {
  KvState state;
  state.stats = {.blocks = 100,
                 .free_blocks = 60 - live,
                 .live_blocks = live,
                 .idle_blocks = 30,
                 .pinned_blocks = 10,
                 .block_bytes = 1024};
  state.places = {.reserved = 4 * live, .waste = 3 * live};
  state.block_tokens = 16;
  return state;
}

TEST(KvMetrics, SaysWhereTheMemoryIs) {
  KvMetrics metrics;
  metrics.Set(StateOf(20));
  const std::map<std::string, double> blocks = {
      {"free", 40}, {"live", 20}, {"idle", 30}, {"pinned", 10}};
  EXPECT_EQ(ByState(metrics, "quire_kv_blocks"), blocks);
  const std::map<std::string, double> tokens = {{"used", 180}, {"reserved", 80}, {"waste", 60}};
  EXPECT_EQ(ByState(metrics, "quire_kv_tokens"), tokens);
  EXPECT_EQ(Sums(metrics)["quire_kv_bytes"], 60 * 1024);
}

TEST(KvMetrics, AddsUpInEveryScrape) {
  KvMetrics metrics;
  metrics.Set(StateOf(0));
  std::atomic<bool> done = false;
  std::thread engine([&] {
    for (uint32_t i = 0; !done; ++i) metrics.Set(StateOf(i % 61));
  });
  for (int i = 0; i < 5000; ++i) {
    const auto sums = Sums(metrics);
    EXPECT_EQ(sums.at("quire_kv_blocks"), 100);
    EXPECT_EQ(static_cast<uint64_t>(sums.at("quire_kv_tokens")) % 16, 0u);
    EXPECT_EQ(sums.at("quire_kv_bytes") / 1024, 40 + sums.at("quire_kv_tokens") / 16);
  }
  done = true;
  engine.join();
}

}  // namespace
}  // namespace quire
