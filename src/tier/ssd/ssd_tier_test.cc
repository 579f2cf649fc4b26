#include "tier/ssd/ssd_tier.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "tier/ssd/tier_fixture.h"

namespace quire {
namespace {

using SsdTierTest = TierFixture;

std::vector<std::string> SegmentPaths(const std::string& folder) {
  std::vector<std::string> paths;
  for (const uint64_t segment : ListSegments(folder)) {
    paths.push_back(folder + "/" + SegmentFileName(segment));
  }
  return paths;
}

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Replace(const std::string& path, const std::string& contents) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << contents;
}

uint64_t Troubles(const SsdTier& tier, DiskTrouble trouble) {
  return tier.counts().troubles[static_cast<size_t>(trouble)];
}

TEST_F(SsdTierTest, WhatWasWrittenComesBackToTheBit) {
  for (const bool encrypt : {true, false}) {
    for (const bool threads : {true, false}) {
      faults->threads = threads;
      ASSERT_TRUE(Open(encrypt));
      const uint8_t owner = encrypt ? 1 : 2;
      ASSERT_TRUE(Write(owner, 0, 16, TestOwner(owner)));
      ASSERT_TRUE(Write(owner, 16, 5, TestOwner(owner)));
      EXPECT_EQ(Read(owner, 0, 30, TestOwner(owner)), 21u);
      EXPECT_EQ(Read(owner, 3, 4, TestOwner(owner)), 4u) << "from the middle of a record";
      EXPECT_EQ(Read(owner, 15, 2, TestOwner(owner)), 2u) << "over the end of a record";
      tier.reset();
      std::filesystem::remove_all(folder);
    }
  }
}

TEST_F(SsdTierTest, SaysHowItReads) {
  faults->threads = true;
  ASSERT_TRUE(Open());
  EXPECT_NE(tier->Describe().find("threads"), std::string::npos) << tier->Describe();
  EXPECT_NE(tier->Describe().find(folder), std::string::npos);
}

TEST_F(SsdTierTest, SurvivesTheProcess) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1)));
  ASSERT_TRUE(Write(2, 0, 3, TestOwner(2)));
  tier.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Read(1, 0, 20, TestOwner(1)), 16u);
  EXPECT_EQ(Read(2, 0, 20, TestOwner(2)), 3u);
  EXPECT_EQ(tier->usage(TestOwner(1)->tag.tag).blocks, 16u);
}

TEST_F(SsdTierTest, OneProcessAtATimeHasAFolder) {
  ASSERT_TRUE(Open());
  const auto second =
      SsdTier::Open({.folder = folder, .limit_bytes = 64 * kMiB, .shape = TestShape()},
                    std::make_unique<DiskEnvironment>());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kConflict);
  EXPECT_NE(second.error().message.find(std::to_string(getpid())), std::string::npos);
}

TEST_F(SsdTierTest, RefusesALimitThatHoldsNothing) {
  const auto opened = Open(true, 4096);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().param, "disk");
}

