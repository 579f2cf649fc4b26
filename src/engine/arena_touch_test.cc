#include "engine/arena_touch.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <vector>

#include "base/size.h"

namespace quire {
namespace {

constexpr KvShape kShape{.layers = 3, .kv_heads = 2, .head_dim = 64, .format = KvFormat::kF16};

uint64_t ResidentBytes(const KvArena& arena) {
  std::vector<unsigned char> pages(arena.bytes() / 4096);
  EXPECT_EQ(mincore(arena.view().base, pages.size() * 4096, pages.data()), 0);
  uint64_t bytes = 0;
  for (const unsigned char page : pages) bytes += (page & 1) != 0 ? 4096 : 0;
  return bytes;
}

TEST(ArenaTouch, TakesWhatTheBlocksNeedBitByBitAndNoMore) {
  const auto arena = KvArena::Create(kShape, 64 * kMiB);
  ASSERT_TRUE(arena);
  // A system older than the call gives pages as they are written, as it always did.
  const bool can = madvise(arena->view().base, 4096, MADV_POPULATE_WRITE) == 0;
  const uint64_t wanted = 400 * kShape.block_bytes();
  ArenaTouch touch(*arena, 400);
  uint64_t before = ResidentBytes(*arena);
  for (uint32_t i = 0; !touch.is_over(); ++i) {
    ASSERT_LT(i, 100u);
    touch.Some();
    EXPECT_LE(ResidentBytes(*arena) - before, 8 * kMiB) << "somebody may be waiting";
    before = ResidentBytes(*arena);
  }
  EXPECT_EQ(ResidentBytes(*arena) >= wanted, can);
  EXPECT_LE(ResidentBytes(*arena), wanted + 4 * kMiB);
}

// Half of what is available is for others; it is asked for again each time.
TEST(ArenaTouch, EndsWhereMemoryIsScarce) {
  const auto arena = KvArena::Create(kShape, 64 * kMiB);
  ASSERT_TRUE(arena);
  const uint64_t wanted = 400 * kShape.block_bytes();
  uint64_t available = 2 * wanted - 1;
  ArenaTouch scarce(*arena, 400, [&] { return available; });
  const uint64_t before = ResidentBytes(*arena);
  scarce.Some();
  EXPECT_TRUE(scarce.is_over());
  EXPECT_EQ(ResidentBytes(*arena), before) << "not a page";

  available = 2 * wanted;
  ArenaTouch touch(*arena, 400, [&] { return available; });
  const bool can = madvise(arena->view().base, 4096, MADV_POPULATE_WRITE) == 0;
  touch.Some();
  EXPECT_NE(touch.is_over(), can);
  const uint64_t taken = ResidentBytes(*arena);
  EXPECT_EQ(taken > before + kMiB, can);
  available = 0;  // somebody else took it
  touch.Some();
  EXPECT_TRUE(touch.is_over());
  EXPECT_EQ(ResidentBytes(*arena), taken);
}

TEST(ArenaTouch, IsOverAtOnceWithoutBlocksAndEndsWithTheArena) {
  const auto arena = KvArena::Create(kShape, kMiB);
  ASSERT_TRUE(arena);
  EXPECT_TRUE(ArenaTouch(*arena, 0).is_over());
  ArenaTouch all(*arena, 1'000'000);
  for (uint32_t i = 0; i < 10; ++i) {
    if (!all.is_over()) all.Some();
  }
  EXPECT_TRUE(all.is_over());
}

}  // namespace
}  // namespace quire
