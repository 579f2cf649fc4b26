// A request that goes ahead of the last layers of its blocks.
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "engine/disk/kv_disk_fixture.h"
#include "tier/io/io_queue.h"

namespace quire {
namespace {

constexpr KvShape kLayered{
    .layers = 10, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};

// What happens to reads. Shared by a test and its disk.
class Gate {
 public:
  // So many reads may end, and others once there are more.
  void Open(uint32_t reads) {
    const std::lock_guard lock(mutex_);
    open_ = reads;
    opened_.notify_all();
  }
  // What the read that ends as number `from` and later ones really gave.
  using Result = std::function<int64_t(const IoRequest&, int64_t)>;
  void Spoil(uint32_t from, Result result) {
    const std::lock_guard lock(mutex_);
    spoilt_from_ = from;
    spoil_ = std::move(result);
  }

  bool MayEnd(bool wait) {
    std::unique_lock lock(mutex_);
    if (wait) opened_.wait(lock, [&] { return ended_ < open_; });
    return ended_ < open_;
  }
  int64_t End(const IoRequest& request, int64_t result) {
    const std::lock_guard lock(mutex_);
    return ended_++ < spoilt_from_ || !spoil_ ? result : spoil_(request, result);
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  uint32_t open_ = UINT32_MAX;
  uint32_t ended_ = 0;
  uint32_t spoilt_from_ = 0;
  Result spoil_;
};

// Reads end in the order in which they were begun, and no sooner than the gate lets them.
class GatedQueue : public IoQueue {
 public:
  GatedQueue(std::unique_ptr<IoQueue> real, std::shared_ptr<Gate> gate)
      : real_(std::move(real)), gate_(std::move(gate)) {}

  bool Submit(const IoRequest& request) override {
    begun_.push_back({request, std::nullopt});
    return real_->Submit({.kind = request.kind,
                          .fd = request.fd,
                          .offset = request.offset,
                          .bytes = request.bytes,
                          .tag = last_++});
  }
  size_t Wait(std::span<IoResult> done) override {
    std::vector<IoResult> results(depth());
    if (real_->in_flight() > 0) {
      results.resize(real_->Wait(results));
      for (const IoResult& one : results) {
        begun_[one.tag - (last_ - begun_.size())].result = one.result;
      }
    }
    size_t count = 0;
    while (count < done.size() && !begun_.empty() && begun_.front().result) {
      const IoRequest& request = begun_.front().request;
      int64_t result = *begun_.front().result;
      if (request.kind == IoRequest::Kind::kRead) {
        const bool wait = count == 0 && real_->in_flight() == 0;
        if (!gate_->MayEnd(wait)) break;
        result = gate_->End(request, result);
      }
      done[count++] = {request.tag, result};
      begun_.pop_front();
    }
    return count;
  }
  uint32_t in_flight() const override { return static_cast<uint32_t>(begun_.size()); }
  uint32_t depth() const override { return real_->depth(); }
  std::string_view name() const override { return real_->name(); }

 private:
  struct Begun {
    IoRequest request;
    std::optional<int64_t> result;
  };
  const std::unique_ptr<IoQueue> real_;
  const std::shared_ptr<Gate> gate_;
  std::deque<Begun> begun_;
  uint64_t last_ = 0;
};

class GatedDisk : public DiskEnvironment {
 public:
  explicit GatedDisk(std::shared_ptr<Gate> gate) : gate_(std::move(gate)) {}
  std::unique_ptr<IoQueue> MakeQueue(uint32_t depth) override {
    return std::make_unique<GatedQueue>(DiskEnvironment::MakeQueue(depth), gate_);
  }

 private:
  const std::shared_ptr<Gate> gate_;
};

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
            .environment = [this] { return std::make_unique<GatedDisk>(gate); }};
  }

  // Whether the request goes ahead, within some seconds, or else is ready.
  static bool GoesAhead(Memory& memory) {
    for (double now = 2;; now += 1e-6) {
      const auto ready = memory.disk().Work(now, false, true);
      if (ready.empty()) continue;
      EXPECT_EQ(ready[0].tokens, 160u);
      return memory.disk().ahead().has_value();
    }
  }

  const std::vector<TokenId> text = Text(1, 170);
  // One for each life: it counts the reads.
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
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

TEST_F(LayersAhead, NobodyGoesAheadWhoIsNotAlone) {
  Memory memory(Options(), kLayered);
  EXPECT_EQ(memory.Onboard(text), 160u);
  ASSERT_EQ(memory.disk().counts().onboard.ahead_spans, 0u);
  EXPECT_EQ(memory.Serve(text), 160u);
}

// It was alone when it came, but is not when the first layers are there.
TEST_F(LayersAhead, WhoIsNotAloneAnyMoreWaitsForAllLayers) {
  Memory memory(Options(), kLayered);
  gate->Open(kReadsOfGroup);
  ASSERT_TRUE(memory.Want(text, 1, 0, true));
  for (double now = 2; now < 2.1; now += 1e-3) {
    EXPECT_TRUE(memory.disk().Work(now, false, false).empty());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  gate->Open(UINT32_MAX);
  std::vector<Onboarder::Ready> ready;
  for (double now = 3; ready.empty(); now += 1e-6) ready = memory.disk().Work(now, false, false);
  EXPECT_EQ(ready[0].tokens, 160u);
  EXPECT_FALSE(memory.disk().ahead());
  EXPECT_EQ(memory.Serve(text), 160u);
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
    gate->Open(UINT32_MAX);
    ASSERT_TRUE(memory.disk().ahead());
    memory.disk().GiveUp();
    EXPECT_FALSE(memory.disk().ahead());
    EXPECT_EQ(memory.cache.pool().num_live(), 0u);
    EXPECT_EQ(memory.cache.CountCached(BlockNames(memory.scope), text), 0u);
    memory.cache.CheckInvariants();
    gate->Spoil(0, nullptr);
    EXPECT_EQ(memory.Onboard(text, 2), spoil ? 0u : 160u);
    memory.Serve(text);
    EXPECT_EQ(memory.Serve(text), 160u) << "all of it right, wherever it is from";
  }
}

}  // namespace
}  // namespace quire
