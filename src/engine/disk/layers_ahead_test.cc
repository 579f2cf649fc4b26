// A request that goes ahead of the last layers of its blocks.
#include <cerrno>
#include <filesystem>
#include <utility>

#include "engine/disk/gated_disk.h"
#include "engine/disk/kv_disk_fixture.h"

namespace quire {
namespace {

constexpr KvShape kLayered{.layers = 10, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};

class LayersAhead : public KvDiskTest {
 protected:
  // Ten blocks are a record, read in four groups of layers: 11 reads each.
  static constexpr uint32_t kReadsOfGroup = 11;

  LayersAhead() {
    Memory memory(Options(), kLayered);
    memory.Serve(text);
    memory.disk().Flush();
  }

  KvDiskOptions Options() {
    return {.folder = folder,
            .limit_bytes = 256 * kMiB,
            .scope_secret = std::string(32, 's'),
            .least_part_bytes = kLayered.block_bytes() / 4,
            .environment = [this] { return std::make_unique<GatedDisk>(gate, has_uring); }};
  }

  // Whether the request goes ahead, within some seconds, or else is ready.
  static bool GoesAhead(Memory& memory) {
    for (double now = 2;; now += 1e-6) {
      const auto ready = memory.disk().Work(now, Activity::kNone);
      if (ready.empty()) continue;
      EXPECT_EQ(ready[0].tokens, 160u);
      return memory.disk().ahead().has_value();
    }
  }

