// What a looker is shown of a cache and a loop: the same as asking block by block.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "engine/view/prefix_survey.h"
#include "tests/engine/fake_model.h"

namespace quire {
namespace {

constexpr uint32_t kCapacity = 40;
constexpr uint32_t kOwners = 3;

// Texts of one owner that branch at every other block, some open, some pinned.
class World {
 public:
  World() : cache_({.capacity_blocks = kCapacity, .block_tokens = 1}) {
    for (uint32_t owner = 1; owner < kOwners; ++owner) cache_.AddOwner({});
  }
  ~World() {
    for (const PinId pin : pins_) cache_.Unpin(pin);
    for (BlockTable& table : open_) cache_.Release(table);
  }

  void Step(uint32_t code) {
    cache_.SetTime(++now_);
    const uint32_t number = code / 4;
    if (code % 4 != 0 || open_.empty()) return Open(number);
    std::swap(open_[number % open_.size()], open_.back());
    PinId pin{};
    if (pins_.size() < 3 && number % 3 == 0 &&
        cache_.Pin(open_.back(), open_.back().num_named(), pin)) {
      pins_.push_back(pin);
    }
    cache_.Release(open_.back());
    open_.pop_back();
  }

  const KvCache& cache() const { return cache_; }

 private:
  void Open(uint32_t number) {
    if (open_.size() == 3) return;
    const uint32_t owner = number % kOwners;
    const uint32_t blocks = 1 + number / 4 % 7;
    Scope scope;
    scope.root.bytes[0] = static_cast<std::byte>(owner + 1);
    std::vector<TokenId> tokens;
    for (uint32_t i = 0; i < blocks; ++i) tokens.push_back((number >> (5 + i / 2)) % 2 + 1);
    tokens.push_back(0);
    BlockTable table{OwnerId{owner}};
    cache_.Match(scope, tokens, table);
    if (!cache_.Grow(table, blocks, EvictionReason::kPrefill)) return cache_.Release(table);
    cache_.Commit(scope, tokens, blocks, table);
    open_.push_back(std::move(table));
  }