// Without a footer a segment is read record by record, up to where it was torn.
TEST_F(SsdTierTest, ATornTailIsCutWhereverItIsTorn) {
  ASSERT_TRUE(Open());
  for (uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(Write(i, 0, 2, TestOwner(1)));
  tier.reset();
  const std::string path = SegmentPaths(folder).at(0);
  const std::string whole = Contents(path);
  const uint64_t record = RecordLayout(TestShape(), 2, true).record_bytes;
  std::mt19937 random(1);
  std::vector<uint64_t> cuts;
  for (uint64_t i = 0; i <= 4; ++i) {
    const uint64_t boundary = kSegmentStartBytes + i * record;
    for (const int64_t off : {-4096, -1, 0, 1, 4096}) {
      cuts.push_back(boundary + static_cast<uint64_t>(off));
    }
  }
  for (int i = 0; i < 20; ++i) cuts.push_back(random() % whole.size());
  for (const uint64_t cut : cuts) {
    if (cut > whole.size()) continue;
    Replace(path, whole.substr(0, cut));
    ASSERT_TRUE(Open());
    const uint64_t left =
        cut < kSegmentStartBytes ? 0 : std::min<uint64_t>((cut - kSegmentStartBytes) / record, 4);
    for (uint32_t i = 0; i < 4; ++i) {
      ASSERT_EQ(Read(i, 0, 2, TestOwner(1)), i < left ? 2u : 0u) << "cut at " << cut;
    }
    ASSERT_TRUE(Write(100, 0, 2, TestOwner(1)));
    tier.reset();
    ASSERT_TRUE(Open()) << "what was cut is a whole segment now";
    ASSERT_EQ(Read(100, 0, 2, TestOwner(1)), 2u);
    tier.reset();
    for (const std::string& other : SegmentPaths(folder)) std::filesystem::remove(other);
  }
}

// The fixture compares every byte that is given back: a flipped bit may only cost a hit.
TEST_F(SsdTierTest, ABitFlippedAnywhereIsAMiss) {
  for (const bool encrypt : {true, false}) {
    ASSERT_TRUE(Open(encrypt));
    ASSERT_TRUE(Write(1, 0, 2, TestOwner(1)));
    tier.reset();
    const std::string path = SegmentPaths(folder).at(0);
    const std::string whole = Contents(path);
    std::mt19937 random(2);
    uint32_t lost = 0;
    for (int i = 0; i < 120; ++i) {
      std::string flipped = whole;
      const size_t at = random() % whole.size();
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << random() % 8));
      Replace(path, flipped);
      ASSERT_TRUE(Open(encrypt));
      lost += Read(1, 0, 2, TestOwner(1)) < 2;
      tier.reset();
      for (const std::string& other : SegmentPaths(folder)) {
        if (other != path) std::filesystem::remove(other);
      }
    }
    EXPECT_GT(lost, 15u) << "the flips hit nothing";
    std::filesystem::remove_all(folder);
  }
}

TEST_F(SsdTierTest, WhatCannotBeReadIsCountedAndForgotten) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->result = [](const IoRequest& request, int64_t result) {
    return request.kind == IoRequest::Kind::kRead ? -EIO : result;
  };
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 0u);
  EXPECT_EQ(Troubles(*tier, DiskTrouble::kIo), 1u);
  EXPECT_FALSE(tier->Contains(TestName(1, 0)));
  faults->result = nullptr;
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->result = [](const IoRequest&, int64_t result) { return result - 1; };
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 0u) << "a short read";
}

TEST_F(SsdTierTest, AFullDiskPausesWritingAndNothingElse) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->result = [](const IoRequest& request, int64_t result) {
    return request.kind == IoRequest::Kind::kWrite ? -ENOSPC : result;
  };
  EXPECT_FALSE(Write(2, 0, 4, TestOwner(1)));
  EXPECT_EQ(Troubles(*tier, DiskTrouble::kFull), 1u);
  EXPECT_FALSE(Write(3, 0, 4, TestOwner(1)));
  EXPECT_EQ(lines.size(), 1u) << "one line, however often it fails";
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 4u);
  EXPECT_TRUE(tier->counts().paused);
  tier.reset();
  faults->result = nullptr;
  ASSERT_TRUE(Open());
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 4u) << "the segment without a footer is found";
}

// An alert wants it for minutes on end, in which the tier tries again and again.
TEST_F(SsdTierTest, IsPausedUntilAWriteSucceedsHoweverLongThatTakes) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->result = [](const IoRequest&, int64_t) { return -EIO; };
  EXPECT_FALSE(Write(2, 0, 4, TestOwner(1)));
  const auto wait_until = [](std::chrono::milliseconds patience, auto is_so) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!is_so() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  };
  wait_until(std::chrono::milliseconds(1100), [] { return false; });  // it may be tried again
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 0u);
  wait_until(std::chrono::seconds(10), [this] { return tier->counts().blocks == 0; });
  ASSERT_EQ(tier->counts().blocks, 0u) << "what cannot be read goes";
  EXPECT_TRUE(tier->counts().paused);
  faults->result = nullptr;
  ASSERT_TRUE(Write(3, 0, 4, TestOwner(1)));
  EXPECT_FALSE(tier->counts().paused);
}

