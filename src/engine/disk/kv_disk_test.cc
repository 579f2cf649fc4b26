#include "engine/disk/kv_disk.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "engine/disk/gated_disk.h"
#include "engine/disk/kv_disk_fixture.h"
#include "tier/ssd/segment_folder.h"

namespace quire {
namespace {

TEST_F(KvDiskTest, ANewProcessFindsWhatTheLastOneComputed) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  EXPECT_EQ(memory.Onboard(text), 160u);
  EXPECT_EQ(memory.loss.first, memory.loss.end) << "nothing was lost";
  EXPECT_EQ(memory.Serve(text), 160u);
  EXPECT_EQ(memory.Onboard(text), 0u) << "it is in memory";
  EXPECT_EQ(memory.disk().counts().onboard.loaded_blocks, 10u);
}

TEST_F(KvDiskTest, WhatDoesNotGoBelowIsNotWritten) {
  const auto stays = Text(1, 170);
  const auto goes = Text(2, 170);
  {
    Memory memory(folder);
    memory.Serve(stays, false);
    memory.Serve(goes);
    EXPECT_EQ(memory.Serve(stays, false), 160u) << "it is in memory all the same";
    memory.disk().Flush();
  }
  Memory memory(folder);
  EXPECT_EQ(memory.Onboard(stays), 0u);
  EXPECT_EQ(memory.Onboard(goes), 160u);
}

TEST_F(KvDiskTest, ReadsOnlyWhatMemoryLacks) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  memory.Serve({text.begin(), text.begin() + 70});
  EXPECT_EQ(memory.Onboard(text), 96u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

TEST_F(KvDiskTest, AnotherSecretFindsNothing) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder, std::string(32, 'x'));
  EXPECT_EQ(memory.Onboard(text), 0u) << "the same names, but another owner and key";
  EXPECT_EQ(memory.loss.reason, MissReason::kCorrupt);
  EXPECT_TRUE(memory.loss.covers(0) && memory.loss.covers(9) && !memory.loss.covers(10));
  EXPECT_EQ(memory.cache.pool().num_live(), 0u);
}

TEST_F(KvDiskTest, ANewGenerationFindsNothing) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  memory.disk().SetOwner({.id = kFirstOwner, .tenant = "default", .generation = 7});
  EXPECT_EQ(memory.Onboard(text), 0u);
  EXPECT_EQ(memory.disk().bytes_of(kFirstOwner), 0u);
}

// Its bytes are wiped while they are on their way.
TEST_F(KvDiskTest, WhatIsPurgedWhileItIsReadIsNotCalledCorrupt) {
  const auto text = Text(1, 170);
  Leave(text);
  const auto gate = std::make_shared<Gate>();
  Memory memory({.folder = folder,
                 .limit_bytes = 256 * kMiB,
                 .scope_secret = std::string(32, 's'),
                 .environment = [&] { return std::make_unique<GatedDisk>(gate); }},
                kShape);
  gate->Open(0);
  // As if the last blocks had been wiped, but not yet the header.
  gate->Spoil(0, [](const IoRequest& request, int64_t result) {
    const auto bytes = request.bytes.last(request.bytes.size() / 2);
    std::ranges::fill(bytes, std::byte{0});
    return result;
  });
  ASSERT_TRUE(memory.Want(text, 1));
  memory.disk().SetOwner({.id = kFirstOwner, .tenant = "default", .generation = 7});
  gate->Open(UINT32_MAX);
  std::vector<Onboarder::Ready> ready;
  for (double now = 2; ready.empty(); now += 1e-6)
    ready = memory.disk().Work(now, Activity::kWaiting);
  EXPECT_LT(ready[0].tokens, 160u);
  EXPECT_EQ(ready[0].loss.reason, MissReason::kPurged);
  EXPECT_EQ(ready[0].loss.end, 10u);
  const auto troubles = memory.disk().counts().tier.troubles;
  EXPECT_EQ(std::ranges::count(troubles, 0u), kDiskTroubles) << "the disk is whole";
}

