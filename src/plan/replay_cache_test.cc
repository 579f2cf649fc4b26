#include "plan/replay_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <list>
#include <map>
#include <random>

#include "plan/leaf_cache.h"
#include "plan/trace_parser.h"

namespace quire {
namespace {

// Conversations that are gone on with, branch off and end; block 0 is common to all.
Trace RandomTrace(uint64_t seed, uint32_t requests) {
  std::mt19937_64 random(seed);
  Trace trace{.format = "random", .block_tokens = 10, .num_blocks = 1};
  std::vector<std::vector<uint32_t>> texts{{0}};
  TickMs now = 0;
  for (uint32_t i = 0; i < requests; ++i) {
    now += random() % 2000;
    std::vector<uint32_t> text = texts[random() % 3 == 0 ? 0 : random() % texts.size()];
    if (text.size() > 3 && random() % 4 == 0) text.resize(1 + random() % text.size());
    for (uint64_t k = 1 + random() % 6; k > 0; --k) text.push_back(trace.num_blocks++);
    TraceRequest request{.arrival = now};
    request.prompt_tokens = static_cast<uint32_t>(text.size() * 10 - random() % 10);
    for (const uint32_t block : text) request.blocks.push_back({block, 1});
    trace.requests.push_back(request);
    texts.push_back(text);
  }
  return trace;
}

double RatioOf(const Trace& trace, const std::string& policy, uint32_t blocks) {
  auto cache = MakeReplayCache(policy, trace, blocks);
  EXPECT_TRUE(cache);
  return Replay(trace, **cache, {}).ratio();
}

// A list of blocks, newest first.
double NaiveLru(const Trace& trace, uint32_t capacity) {
  std::list<uint32_t> order;
  std::map<uint32_t, std::list<uint32_t>::iterator> held;
  uint64_t hit_tokens = 0;
  for (const TraceRequest& request : trace.requests) {
    uint32_t hits = 0;
    bool hit = true;
    ForEachBlock(request, [&](uint32_t block) { hits += hit = hit && held.contains(block); });
    hit_tokens += std::min<uint64_t>(uint64_t{hits} * trace.block_tokens, request.prompt_tokens);
    ForEachBlockFromTail(request, [&](uint32_t block) {
      if (held.contains(block)) order.erase(held[block]);
      order.push_front(block);
      held[block] = order.begin();
    });
    while (order.size() > capacity) {
      held.erase(order.back());
      order.pop_back();
    }
  }
  return static_cast<double>(hit_tokens) / static_cast<double>(trace.prompt_tokens());
}

TEST(ReplayCache, LeavesOnlyLruIsThePlainLru) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Trace trace = RandomTrace(seed, 400);
    for (const uint32_t blocks : {3u, 20u, 100u, 400u}) {
      EXPECT_DOUBLE_EQ(RatioOf(trace, "lru", blocks), NaiveLru(trace, blocks));
    }
  }
}

TEST(ReplayCache, NothingBeatsTheOptimumAndAllAreEqualWithoutBounds) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Trace trace = RandomTrace(seed, 400);
    const double all = RatioOf(trace, "lru", trace.num_blocks);
    for (const std::string& policy : ReplayPolicies()) {
      EXPECT_DOUBLE_EQ(RatioOf(trace, policy, trace.num_blocks), all) << policy;
      for (const uint32_t blocks : {5u, 50u, 200u}) {
        EXPECT_LE(RatioOf(trace, policy, blocks), RatioOf(trace, "opt", blocks) + 1e-9)
            << policy << " seed " << seed << " blocks " << blocks;
      }
    }
  }
}

TEST(ReplayCache, RefusesAPolicyThatIsNone) {
  EXPECT_FALSE(MakeReplayCache("best", RandomTrace(1, 2), 4));
}

TEST(LeafCache, NeverOrphansABlock) {
  for (const EvictionKind kind : {EvictionKind::kAuto, EvictionKind::kLru, EvictionKind::kScored}) {
    const Trace trace = RandomTrace(5, 1500);
    LeafCache cache(trace, 60, kind);
    for (const TraceRequest& request : trace.requests) {
      cache.Read(request);
      cache.CheckInvariants();
    }
  }
}

TEST(LeafCache, IsDeterministic) {
  const Trace trace = RandomTrace(6, 1500);
  EXPECT_EQ(RatioOf(trace, "auto", 100), RatioOf(trace, "auto", 100));
}

// Figures of the trace's own reference, to the digits that it gives; only where the trace is.
TEST(ReplayCache, MeetsThePublishedTracesReference) {
  const std::string path = QUIRE_SOURCE_DIR "/../shared/traces/mooncake_conversation_trace.jsonl";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  std::ifstream in(path);
  const auto trace = ParseTrace(in, {});
  ASSERT_TRUE(trace);
  struct Case {
    uint32_t tokens;
    double fifo, lfu, lru, opt;
  };
  for (const Case& c :
       {Case{100'000, .0388, .0457, .0427, .0915}, Case{1'000'000, .0530, .0602, .0543, .2577},
        Case{3'000'000, .1274, .0988, .1387, .3601},
        Case{10'000'000, .2611, .2107, .2908, .3736}}) {
    const uint32_t blocks = c.tokens / 512;
    EXPECT_NEAR(RatioOf(*trace, "fifo", blocks), c.fifo, 0.00005) << c.tokens;
    EXPECT_NEAR(RatioOf(*trace, "lfu", blocks), c.lfu, 0.00005) << c.tokens;
    EXPECT_NEAR(RatioOf(*trace, "lru", blocks), c.lru, 0.00005) << c.tokens;
    EXPECT_NEAR(RatioOf(*trace, "opt", blocks), c.opt, 0.00005) << c.tokens;
    EXPECT_GE(RatioOf(*trace, "auto", blocks), c.lru - 0.002) << c.tokens;
  }
  for (const uint32_t tokens : {500'000u, 1'000'000u, 1'870'000u}) {
    EXPECT_GE(RatioOf(*trace, "auto", tokens / 512), 1.5 * RatioOf(*trace, "lru", tokens / 512));
  }
}

}  // namespace
}  // namespace quire