  const std::vector<TokenId> text = Text(1, 170);
  // One for each life: it counts the reads.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  bool has_uring = true;
};

TEST_F(LayersAhead, EachLayerIsThereWhenItIsReached) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(GoesAhead(memory));
  EXPECT_EQ(memory.disk().ahead()->tokens, 160u);
  EXPECT_TRUE(memory.disk().AwaitLayer(0) && memory.disk().AwaitLayer(1));
  memory.CheckLayer(text, 0);
  memory.CheckLayer(text, 1);
  gate->Open(UINT32_MAX);
  for (uint32_t layer = 2; layer < kLayered.layers; ++layer) {
    ASSERT_TRUE(memory.disk().AwaitLayer(layer));
    memory.CheckLayer(text, layer);
  }
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_EQ(memory.disk().num_waiting(), 0u);
  EXPECT_EQ(memory.disk().counts().onboard.ahead_spans, 1u);
  EXPECT_EQ(memory.disk().counts().onboard.loaded_blocks, 10u);
  EXPECT_EQ(memory.cache.pool().num_live(), 0u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

// Wherever the groups come from: by threads where the system refuses io_uring, and as they were
// written without a seal.
TEST_F(LayersAhead, GroupsAreTheSameByThreadsAndUnsealed) {
  for (const bool encrypt : {true, false}) {
    for (const bool uring : {true, false}) {
      SCOPED_TRACE(testing::Message() << (encrypt ? "sealed" : "unsealed") << ", uring " << uring);
      has_uring = uring;
      KvDiskOptions options = Options();
      options.encrypt = encrypt;
      options.folder = folder + (encrypt ? "/sealed" : "/unsealed");
      std::filesystem::create_directories(options.folder);
      gate = std::make_shared<Gate>();
      {
        Memory before(options, kLayered);
        before.Serve(text);
        before.disk().Flush();
      }
      gate = std::make_shared<Gate>();
      gate->Open(kReadsOfGroup);
      Memory memory(options, kLayered);
      EXPECT_EQ(memory.disk().Describe().find("io_uring") != std::string::npos, uring);
      ASSERT_TRUE(memory.Want(text, 1, 0, true));
      ASSERT_TRUE(GoesAhead(memory));
      memory.CheckLayer(text, 0);
      gate->Open(UINT32_MAX);
      for (uint32_t layer = 0; layer < kLayered.layers; ++layer) {
        ASSERT_TRUE(memory.disk().AwaitLayer(layer));
        memory.CheckLayer(text, layer);
      }
      EXPECT_EQ(memory.disk().counts().onboard.ahead_spans, 1u);
      EXPECT_EQ(memory.Serve(text), 160u);
    }
  }
}

// Whoever waits in vain does not wait for as long as it may take.
TEST_F(LayersAhead, AWaitEndsOnceItIsInVain) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(GoesAhead(memory));
  uint32_t asked = 0;
  EXPECT_FALSE(memory.disk().AwaitLayer(5, [&] { return ++asked == 3; }));
  EXPECT_EQ(asked, 3u);
  ASSERT_TRUE(memory.disk().ahead());
  gate->Open(UINT32_MAX);
  EXPECT_TRUE(memory.disk().AwaitLayer(9)) << "patience was left";
}

// However long the layers of one step were waited for, in the next one there is patience.
TEST_F(LayersAhead, PatienceIsOfAStep) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(GoesAhead(memory));
  EXPECT_FALSE(memory.disk().AwaitLayer(5)) << "it takes too long";
  bool asked = false;
  EXPECT_FALSE(memory.disk().AwaitLayer(5, [&] { return asked = true; }));
  EXPECT_FALSE(asked) << "none is left in this step";
  EXPECT_TRUE(memory.disk().Work(2, Activity::kWaiting).empty());
  const auto comes = [&] {
    gate->Open(UINT32_MAX);
    return false;
  };
  EXPECT_TRUE(memory.disk().AwaitLayer(5, comes));
}

// It had gone ahead, was given up, and waits again: then it leaves.
TEST_F(LayersAhead, WhoWasGivenUpMayStillLeave) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup + 1);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(GoesAhead(memory));
  memory.disk().GiveUp();
  memory.disk().Cancel(RequestId{1});
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_FALSE(memory.disk().IsWanted(RequestId{1}));
  EXPECT_EQ(memory.cache.pool().num_live(), 10u) << "the disk still writes to them";
  gate->Open(UINT32_MAX);
  for (double now = 2; memory.cache.pool().num_live() > 0; now += 1e-6) {
    EXPECT_TRUE(memory.disk().Work(now, Activity::kNone).empty());
  }
  EXPECT_EQ(memory.Onboard(text, 2), 160u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

TEST_F(LayersAhead, NobodyGoesAheadWhoIsNotAlone) {
  Memory memory(Options(), kLayered);
  ASSERT_TRUE(memory.Want(text, 1));
  std::vector<Onboarder::Ready> ready;
  for (double now = 2; ready.empty(); now += 1e-6) ready = memory.disk().Work(now, Activity::kNone);
  EXPECT_EQ(ready[0].tokens, 160u);
  EXPECT_FALSE(memory.disk().ahead());
  ASSERT_EQ(memory.disk().counts().onboard.ahead_spans, 0u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

// It was alone when it came, but is not when the first layers are there.
TEST_F(LayersAhead, WhoIsNotAloneAnyMoreWaitsForAllLayers) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  memory.AwaitNews();
  EXPECT_TRUE(memory.disk().Work(2, Activity::kWaiting).empty());
  gate->Open(UINT32_MAX);
  std::vector<Onboarder::Ready> ready;
  for (double now = 3; ready.empty(); now += 1e-6)
    ready = memory.disk().Work(now, Activity::kWaiting);
  EXPECT_EQ(ready[0].tokens, 160u);
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_EQ(memory.Serve(text), 160u);
}

// Both would find the blocks whose layers are still to come.
TEST_F(LayersAhead, NobodyGoesAheadBesideAnother) {
  Memory memory(Options(), kLayered);
  gate->Open(0);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(memory.Want(text, 2)) << "held, as the first one reads the same";
  EXPECT_TRUE(memory.disk().Work(1.5, Activity::kNone).empty());
  gate->Open(kReadsOfGroup);
  memory.AwaitNews();
  const auto ready = memory.disk().Work(9, Activity::kNone);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].request, RequestId{2}) << "it was held for long enough";
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_TRUE(GoesAhead(memory));
  gate->Open(UINT32_MAX);
}

