#include "cache/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace quire {
namespace {

std::vector<BlockId> Allocate(BlockPool& pool, uint32_t count, BlockId after = kNoBlock) {
  std::vector<BlockId> blocks(count);
  EXPECT_TRUE(pool.Allocate({.after = after}, blocks));
  return blocks;
}

TEST(BlockPool, RefusesMoreThanIsFreeAndChangesNothing) {
  BlockPool pool(4);
  Allocate(pool, 3);
  std::vector<BlockId> two(2, kNoBlock);
  EXPECT_FALSE(pool.Allocate({}, two));
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
  EXPECT_TRUE(pool.is_idle(blocks[0]));
  pool.Recycle(blocks[0]);
  EXPECT_EQ(pool.num_free(), 2u);
  pool.CheckInvariants();
}

// Notes what it is told.
struct Log : IdleListener {
  void OnIdle(BlockId block) override { told.push_back(static_cast<int>(Index(block)) + 1); }
  void OnTaken(BlockId block) override { told.push_back(-static_cast<int>(Index(block)) - 1); }
  std::vector<int> told;
};

TEST(BlockPool, TellsWhenABlockBeginsAndCeasesToBeIdle) {
  Log log;
  BlockPool pool(2, &log);
  const auto blocks = Allocate(pool, 2);
  pool.SetNamed(blocks[0]);
  pool.Acquire(blocks[0]);
  pool.Release(blocks[0]);
  EXPECT_TRUE(log.told.empty()) << "it is still live";
  pool.Release(blocks[0]);
  pool.Acquire(blocks[0]);
  pool.Pin(blocks[0]);
  pool.Release(blocks[0]);
  EXPECT_EQ(pool.num_pinned(), 1u);
  pool.Release(blocks[1]);
  EXPECT_EQ(log.told, (std::vector<int>{1, -1})) << "neither pinned nor free blocks are idle";
  pool.Unpin(blocks[0]);
  pool.Recycle(blocks[0]);
  EXPECT_EQ(log.told, (std::vector<int>{1, -1, 1, -1}));
  pool.CheckInvariants();
}

TEST(BlockPool, OwnersPayForWhatWasAllocatedForThem) {  // P3
  BlockPool pool(5);
  const OwnerId other = pool.AddOwner();
  std::vector<BlockId> blocks(3);
  ASSERT_TRUE(pool.Allocate({.owner = other}, blocks));
  Allocate(pool, 1);
  pool.SetNamed(blocks[0]);
  pool.Release(blocks[0]);
  pool.Release(blocks[1]);
  EXPECT_EQ(pool.counts(other), (BlockCounts{.live = 1, .idle = 1, .pinned = 0}));
  EXPECT_EQ(pool.counts(kFirstOwner), (BlockCounts{.live = 1, .idle = 0, .pinned = 0}));
  EXPECT_EQ(pool.owner_of(blocks[0]), other);
  pool.CheckInvariants();
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
  EXPECT_DEATH(pool.Pin(blocks[0]), "named block");
  EXPECT_DEATH(pool.Unpin(blocks[0]), "no pin holds");
}

// The same states, kept as plainly as possible.
struct NaivePool {
  struct Block {
    uint32_t refs = 0;
    uint32_t pins = 0;
    uint32_t owner = 0;
    bool named = false;

    bool IsFree() const { return refs == 0 && !named; }
    bool IsIdle() const { return refs == 0 && pins == 0 && named; }
    bool IsPinned() const { return refs == 0 && pins > 0; }
  };
  explicit NaivePool(uint32_t capacity) : blocks(capacity) {}

  uint32_t Count(auto state) const {
    return static_cast<uint32_t>(std::ranges::count_if(blocks, state));
  }
  uint32_t NumFree() const { return Count(&Block::IsFree); }

  std::vector<Block> blocks;
};

constexpr uint32_t kOwners = 3;

void ExpectEqual(const BlockPool& pool, const NaivePool& naive) {
  using Block = NaivePool::Block;
  ASSERT_EQ(pool.num_free(), naive.NumFree());
  ASSERT_EQ(pool.num_idle(), naive.Count(&Block::IsIdle));
  ASSERT_EQ(pool.num_pinned(), naive.Count(&Block::IsPinned));
  for (uint32_t owner = 0; owner < kOwners; ++owner) {
    const auto is_idle_of = [&](const Block& b) { return b.IsIdle() && b.owner == owner; };
    const auto is_live_of = [&](const Block& b) { return b.refs > 0 && b.owner == owner; };
    ASSERT_EQ(pool.counts(OwnerId{owner}).idle, naive.Count(is_idle_of));
    ASSERT_EQ(pool.counts(OwnerId{owner}).live, naive.Count(is_live_of));
  }
  for (uint32_t b = 0; b < pool.capacity(); ++b) {
    ASSERT_EQ(pool.ref_count(BlockId{b}), naive.blocks[b].refs);
    ASSERT_EQ(pool.pin_count(BlockId{b}), naive.blocks[b].pins);
    ASSERT_EQ(pool.is_named(BlockId{b}), naive.blocks[b].named);
  }
}

void AllocateInBoth(BlockPool& pool, NaivePool& naive, std::mt19937& random, BlockId after) {
  std::vector<BlockId> out(1 + random() % 4, kNoBlock);
  const size_t count = out.size();
  const uint32_t owner = random() % kOwners;
  const bool enough = count <= naive.NumFree();
  const bool next_free =
      Index(after) + 1 < pool.capacity() && pool.is_free(BlockId{Index(after) + 1});
  ASSERT_EQ(pool.Allocate({OwnerId{owner}, after}, out), enough);
  if (!enough) return;
  if (next_free) {
    ASSERT_EQ(Index(out[0]), Index(after) + 1);
  }
  for (const BlockId block : out) {
    ASSERT_EQ(naive.blocks[Index(block)].refs, 0u);
    ASSERT_FALSE(naive.blocks[Index(block)].named) << "an idle block was handed out";
    naive.blocks[Index(block)].refs = 1;
    naive.blocks[Index(block)].owner = owner;
  }
}

void RandomStep(BlockPool& pool, NaivePool& naive, std::mt19937& random) {
  const uint32_t b = random() % pool.capacity();
  NaivePool::Block& block = naive.blocks[b];
  switch (random() % 8) {
    case 0:
      return AllocateInBoth(pool, naive, random, BlockId{b});
    case 1:
    case 2:
      if (block.refs == 0) return;
      pool.Release(BlockId{b});
      --block.refs;
      return;
    case 3:
      if (block.IsFree()) return;
      pool.Acquire(BlockId{b});
      ++block.refs;
      return;
    case 4:
      if (block.refs == 0 || block.named) return;
      pool.SetNamed(BlockId{b});
      block.named = true;
      return;
    case 5:
      if (!block.named || block.pins > 2) return;
      pool.Pin(BlockId{b});
      ++block.pins;
      return;
    case 6:
      if (block.pins == 0) return;
      pool.Unpin(BlockId{b});
      --block.pins;
      return;
    default:
      if (!block.IsIdle()) return;
      pool.Recycle(BlockId{b});
      block.named = false;
  }
}

TEST(BlockPool, EqualsANaiveModelUnderRandomOperations) {
  for (const uint32_t capacity : {1u, 2u, 24u, 130u}) {
    std::mt19937 random(capacity);
    BlockPool pool(capacity);
    NaivePool naive(capacity);
    for (uint32_t owner = 1; owner < kOwners; ++owner) pool.AddOwner();
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