TEST_F(SsdTierTest, LeavesOthersTheirFreeSpace) {
  faults->free_bytes = 0;
  ASSERT_TRUE(Open());
  EXPECT_FALSE(Write(1, 0, 4, TestOwner(1)));
  EXPECT_EQ(Troubles(*tier, DiskTrouble::kFull), 1u);
}

TEST_F(SsdTierTest, ATornWriteIsNotInTheIndex) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  faults->result = [](const IoRequest& request, int64_t result) {
    return request.kind == IoRequest::Kind::kWrite ? result / 2 : result;
  };
  EXPECT_FALSE(Write(2, 0, 4, TestOwner(1)));
}

TEST_F(SsdTierTest, AnotherOwnersKeyOpensNothing) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  EXPECT_EQ(Read(1, 0, 4, TestOwner(2)), 0u);
  auto forger = std::make_shared<BlockOwner>(*TestOwner(1));
  forger->key = std::string(kOwnerKeyBytes, 'x');
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  EXPECT_EQ(Read(1, 0, 4, forger), 0u);
}

// Checksums can be forged by whoever can write the file.
TEST_F(SsdTierTest, UnsealedRecordsAreNotTakenWhereRecordsAreSealed) {
  ASSERT_TRUE(Open(false));
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  tier.reset();
  ASSERT_TRUE(Open(true));
  EXPECT_EQ(Read(1, 0, 4, TestOwner(1)), 0u);
}

TEST_F(SsdTierTest, SealedFilesShowNoNotesAndNoBytes) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 65, 4, TestOwner(1)));
  tier.reset();
  const std::string bytes = Contents(SegmentPaths(folder).at(0));
  EXPECT_EQ(bytes.find("AAAAAAAA"), std::string::npos) << "the note of block 65";
  std::string plain;
  for (uint64_t i = 0; i < 32; ++i) plain += static_cast<char>(TestByte(TestName(1, 65), i));
  EXPECT_EQ(bytes.find(plain), std::string::npos);
  EXPECT_EQ(bytes.find(TestOwner(1)->key), std::string::npos);
}

TEST_F(SsdTierTest, ANewGenerationForgetsTheOldOneAndGivesItsSpaceBack) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 16, TestOwner(1, 1)));
  ASSERT_TRUE(Write(2, 0, 16, TestOwner(2, 1)));
  const uint64_t before = tier->counts().disk_bytes;
  tier->SetOwner(TestOwner(1, 2)->tag, UINT64_MAX);
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1, 2)), 0u);
  EXPECT_EQ(Read(1, 0, 16, TestOwner(1, 1)), 0u);
  EXPECT_EQ(Read(2, 0, 16, TestOwner(2, 1)), 16u);
  EXPECT_FALSE(Write(1, 0, 16, TestOwner(1, 1))) << "what was on its way when it happened";
  ASSERT_TRUE(Write(1, 0, 1, TestOwner(1, 2)));
  EXPECT_LT(tier->counts().disk_bytes, before);
  tier.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Read(1, 1, 15, TestOwner(1, 2)), 0u);
  EXPECT_EQ(Read(1, 0, 1, TestOwner(1, 2)), 1u);
}

TEST_F(SsdTierTest, AnOwnerKeepsToItsLimit) {
  ASSERT_TRUE(Open());
  const uint64_t record = RecordLayout(TestShape(), 4, true).record_bytes;
  tier->SetOwner(TestOwner(1)->tag, 3 * record);
  for (uint32_t i = 0; i < 10; ++i) Write(i, 0, 4, TestOwner(1));
  ASSERT_TRUE(Write(50, 0, 4, TestOwner(2)));
  EXPECT_LE(tier->usage(TestOwner(1)->tag.tag).bytes, 3 * record);
  EXPECT_EQ(Read(9, 0, 4, TestOwner(1)), 4u);
  EXPECT_EQ(Read(6, 0, 4, TestOwner(1)), 0u);
  EXPECT_EQ(Read(50, 0, 4, TestOwner(2)), 4u);
}

