#include "tier/kv_arena.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

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
  EXPECT_NE(arena.error().message.find("3 layers x 2 KV heads x (2048 + 2048) bytes in f16"),
            std::string::npos)
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

TEST(KvArena, TouchedMemoryIsThereAndUnchanged) {
  const auto arena = KvArena::Create(kShape, 64 * kMiB);
  ASSERT_TRUE(arena);
  std::byte* base = arena->view().base;
  base[5] = std::byte{7};
  const uint64_t until = 33 * kMiB + 1;
  uint64_t at = 0;
  for (uint32_t steps = 0; at < until; ++steps) {
    const uint64_t next = arena->Touch(at, until);
    ASSERT_GT(next, at);
    ASSERT_LT(steps, 100u);
    at = next;
  }
  EXPECT_EQ(at, until);
  EXPECT_EQ(base[5], std::byte{7});
  // A system older than the call gives pages as they are written, as it always did.
  const bool can = madvise(base, 4096, MADV_POPULATE_WRITE) == 0;
  std::vector<unsigned char> pages(64 * kMiB / 4096);
  ASSERT_EQ(mincore(base, pages.size() * 4096, pages.data()), 0);
  const auto is_there = [&](uint64_t byte) { return (pages[byte / 4096] & 1) != 0; };
  EXPECT_TRUE(is_there(0));
  EXPECT_EQ(is_there(20 * kMiB), can);
  EXPECT_EQ(is_there(33 * kMiB), can);
  EXPECT_FALSE(is_there(40 * kMiB)) << "more than was wanted";
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
  EXPECT_EQ(starts.size() * kShape.key_head_bytes(), arena->bytes());
  EXPECT_EQ(*starts.begin(), view.base);
  EXPECT_EQ(*starts.rbegin(), view.base + arena->bytes() - kShape.value_head_bytes());
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

// The last block's values end where the arena ends, and every head starts on a cache line.
TEST(KvArena, EveryFormatFillsItsBlocks) {
  for (const auto& [format, key_bytes, value_bytes] :
       {std::tuple{KvFormat::kF16, 2048u, 2048u},
        {KvFormat::kF32, 4096u, 4096u},
        {KvFormat::kQ8, 1024u + 64, 1024u + 64},  // with a scale per token
        {KvFormat::kK16V8, 2048u, 1024u + 64}}) {
    SCOPED_TRACE(KvFormatName(format));
    KvShape shape = kShape;
    shape.format = format;
    EXPECT_EQ(shape.block_bytes(), 3u * 2 * (key_bytes + value_bytes));
    const auto arena = KvArena::Create(shape, 3 * shape.block_bytes());
    ASSERT_TRUE(arena);
    const std::byte* base = arena->view().base;
    EXPECT_EQ(arena->view().values(2, 2, 1) + value_bytes, base + arena->bytes());
    EXPECT_EQ(arena->view().keys(1, 2, 1) - base,
              (2 * 3 + 1) * 2 * (key_bytes + value_bytes) + key_bytes);
    EXPECT_EQ((arena->view().keys(1, 2, 1) - base) % 64, 0);
    EXPECT_EQ((arena->view().values(1, 2, 1) - base) % 64, 0);
  }
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
