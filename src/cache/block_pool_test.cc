#include "cache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace quire {
namespace {

std::vector<BlockId> Allocate(BlockPool& pool, uint32_t count, BlockId after = kNoBlock) {
  std::vector<BlockId> blocks(count);
  EXPECT_TRUE(pool.Allocate(after, blocks));
  return blocks;
}

TEST(BlockPool, RefusesMoreThanIsFreeAndChangesNothing) {
  BlockPool pool(4);
  Allocate(pool, 3);
  std::vector<BlockId> two(2, kNoBlock);
  EXPECT_FALSE(pool.Allocate(kNoBlock, two));
  EXPECT_EQ(two[0], kNoBlock);
  EXPECT_EQ(pool.num_free(), 1u);
  pool.CheckInvariants();
}

TEST(BlockPool, UnnamedBlocksBecomeFreeNamedOnesIdle) {
  BlockPool pool(2);
  const auto blocks = Allocate(pool, 2);
  pool.SetNamed(blocks[0]);
  pool.Release(blocks[0]);
  pool.Release(blocks[1]);
  EXPECT_EQ(pool.num_idle(), 1u);
  EXPECT_EQ(pool.num_free(), 1u);
  EXPECT_EQ(pool.oldest_idle(), blocks[0]);
  pool.Recycle(blocks[0]);
  EXPECT_EQ(pool.num_free(), 2u);
  pool.CheckInvariants();
}

TEST(BlockPool, LongestIdleComesFirst) {  // P3
  BlockPool pool(3);
  const auto blocks = Allocate(pool, 3);
  for (const BlockId block : blocks) pool.SetNamed(block);
  for (const int i : {1, 0, 2}) pool.Release(blocks[i]);
  pool.Acquire(blocks[1]);
  pool.Release(blocks[1]);
  EXPECT_EQ(pool.oldest_idle(), blocks[0]);
  EXPECT_EQ(pool.next_idle(blocks[0]), blocks[2]);
  EXPECT_EQ(pool.next_idle(blocks[2]), blocks[1]);
}

TEST(BlockPool, SequencesThatGrowSideBySideStayContiguous) {
  BlockPool pool(64 * 8);
  std::vector<std::vector<BlockId>> runs(8);
  for (int round = 0; round < 60; ++round) {
    for (auto& run : runs) {
      run.push_back(Allocate(pool, 1, run.empty() ? kNoBlock : run.back())[0]);
    }
  }
  for (const auto& run : runs) {
    for (size_t i = 1; i < run.size(); ++i) EXPECT_EQ(Index(run[i]), Index(run[i - 1]) + 1);
  }
}

TEST(BlockPoolDeathTest, MisuseAborts) {
  BlockPool pool(2);
  const auto blocks = Allocate(pool, 1);
  EXPECT_DEATH(pool.Recycle(blocks[0]), "not idle");
  EXPECT_DEATH(pool.Acquire(BlockId{1}), "Acquire of a free block");
  EXPECT_DEATH(pool.Release(BlockId{1}), "not live");
  EXPECT_DEATH(pool.Release(BlockId{2}), "out of range");
  EXPECT_DEATH(pool.SetNamed(BlockId{1}), "live, unnamed");
}

// The same states, kept as plainly as possible.
class NaivePool {
 public:
  struct Block {
    uint32_t refs = 0;
    bool named = false;
  };
  explicit NaivePool(uint32_t capacity) : blocks(capacity) {}

  bool IsIdle(uint32_t b) const { return blocks[b].refs == 0 && blocks[b].named; }
  uint32_t NumFree() const {
    return static_cast<uint32_t>(std::ranges::count_if(
        blocks, [](const Block& block) { return block.refs == 0 && !block.named; }));
  }
  void Release(uint32_t b) {
    if (--blocks[b].refs == 0 && blocks[b].named) idle.push_back(b);
  }
  void Acquire(uint32_t b) {
    if (blocks[b].refs++ == 0) std::erase(idle, b);
  }
  void Recycle(uint32_t b) {
    blocks[b].named = false;
    std::erase(idle, b);
  }

  std::vector<Block> blocks;
  std::deque<uint32_t> idle;
};

void ExpectEqual(const BlockPool& pool, const NaivePool& naive) {
  ASSERT_EQ(pool.num_free(), naive.NumFree());
  ASSERT_EQ(pool.num_idle(), naive.idle.size());
  ASSERT_EQ(pool.oldest_idle(), naive.idle.empty() ? kNoBlock : BlockId{naive.idle.front()});
  for (uint32_t b = 0; b < pool.capacity(); ++b) {
    ASSERT_EQ(pool.ref_count(BlockId{b}), naive.blocks[b].refs);
    ASSERT_EQ(pool.is_named(BlockId{b}), naive.blocks[b].named);
  }
}

void AllocateInBoth(BlockPool& pool, NaivePool& naive, uint32_t count, BlockId after) {
  std::vector<BlockId> out(count, kNoBlock);
  const bool enough = count <= naive.NumFree();
  const bool next_free =
      Index(after) + 1 < pool.capacity() && pool.is_free(BlockId{Index(after) + 1});
  ASSERT_EQ(pool.Allocate(after, out), enough);
  if (!enough) return;
  if (next_free) {
    ASSERT_EQ(Index(out[0]), Index(after) + 1);
  }
  for (const BlockId block : out) {
    ASSERT_EQ(naive.blocks[Index(block)].refs, 0u);
    ASSERT_FALSE(naive.blocks[Index(block)].named) << "an idle block was handed out";
    naive.blocks[Index(block)].refs = 1;
  }
}

void RandomStep(BlockPool& pool, NaivePool& naive, std::mt19937& random) {
  const uint32_t b = random() % pool.capacity();
  NaivePool::Block& block = naive.blocks[b];
  switch (random() % 6) {
    case 0:
      return AllocateInBoth(pool, naive, 1 + random() % 4, BlockId{b});
    case 1:
    case 2:
      if (block.refs == 0) return;
      pool.Release(BlockId{b});
      return naive.Release(b);
    case 3:
      if (block.refs == 0 && !block.named) return;
      pool.Acquire(BlockId{b});
      return naive.Acquire(b);
    case 4:
      if (block.refs == 0 || block.named) return;
      pool.SetNamed(BlockId{b});
      block.named = true;
      return;
    default:
      if (!naive.IsIdle(b)) return;
      pool.Recycle(BlockId{b});
      return naive.Recycle(b);
  }
}

TEST(BlockPool, EqualsANaiveModelUnderRandomOperations) {
  for (const uint32_t capacity : {1u, 2u, 24u, 130u}) {
    std::mt19937 random(capacity);
    BlockPool pool(capacity);
    NaivePool naive(capacity);
    const int steps = 6'000'000 / static_cast<int>(capacity + 20);
    for (int step = 0; step < steps; ++step) {
      RandomStep(pool, naive, random);
      if (step % 16 == 0) {
        ExpectEqual(pool, naive);
        pool.CheckInvariants();
      }
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace quire
