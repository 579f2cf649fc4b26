// What the system keeps in memory of the tier's files.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <fstream>
#include <vector>

#include "tier/ssd/tier_fixture.h"

namespace quire {
namespace {

// What is in memory is played, as systems differ in what they keep and tell: all that was not given
// up. The bytes are real.
class PageCacheTest : public TierFixture {
 protected:
  PageCacheTest() {
    cached_bytes = kMiB;
    faults->in_memory = [this](uint64_t at) { return at >= given_up.load(); };
    faults->uncache = [this](const DiskEnvironment::Range& range) {
      given_up = range.offset + range.bytes;
    };
  }
  uint64_t CachedBytes() const { return tier->counts().cached_read_bytes; }

  std::atomic<uint64_t> given_up = 0;  // of the one segment, up to there
};

TEST_F(PageCacheTest, TheNextProcessFindsInMemoryWhatWasWrittenLast) {
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
  cached_bytes = 256 * 1024;
  ASSERT_TRUE(Open());
  for (uint32_t chain = 0; chain < 20; ++chain) {  // 52 KiB each
    ASSERT_TRUE(Write(chain, 0, 16, TestOwner(1)));
  }
  for (uint32_t chain = 0; chain < 16; ++chain) {
    EXPECT_EQ(Read(chain, 0, 16, TestOwner(1)), 16u);
  }
  EXPECT_EQ(CachedBytes(), 0u);
  for (uint32_t chain = 16; chain < 20; ++chain) {
    EXPECT_EQ(Read(chain, 0, 16, TestOwner(1)), 16u);
  }
  EXPECT_EQ(CachedBytes(), 4 * 16 * TestShape().block_bytes());
}

TEST_F(PageCacheTest, TheBoundHoldsForWhatAnotherProcessLeftToo) {
  cached_bytes = 256 * 1024;
  ASSERT_TRUE(Open());
  for (uint32_t chain = 0; chain < 4; ++chain) ASSERT_TRUE(Write(chain, 0, 16, TestOwner(1)));
  EXPECT_EQ(given_up.load(), 0u);
  tier.reset();
  ASSERT_TRUE(Open());  // writes to a segment of its own
  ASSERT_TRUE(Write(10, 0, 16, TestOwner(1)));
  const uint64_t first = given_up.load();
  ASSERT_TRUE(Write(11, 0, 16, TestOwner(1)));
  EXPECT_GT(given_up.load(), first);
  EXPECT_LE(given_up.load(), 3 * 53248u) << "no more than is over the bound";
}

// Asked of the system itself, of which not every one drops what it need not keep.
TEST_F(PageCacheTest, TheSystemTellsWhatItHasInMemory) {
  DiskEnvironment disk;
  const std::string path = folder + "/file";
  const auto file = disk.Open(path, DiskEnvironment::Mode::kCreate);
  ASSERT_NE(file, nullptr);
  ASSERT_TRUE(file->has_cached());
  const std::vector<char> bytes(3 * kIoAlign, 'x');
  ASSERT_EQ(pwrite(file->cached_fd(), bytes.data(), bytes.size(), 0), ssize_t(bytes.size()));
  EXPECT_EQ(disk.WaitWritten(*file, {0, 3 * kIoAlign}), 0);
  EXPECT_EQ(disk.PagesInMemory(*file, {0, 3 * kIoAlign}), std::vector<bool>(3, true));
  EXPECT_EQ(disk.PagesInMemory(*file, {kIoAlign + 5, kIoAlign}), std::vector<bool>(2, true));
  EXPECT_EQ(disk.PagesInMemory(*file, {2 * kIoAlign, 2 * kIoAlign}), (std::vector{true, false}))
      << "nothing is in memory beyond the end";
  const OpenFile direct_alone(dup(file->fd()), true);
  EXPECT_TRUE(disk.PagesInMemory(direct_alone, {0, kIoAlign}).empty())
      << "what cannot be read by way of the page cache is not in it";
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
  faults->in_memory = [](uint64_t) { return false; };
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
  EXPECT_EQ(CachedBytes(), 0u);
}

TEST_F(PageCacheTest, OnlyBlocksThatAreNotInMemoryAreReadFromTheDisk) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  faults->in_memory = [](uint64_t at) { return at != 3 * kIoAlign; };  // in two blocks
  uint64_t asked = 0;
  faults->before = [&asked](const IoRequest& request) { asked += request.bytes.size(); };
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1)), 16u);
  EXPECT_GE(CachedBytes(), 14 * TestShape().block_bytes());
  EXPECT_LT(CachedBytes(), 16 * TestShape().block_bytes());
  EXPECT_GT(asked, 0u);
  EXPECT_LE(asked, 2 * (TestShape().block_bytes() + 2 * kIoAlign));
}

TEST_F(PageCacheTest, WhatIsDroppedMeanwhileAndCannotBeReadIsAMiss) {
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