TEST_F(KvDiskTest, ACancelledRequestLeavesNoBlockBehind) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  ASSERT_TRUE(memory.Want(text, 1));
  EXPECT_GT(memory.cache.pool().num_live(), 0u);
  memory.disk().Cancel(RequestId{1});
  for (double now = 2; memory.cache.pool().num_live() > 0; now += 1e-6) {
    EXPECT_TRUE(memory.disk().Work(now, Activity::kWaiting).empty());
  }
  EXPECT_EQ(memory.disk().num_waiting(), 0u);
  EXPECT_EQ(memory.Onboard(text, 2), 160u) << "late pieces of the first one disturb nobody";
  EXPECT_EQ(memory.Serve(text), 160u);
}

TEST_F(KvDiskTest, TwoThatWantTheSameReadItOnce) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  ASSERT_TRUE(memory.Want(text, 1));
  ASSERT_TRUE(memory.Want(text, 2));
  std::vector<RequestId> ready;
  for (double now = 2; ready.size() < 2; now += 1e-6) {
    for (const auto& one : memory.disk().Work(now, Activity::kWaiting))
      ready.push_back(one.request);
  }
  EXPECT_EQ(memory.disk().counts().onboard.loaded_blocks, 10u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

TEST_F(KvDiskTest, WhoFindsNoRoomIsHeldAndThenComputed) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  BlockTable taken;
  ASSERT_TRUE(memory.cache.Grow(taken, (kBlocks - 4) * kBlockTokens, EvictionReason::kPrefill));
  ASSERT_TRUE(memory.Want(text, 1));
  EXPECT_TRUE(memory.disk().Work(1.5, Activity::kReading).empty()) << "room may come";
  const auto ready = memory.disk().Work(9, Activity::kReading);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].tokens, 0u);
  EXPECT_EQ(ready[0].loss.reason, MissReason::kTierBusy);
  EXPECT_EQ(ready[0].loss.end - ready[0].loss.first, 10u);
  memory.cache.Release(taken);
}

TEST_F(KvDiskTest, LoadsAsLongAsNoRateIsKnown) {
  const auto text = Text(1, 330);
  Leave(text);
  Memory memory(folder);
  EXPECT_GT(memory.Onboard(text, 1, 1e12), 0u) << "however fast computing is";
}

TEST_F(KvDiskTest, BesideAnswersWritingWaitsForItsShareOfTheTime) {
  Memory memory(folder);
  memory.Serve(Text(1, 60));
  memory.disk().Work(1, Activity::kAnswering);
  EXPECT_TRUE(memory.disk().has_work()) << "no time has passed";
  memory.disk().NoteStep(Activity::kAnswering, 1, 1000);
  memory.disk().Work(1000, Activity::kAnswering);
  EXPECT_FALSE(memory.disk().has_work());
  memory.Serve(Text(2, 60));
  memory.disk().Work(1000, Activity::kReading);
  EXPECT_TRUE(memory.disk().has_work());
  memory.disk().Work(1000, Activity::kWaiting);
  EXPECT_FALSE(memory.disk().has_work()) << "nobody is disturbed";
}

TEST_F(KvDiskTest, WhereMemoryIsShortWritingDoesNotWait) {
  Memory memory(folder);
  memory.Serve(Text(1, 60));
  memory.disk().Work(1, Activity::kAnswering);
  EXPECT_TRUE(memory.disk().has_work());
  BlockTable taken;
  ASSERT_TRUE(memory.cache.Grow(taken, (kBlocks - 6) * kBlockTokens, EvictionReason::kPrefill));
  memory.disk().Work(1, Activity::kAnswering);
  EXPECT_FALSE(memory.disk().has_work()) << "or it would be lost";
  EXPECT_EQ(memory.disk().counts().lost_blocks, 0u);
  memory.cache.Release(taken);
}