// One that was computed meanwhile would take its place, while the disk still writes to it.
TEST_F(LayersAhead, NobodyGoesAheadOfBlocksThatOthersHaveComputed) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  memory.Serve({text.begin(), text.begin() + 40});
  memory.AwaitNews();
  EXPECT_TRUE(memory.disk().Work(2, Activity::kNone).empty());
  gate->Open(UINT32_MAX);
  std::vector<Onboarder::Ready> ready;
  for (double now = 3; ready.empty(); now += 1e-6) ready = memory.disk().Work(now, Activity::kNone);
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_EQ(memory.Serve(text), 160u);
}

TEST_F(LayersAhead, BlocksOfOneWhoHasGoneAreHeldUntilTheirReadsEnd) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup + 1);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  ASSERT_TRUE(GoesAhead(memory));
  memory.disk().Cancel(RequestId{1});
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_TRUE(memory.disk().has_work());
  EXPECT_EQ(memory.cache.pool().num_live(), 10u);
  EXPECT_EQ(memory.cache.CountCached(BlockNames(memory.scope), text), 0u);
  gate->Open(UINT32_MAX);
  for (double now = 2; memory.cache.pool().num_live() > 0; now += 1e-6) {
    EXPECT_TRUE(memory.disk().Work(now, Activity::kNone).empty());
  }
  EXPECT_EQ(memory.Onboard(text, 2), 160u);
}

// A later group of layers is damaged, or cannot be read, or does not come.
TEST_F(LayersAhead, WhatDoesNotComeIsFoundByNobody) {
  const auto damage = [](const IoRequest& request, int64_t result) {
    request.bytes[request.bytes.size() / 2] ^= std::byte{1};
    return result;
  };
  const auto fail = [](const IoRequest&, int64_t) { return int64_t{-EIO}; };
  for (const auto& [name, spoil] : std::vector<std::pair<std::string, Gate::Result>>{
           {"late", nullptr}, {"damaged", damage}, {"unreadable", fail}}) {
    SCOPED_TRACE(name);
    gate = std::make_shared<Gate>();
    {
      Memory before(Options(), kLayered);
      before.Onboard(text);
      before.Serve(text);
      before.disk().Flush();
    }
    gate = std::make_shared<Gate>();
    Memory memory(Options(), kLayered);
    gate->Open(2 * kReadsOfGroup);
    gate->Spoil(2 * kReadsOfGroup, spoil);
    ASSERT_TRUE(memory.Want(text, 1, 0, true));
    ASSERT_TRUE(GoesAhead(memory));
    if (spoil) gate->Open(UINT32_MAX);
    uint32_t layer = 0;
    while (memory.disk().AwaitLayer(layer)) ASSERT_LT(++layer, kLayered.layers);
    EXPECT_TRUE(spoil ? layer <= 5 : layer == 5);
    ASSERT_TRUE(memory.disk().ahead());
    memory.disk().GiveUp();
    EXPECT_FALSE(memory.disk().ahead());
    EXPECT_EQ(memory.cache.CountCached(BlockNames(memory.scope), text), 0u);
    EXPECT_TRUE(memory.disk().IsWanted(RequestId{1}));
    memory.cache.CheckInvariants();
    gate->Open(UINT32_MAX);
    std::vector<Onboarder::Ready> ready;
    for (double now = 2; ready.empty(); now += 1e-6)
      ready = memory.disk().Work(now, Activity::kNone);
    EXPECT_EQ(ready[0].tokens, spoil ? 0u : 160u);
    EXPECT_EQ(ready[0].loss.reason,
              name == "damaged" ? MissReason::kCorrupt : MissReason::kTierFailed);
    EXPECT_EQ(memory.cache.pool().num_live(), 0u);
    memory.Serve(text);
    EXPECT_EQ(memory.Serve(text), 160u) << "all of it right, wherever it is from";
  }
}

}  // namespace
}  // namespace quire
