// What the system keeps in memory of the tier's files.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <vector>

#include "tier/ssd/tier_fixture.h"

namespace quire {
namespace {

class PageCacheTest : public TierFixture {
 protected:
  PageCacheTest() { cached_bytes = kMiB; }

  // Not every file system tells what of a file is in memory, or lets it go; all is read from its
  // disk then.
  bool CanAsk() const {
    const std::string path = folder + "/probe";
    std::ofstream(path) << std::string(kIoAlign, 'x');
    DiskEnvironment disk;
    const auto file = disk.Open(path, DiskEnvironment::Mode::kRead);
    if (file == nullptr || disk.PagesInMemory(*file, {0, kIoAlign}) != std::vector{true}) {
      return false;
    }
    (void)disk.WaitWritten(*file, {0, kIoAlign});
    disk.Uncache(*file, {0, kIoAlign});
    return disk.PagesInMemory(*file, {0, kIoAlign}) == std::vector{false};
  }
  uint64_t CachedBytes() const { return tier->counts().cached_read_bytes; }
};

TEST_F(PageCacheTest, TheNextProcessFindsInMemoryWhatWasWrittenLast) {
  if (!CanAsk()) GTEST_SKIP() << "this file system does not tell";
  for (const bool encrypt : {true, false}) {
    ASSERT_TRUE(Open(encrypt));
    ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
    tier.reset();
    ASSERT_TRUE(Open(encrypt));
    // The disk itself would fail.
    faults->before = [](const IoRequest& request) {
      ASSERT_EQ(request.kind, IoRequest::Kind::kWrite) << "the disk was asked";
    };
    EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
    EXPECT_EQ(Read(1, 3, 4, TestOwner(1)), 4u) << "from the middle of a record";
    EXPECT_GE(CachedBytes(), 20 * TestShape().block_bytes());
    EXPECT_EQ(tier->counts().read_bytes, 20 * TestShape().block_bytes());
    faults->before = nullptr;
    tier.reset();
    std::filesystem::remove_all(folder);
    std::filesystem::create_directory(folder);
  }
}

TEST_F(PageCacheTest, NothingIsTakenFromItUnlessThatIsWanted) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  tier.reset();
  cached_bytes = 0;
  ASSERT_TRUE(Open());
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
  EXPECT_EQ(CachedBytes(), 0u);
  EXPECT_NE(tier->Describe().find("past the page cache"), std::string::npos) << tier->Describe();
}

TEST_F(PageCacheTest, BeyondItsBoundWhatWasWrittenFirstIsGivenUp) {
  if (!CanAsk()) GTEST_SKIP() << "this file system does not tell";
  cached_bytes = 256 * 1024;
  ASSERT_TRUE(Open());
  for (uint32_t chain = 0; chain < 20; ++chain) {  // some 50 KiB each
    ASSERT_TRUE(Write(chain, 0, 16, TestOwner(1)));
  }
  for (uint32_t chain = 0; chain < 10; ++chain) {
    EXPECT_EQ(Read(chain, 0, 16, TestOwner(1)), 16u);
  }
  const uint64_t old = CachedBytes();  // the system may be slow to drop a page
  EXPECT_LT(old, 5 * 16 * TestShape().block_bytes());
  EXPECT_EQ(Read(19, 0, 16, TestOwner(1)), 16u);
  EXPECT_GE(CachedBytes() - old, 16 * TestShape().block_bytes());
}

TEST_F(PageCacheTest, WhatDoesNotReachTheDiskIsNotInTheIndex) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->write_back = -EIO;
  EXPECT_FALSE(Write(2, 0, 4, TestOwner(1)));
  EXPECT_TRUE(tier->counts().paused);
  EXPECT_EQ(tier->counts().troubles[static_cast<size_t>(DiskTrouble::kIo)], 1u);
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 4u) << "what is there is served";
}

TEST_F(PageCacheTest, WhatTheSystemCannotGiveIsReadFromTheDisk) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  faults->in_memory = [] { return false; };
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
  EXPECT_EQ(CachedBytes(), 0u);
}

TEST_F(PageCacheTest, OnlyBlocksThatAreNotInMemoryAreReadFromTheDisk) {
  if (!CanAsk()) GTEST_SKIP() << "this file system does not tell";
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  uint32_t pages = 0;
  faults->in_memory = [&pages] { return ++pages != 5; };  // in one or two blocks
  uint64_t asked = 0;
  faults->before = [&asked](const IoRequest& request) { asked += request.bytes.size(); };
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
  EXPECT_GE(CachedBytes(), 14 * TestShape().block_bytes());
  EXPECT_LT(CachedBytes(), 16 * TestShape().block_bytes());
  EXPECT_GT(asked, 0u);
  EXPECT_LE(asked, 2 * (TestShape().block_bytes() + 2 * kIoAlign));
}

TEST_F(PageCacheTest, WhatIsDroppedMeanwhileAndCannotBeReadIsAMiss) {
  if (!CanAsk()) GTEST_SKIP() << "this file system does not tell";
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  uint32_t reads = 0;
  faults->cached_result = [&reads](int64_t result) { return ++reads < 6 ? result : -EIO; };
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 4u) << "the header and four blocks were read";
  EXPECT_EQ(tier->counts().troubles[static_cast<size_t>(DiskTrouble::kIo)], 1u);
  EXPECT_FALSE(tier->Contains(TestName(1, 0)));
}

TEST_F(PageCacheTest, DamageInMemoryIsAMiss) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  const std::string path = folder + "/" + SegmentFileName(ListSegments(folder).at(0));
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(2 * kIoAlign + 100);
  file.put('x').put('y').put('z').flush();
  EXPECT_LT(Read(1, 0, 4, TestOwner(1)), 4u);
  EXPECT_EQ(tier->counts().troubles[static_cast<size_t>(DiskTrouble::kCorrupt)], 1u);
}

TEST_F(PageCacheTest, APurgedOwnersBytesAreGoneFromItToo) {
  ASSERT_TRUE(Open(false));
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  ASSERT_TRUE(Write(2, 200, 4, TestOwner(2)));  // keeps the file, with other bytes
  const std::string path = folder + "/" + SegmentFileName(ListSegments(folder).at(0));
  std::string block;
  for (uint64_t b = 0; b < 64; ++b) block += static_cast<char>(TestByte(TestName(1, 2), b));
  const auto holds_block = [&] {
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    return bytes.find(block) != std::string::npos;
  };
  ASSERT_TRUE(holds_block());
  tier->SetOwner(TestOwner(1, 2)->tag, UINT64_MAX);
  tier.reset();  // once it is done
  ASSERT_TRUE(std::filesystem::exists(path));
  EXPECT_FALSE(holds_block());
}

}  // namespace
}  // namespace quire