// As many as memory holds, also where nothing can be written and the first of them stays.
TEST_F(KvDiskTest, WhatIsStillToBeWrittenIsBounded) {
  Memory memory(folder);
  memory.disk().Abandon();
  BlockTable held(kFirstOwner);
  ASSERT_TRUE(memory.cache.Grow(held, 32, EvictionReason::kPrefill));
  memory.cache.Commit(BlockNames(memory.scope), Text(100, 32), 32, held);
  for (uint32_t i = 0; i < 40; ++i) {
    memory.Serve(Text(i, 170));
    memory.disk().Work(1, Activity::kAnswering);
  }
  EXPECT_GT(memory.disk().counts().lost_blocks, 40u * 10 - 2 * kBlocks)
      << "those that were evicted are not kept in mind";
  memory.cache.Release(held);
}

// Blocks so large that the rate at which they are read is measured.
TEST_F(KvDiskTest, WhatIsComputedSinceThatIsFasterIsNamed) {
  constexpr KvShape kLarge{.layers = 16, .kv_heads = 4, .head_dim = 64, .format = KvFormat::kF16};
  const auto text = Text(1, 16 * 20 + 1);
  const auto compute = [&](Memory& memory) {
    BlockTable table;
    ASSERT_TRUE(memory.cache.Grow(table, 16 * 20, EvictionReason::kPrefill));
    memory.cache.Commit(BlockNames(memory.scope), text, 16 * 20, table);
    memory.cache.Release(table);
  };
  {
    Memory memory(folder, std::string(32, 's'), kLarge);
    compute(memory);
    memory.disk().Flush();
  }
  Memory memory(folder, std::string(32, 's'), kLarge);
  EXPECT_EQ(memory.Onboard(text, 1, 1e15), 320u) << "no rate is known";
  // The reader finds that nothing is left to read a moment after the last block was taken.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (memory.disk().counts().tier.read_bytes_per_second == 0 &&
         std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  BlockTable other;  // instead of it
  ASSERT_TRUE(memory.cache.Grow(other, kBlocks * kBlockTokens, EvictionReason::kPrefill));
  memory.cache.Release(other);
  EXPECT_EQ(memory.Onboard(text, 2, 1e15), 0u);
  EXPECT_EQ(memory.loss.reason, MissReason::kBreakEven);
  EXPECT_EQ(memory.loss.end - memory.loss.first, 20u);
  EXPECT_EQ(memory.Onboard(text, 3, 1), 320u) << "who computes slowly loads";
}

TEST_F(KvDiskTest, WhatIsGoneIsNamed) {
  const auto text = Text(1, 170);
  Leave(text);
  Memory memory(folder);
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    if (file.path().extension() == ".kvseg") std::filesystem::resize_file(file.path(), 0);
  }
  EXPECT_EQ(memory.Onboard(text), 0u);
  EXPECT_EQ(memory.loss.reason, MissReason::kTierFailed);
  EXPECT_TRUE(memory.loss.covers(0) && memory.loss.covers(9));
}

// Many texts, far more than memory: what is found is always right, whoever found it.
TEST_F(KvDiskTest, LivesWithFarTooLittleMemory) {
  std::mt19937 random(4);
  uint64_t onboarded = 0;
  for (int life = 0; life < 5; ++life) {
    Memory memory(folder);
    for (int i = 0; i < 60; ++i) {
      const auto text = Text(random() % 12, 40 + random() % 200);
      onboarded += memory.Onboard(text, static_cast<uint64_t>(i) + 1);
      memory.Serve(text);
      memory.cache.CheckInvariants();
      memory.disk().Work(1, Activity::kReading);
    }
    if (life % 2 == 0) memory.disk().Flush();
  }
  EXPECT_GT(onboarded, 5000u);
}

}  // namespace
}  // namespace quire