// Far more than the limit is written; what was read in between lives on.
TEST_F(SsdTierTest, TheFolderKeepsToItsLimitAndKeepsWhatIsRead) {
  for (const bool holes : {true, false}) {
    faults->holes = holes;
    constexpr uint64_t kLimit = 2 * kMiB;
    ASSERT_TRUE(Open(true, kLimit));
    ASSERT_TRUE(Write(1000, 0, 4, TestOwner(1)));
    for (uint32_t i = 0; i < 300; ++i) {
      ASSERT_TRUE(Write(i, 0, 4, TestOwner(1)));
      ASSERT_EQ(Read(1000, 0, 4, TestOwner(1)), 4u) << "after " << i;
      uint64_t bytes = 0;
      for (const std::string& path : SegmentPaths(folder)) {
        bytes += std::filesystem::file_size(path);
      }
      ASSERT_LE(bytes, kLimit);
    }
    EXPECT_EQ(Read(0, 0, 4, TestOwner(1)), 0u);
    EXPECT_EQ(Read(299, 0, 4, TestOwner(1)), 4u);
    EXPECT_GT(tier->counts().evicted_blocks, 100u);
    tier.reset();
    ASSERT_TRUE(Open(true, kLimit));
    EXPECT_EQ(Read(1000, 0, 4, TestOwner(1)), 4u);
    tier.reset();
    std::filesystem::remove_all(folder);
  }
}

// What is always found in memory is never read, and would be lost with the process.
TEST_F(SsdTierTest, WhatIsUsedInMemoryIsKeptToo) {
  ASSERT_TRUE(Open(true, 2 * kMiB));
  ASSERT_TRUE(Write(1000, 0, 4, TestOwner(1)));
  ASSERT_TRUE(Write(1001, 0, 4, TestOwner(1)));
  for (uint32_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(Write(i, 0, 4, TestOwner(1)));
    tier->NoteUsed(std::vector{TestName(1000, 0), TestName(1000, 1), TestName(7000, 0)});
  }
  EXPECT_EQ(Read(1000, 0, 4, TestOwner(1)), 4u);
  EXPECT_EQ(Read(1001, 0, 4, TestOwner(1)), 0u);
}

TEST_F(SsdTierTest, ItsFolderMayBeDeletedAtAnyTime) {
  ASSERT_TRUE(Open(true, kMiB));
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  std::filesystem::remove_all(folder);
  (void)Read(1, 0, 4, TestOwner(1));
  for (uint32_t i = 2; i < 40; ++i) (void)Write(i, 0, 4, TestOwner(1));
  EXPECT_EQ(Read(39, 0, 4, TestOwner(1)), 4u) << "a new segment makes the folder anew";
  tier.reset();
  ASSERT_TRUE(Open());
  EXPECT_EQ(Read(39, 0, 4, TestOwner(1)), 4u);
}

TEST_F(SsdTierTest, WhatIsAbandonedIsGoneForGood) {
  ASSERT_TRUE(Open());
  ASSERT_TRUE(Write(1, 0, 4, TestOwner(1)));
  tier->Abandon();
  EXPECT_FALSE(Write(2, 0, 4, TestOwner(1)));
  tier.reset();
  EXPECT_TRUE(SegmentPaths(folder).empty());
}

// A random life: what comes back is always right, and after each restart as much is found as is
// said.
TEST_F(SsdTierTest, LivesThroughRandomFaults) {
  std::mt19937 random(3);
  faults->result = [&random](const IoRequest&, int64_t result) {
    return random() % 20 == 0 ? int64_t{-EIO} : random() % 20 == 0 ? result / 2 : result;
  };
  faults->in_memory = [&random](uint64_t) { return random() % 3 > 0; };
  uint32_t found = 0;
  for (int life = 0; life < 12; ++life) {
    cached_bytes = life % 2 == 0 ? 0 : 256 * 1024;
    ASSERT_TRUE(Open(life % 3 != 0, 2 * kMiB));
    for (int i = 0; i < 40; ++i) {
      const uint32_t chain = random() % 30;
      if (random() % 2 == 0) {
        Write(chain, 0, 1 + random() % 16, TestOwner(1));
      } else {
        found += Read(chain, random() % 4, 12, TestOwner(1));
      }
    }
    tier.reset();
  }
  EXPECT_GT(found, 50u);
}

}  // namespace
}  // namespace quire