  KvCache cache_;
  std::vector<BlockTable> open_;
  std::vector<PinId> pins_;
  TickMs now_ = 0;
};

using Kind = std::tuple<uint32_t, BlockState>;  // of owner

std::map<Kind, uint32_t> CountAll(const BlockPool& pool) {
  std::map<Kind, uint32_t> counts;
  for (uint32_t owner = 0; owner < kOwners; ++owner) {
    const BlockCounts& own = pool.counts(OwnerId{owner});
    counts[{owner, BlockState::kLive}] = own.live;
    counts[{owner, BlockState::kIdle}] = own.idle;
    counts[{owner, BlockState::kPinned}] = own.pinned;
  }
  counts[{0, BlockState::kFree}] = pool.num_free();
  std::erase_if(counts, [](const auto& one) { return one.second == 0; });
  return counts;
}

uint32_t DepthOf(const KvCache& cache, BlockId block) {
  const BlockId parent = cache.parent_of(block);
  return parent == kNoBlock ? 0 : 1 + DepthOf(cache, parent);
}

// How many blocks of which owner and state are how deep in their texts.
using Depths = std::map<std::tuple<uint32_t, BlockState, uint32_t>, uint32_t>;

Depths DepthsOf(const KvCache& cache) {
  Depths depths;
  const BlockPool& pool = cache.pool();
  for (uint32_t i = 0; i < pool.capacity(); ++i) {
    const BlockId block{i};
    if (pool.is_free(block) || !pool.is_named(block)) continue;
    const BlockState state = pool.ref_count(block) > 0 ? BlockState::kLive
                             : pool.is_idle(block)     ? BlockState::kIdle
                                                       : BlockState::kPinned;
    ++depths[{Index(pool.owner_of(block)), state, DepthOf(cache, block)}];
  }
  return depths;
}

Depths DepthsOf(const PrefixTree& tree) {
  Depths depths;
  std::vector<uint32_t> ends;
  for (const PrefixNode& node : tree.nodes) {
    RC_ASSERT(node.parent == PrefixNode::kRoot || node.parent < ends.size());
    const uint32_t first = node.parent == PrefixNode::kRoot ? 0 : ends[node.parent];
    for (uint32_t i = 0; i < node.blocks; ++i) ++depths[{node.tenant, node.state, first + i}];
    ends.push_back(first + node.blocks);
  }
  return depths;
}

uint32_t BlocksOf(const PrefixTree& tree) {
  return std::accumulate(
      tree.nodes.begin(), tree.nodes.end(), tree.folded_blocks,
      [](uint32_t sum, const PrefixNode& node) { return sum + node.blocks + node.folded_blocks; });
}

void CheckMap(const KvCache& cache) {
  std::map<Kind, uint32_t> counts;
  for (const BlockRun& run : MapOf(cache.pool(), 1)) counts[{run.tenant, run.state}] += run.pieces;
  RC_ASSERT(counts == CountAll(cache.pool()));
  uint32_t pieces = 0;
  for (const BlockRun& run : MapOf(cache.pool(), 7)) pieces += run.pieces;
  RC_ASSERT(pieces == (kCapacity + 6) / 7);
}

void CheckTree(const KvCache& cache) {
  const PrefixTree all = TreeOf(cache, {});
  RC_ASSERT(DepthsOf(all) == DepthsOf(cache));
  RC_ASSERT(all.folded_blocks == 0u);
  TreeWish few;
  few.most_nodes = 4;
  const PrefixTree folded = TreeOf(cache, few);
  RC_ASSERT(folded.nodes.size() == std::min<size_t>(4, all.nodes.size()));
  RC_ASSERT(BlocksOf(folded) == BlocksOf(all));
  for (uint32_t owner = 0; owner < kOwners; ++owner) {
    TreeWish own;
    own.owner = OwnerId{owner};
    const PrefixTree tree = TreeOf(cache, own);
    for (const PrefixNode& node : tree.nodes) RC_ASSERT(node.tenant == owner);
    Depths wanted = DepthsOf(cache);
    std::erase_if(wanted, [&](const auto& one) { return std::get<0>(one.first) != owner; });
    RC_ASSERT(DepthsOf(tree) == wanted);
  }
}

TEST(View, MapAndTreeAreWhatEveryBlockSays) {
  EXPECT_TRUE(rc::check([](const std::vector<uint32_t>& codes) {
    World world;
    for (const uint32_t code : codes) {
      world.Step(code);
      CheckMap(world.cache());
      CheckTree(world.cache());
    }
  }));
}

GenerationRequest Asking(uint32_t prompt_tokens, TokenId from, const std::string& tenant) {
  std::vector<TokenId> prompt;
  for (uint32_t i = 0; i < prompt_tokens; ++i) {
    prompt.push_back(static_cast<TokenId>((from + static_cast<TokenId>(i)) % 200));
  }
  GenerationRequest request = test::Ask(std::move(prompt), 6);
  request.ignore_eos = true;
  request.tenant = tenant;
  return request;
}

TEST(View, ShowsRequestsFromTheirArrivalToTheirEnd) {
  test::LoopHarness harness(64, {.step_tokens = 32, .step_sequences = 1, .prefill_chunk = 32});
  const auto first = harness.Start(Asking(70, 1, "acme"));
  const auto second = harness.Start(Asking(20, 100, "beta"));
  harness.loop.Step();
  EngineView view = harness.loop.View();
  ASSERT_EQ(view.requests.size(), 2u);
  const RequestView& reading = view.requests[0];
  EXPECT_EQ(view.tenants[reading.tenant], "acme");
  EXPECT_EQ(view.tenants[view.requests[1].tenant], "beta");
  std::vector<RequestPhase> phases = {reading.phase, view.requests[1].phase};
  std::ranges::sort(phases);
  EXPECT_EQ(phases[0], RequestPhase::kQueued);
  EXPECT_GT(phases[1], RequestPhase::kQueued);
  EXPECT_EQ(reading.prompt_tokens, 70u);
  for (int step = 0; step < 6; ++step) harness.loop.Step();
  view = harness.loop.View();
  const auto answers = std::ranges::find(view.requests, RequestPhase::kDecode, &RequestView::phase);
  ASSERT_NE(answers, view.requests.end());
  EXPECT_EQ(answers->computed_tokens, answers->prompt_tokens);
  EXPECT_GT(answers->generated_tokens, 0u);
  EXPECT_GT(answers->blocks, 0u);
  while (harness.loop.Step()) {
  }
  view = harness.loop.View();
  EXPECT_TRUE(view.requests.empty());
  uint32_t pieces = 0;
  for (const BlockRun& run : view.map) pieces += run.pieces;
  EXPECT_EQ(pieces, 64u);
}

TEST(View, ATreeOfATenantShowsNothingOfOthers) {
  test::LoopHarness harness(64);
  harness.RunToEnd(Asking(70, 1, "acme"));
  harness.RunToEnd(Asking(70, 1, "acme"));
  harness.RunToEnd(Asking(40, 1, "beta"));
  const PrefixTree all = harness.loop.Tree(std::nullopt);
  EXPECT_EQ(all.nodes.size(), 2u);
  const PrefixTree own = harness.loop.Tree("acme");
  ASSERT_EQ(own.nodes.size(), 1u);
  EXPECT_EQ(own.tenants[own.nodes[0].tenant], "acme");
  EXPECT_EQ(own.nodes[0].blocks, 4u);
  EXPECT_EQ(own.nodes[0].hits, 1u);
  EXPECT_EQ(own.nodes[0].state, BlockState::kIdle);
  EXPECT_TRUE(harness.loop.Tree("nobody").nodes.empty());
}

}  // namespace
}  // namespace quire
