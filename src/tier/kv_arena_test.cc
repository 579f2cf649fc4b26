#include "tier/kv_arena.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <set>
#include <utility>

#include "base/machine.h"
#include "base/size.h"

namespace quire {
namespace {

constexpr KvShape kShape{.layers = 3, .kv_heads = 2, .head_dim = 64, .format = KvFormat::kF16};

TEST(KvArena, HoldsAsManyWholeBlocksAsFit) {
  const auto arena = KvArena::Create(kShape, 10 * kShape.block_bytes() + 1);
  ASSERT_TRUE(arena);
  EXPECT_EQ(arena->num_blocks(), 10u);
  EXPECT_EQ(arena->bytes(), 10 * kShape.block_bytes());
  EXPECT_EQ(arena->view().num_blocks, 10u);
}

TEST(KvArena, RefusesLessThanOneBlockWithTheArithmetic) {
  const auto arena = KvArena::Create(kShape, kShape.block_bytes() - 1);
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(arena.error().param, "kv-memory");
  EXPECT_NE(arena.error().message.find("3 layers x 2 KV heads x 64 x 2 bytes"), std::string::npos)
      << arena.error().message;
  EXPECT_TRUE(KvArena::Create(kShape, kShape.block_bytes()));
}

TEST(KvArena, RefusesMoreThanTheMachineHas) {
  ASSERT_GT(TotalMemory(), 64 * kMiB);
  const auto arena = KvArena::Create(kShape, TotalMemory() + 1);
  ASSERT_FALSE(arena);
  EXPECT_EQ(arena.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(arena.error().message.find("RAM"), std::string::npos) << arena.error().message;
}

TEST(KvArena, IsZeroedAlignedAndWritableToItsLastByte) {
  const auto arena = KvArena::Create(kShape, 7 * kShape.block_bytes());
  ASSERT_TRUE(arena);
  std::byte* base = arena->view().base;
  EXPECT_EQ(reinterpret_cast<uintptr_t>(base) % (2 * kMiB), 0u);
  for (uint64_t i = 0; i < arena->bytes(); ++i) ASSERT_EQ(base[i], std::byte{0});
  std::memset(base, 0x5a, arena->bytes());
  EXPECT_EQ(base[arena->bytes() - 1], std::byte{0x5a});
}

// Every (layer, block, head) has its own keys and values, all inside the arena.
TEST(KvArena, ViewCoversTheArenaWithoutOverlap) {
  const auto arena = KvArena::Create(kShape, 5 * kShape.block_bytes());
  ASSERT_TRUE(arena);
  const KvView& view = arena->view();
  std::set<std::byte*> starts;
  for (uint32_t layer = 0; layer < kShape.layers; ++layer) {
    for (uint32_t block = 0; block < view.num_blocks; ++block) {
      for (uint32_t head = 0; head < kShape.kv_heads; ++head) {
        starts.insert(view.keys(layer, block, head));
        starts.insert(view.values(layer, block, head));
      }
    }
  }
  EXPECT_EQ(starts.size() * kShape.head_bytes(), arena->bytes());
  EXPECT_EQ(*starts.begin(), view.base);
  EXPECT_EQ(*starts.rbegin(), view.base + arena->bytes() - kShape.head_bytes());
}

TEST(KvArena, MovesKeepTheBytesWhereTheyAre) {
  auto arena = KvArena::Create(kShape, 2 * kShape.block_bytes());
  ASSERT_TRUE(arena);
  std::byte* base = arena->view().base;
  base[0] = std::byte{1};
  const KvArena moved = std::move(*arena);
  EXPECT_EQ(moved.view().base, base);
  EXPECT_EQ(moved.view().base[0], std::byte{1});
}

// Pages of this process that are in RAM.
uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total_pages = 0;
  uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST(KvArena, TakesMemoryOnlyWhenItIsWritten) {
  const uint64_t before = ResidentBytes();
  const auto arena = KvArena::Create(kShape, 64 * kMiB);
  ASSERT_TRUE(arena);
  EXPECT_LT(ResidentBytes(), before + 16 * kMiB);
  std::memset(arena->view().base, 1, arena->bytes());
  EXPECT_GT(ResidentBytes(), before + 48 * kMiB);
}

TEST(KvArena, GivesItsMemoryBack) {
  const uint64_t before = ResidentBytes();
  for (int i = 0; i < 20; ++i) {
    const auto arena = KvArena::Create(kShape, 16 * kMiB);
    ASSERT_TRUE(arena);
    std::memset(arena->view().base, 1, arena->bytes());
  }
  EXPECT_LT(ResidentBytes(), before + 64 * kMiB);
}

// The last block's values end where the arena ends, in either format.
TEST(KvArena, FormatsDifferOnlyInTheSizeOfAValue) {
  KvShape wide = kShape;
  wide.format = KvFormat::kF32;
  EXPECT_EQ(wide.block_bytes(), 2 * kShape.block_bytes());
  const auto arena = KvArena::Create(wide, 3 * wide.block_bytes());
  ASSERT_TRUE(arena);
  const std::byte* last = arena->view().values(2, 2, 1);
  EXPECT_EQ(last + wide.head_bytes(), arena->view().base + arena->bytes());
}

TEST(KvArena, DescribesItself) {
  const auto arena = KvArena::Create(kShape, 4 * kShape.block_bytes());
  ASSERT_TRUE(arena);
  EXPECT_NE(arena->Describe().find("4 blocks of"), std::string::npos) << arena->Describe();
  EXPECT_NE(arena->Describe().find("64 tokens"), std::string::npos) << arena->Describe();
  EXPECT_NE(arena->Describe().find("pages"), std::string::npos) << arena->Describe();
}

}  // namespace
}  // namespace quire
