// Steps whose first layers are computed while later layers of their KV come from the disk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/size.h"
#include "engine/disk/gated_disk.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "tests/engine/fake_model.h"
#include "tier/kv_arena.h"

namespace quire {
namespace {

using test::Ask;
using test::FakeModel;
using test::Prompt;
using test::Story;

constexpr KvShape kAheadShape{.layers = 8, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};
constexpr uint32_t kAheadBlocks = 32;

// A process with a disk below it. In each layer the KV of a token is the token, and logits follow
// from what all layers hold.
class DiskServer {
 public:
  DiskServer(const std::string& folder, const std::shared_ptr<Gate>& gate)
      : gate_(gate),
        arena_(KvArena::Create(kAheadShape, kAheadBlocks * kAheadShape.block_bytes()).value()),
        disk_(KvDisk::Open({.folder = folder,
                            .limit_bytes = 256 * kMiB,
                            .scope_secret = std::string(32, 's'),
                            .least_part_bytes = kAheadShape.block_bytes() / 4,
                            .environment = [gate] { return std::make_unique<GatedDisk>(gate); }},
                           arena_.view())
                  .value()),
        tokenizer_(test::LoadTinyTokenizer()),
        loop(
            {.budget = {},
             .num_blocks = kAheadBlocks,
             .block_bytes = kAheadShape.block_bytes(),
             .model_digest = "fake",
             .kv_format = "f16",
             .scope_secret = std::string(32, 's'),
             .disk = disk_.get(),
             .clock = [this] { return SteadySeconds() + late_seconds_; }},
            *tokenizer_, [this](std::span<const BatchItem> batch) { return Run(batch); },
            metrics_) {
    loop.OnEnd([this](const GenerationRequest&) { reads_at_end = gate_->ended(); });
  }

  Story RunToEnd(GenerationRequest request) {
    auto events = std::make_shared<EventQueue>();
    loop.Start({RequestId{++last_}, std::move(request), events, SteadySeconds()});
    while (loop.Step() || loop.WaitsForDisk()) {
      loop.CheckInvariants();
      if (disk_->num_waiting() == 0) gate_->Open(UINT32_MAX);
    }
    Story story;
    story.Read(*events);
    return story;
  }
  KvDisk& disk() { return *disk_; }

  bool is_late = false;     // layers after the first come only once a step was left
  bool is_in_vain = false;  // waiting for them is
  bool seems_long = false;  // they come at once, but by the clock after a year
  uint32_t left_in_layer = kAheadShape.layers;  // where it was left, or none
  uint32_t reads_at_end = 0;                    // that had ended when the request did

 private:
  // Asked while a layer is waited for.
  bool WaitsInVain() {
    if (seems_long && late_seconds_ == 0) {
      late_seconds_ = 365.0 * 24 * 3600;
      gate_->Open(UINT32_MAX);
    }
    return is_in_vain;
  }
  TokenId& Slot(const BatchItem& item, uint32_t layer, uint32_t p) {
    const KvView& view = arena_.view();
    std::byte* const keys = view.keys(layer, item.table[p / kBlockTokens], 0);
    return reinterpret_cast<TokenId*>(keys)[p % kBlockTokens];
  }

  std::optional<std::span<const float>> Run(std::span<const BatchItem> batch) {
    if (disk_->ahead() && !is_late && !seems_long) gate_->Open(UINT32_MAX);
    std::vector<std::vector<uint64_t>> hashes(batch.size());
    for (uint32_t layer = 0; layer < kAheadShape.layers; ++layer) {
      for (const BatchItem& item : batch) {
        for (uint32_t i = 0; i < item.tokens.size(); ++i) {
          Slot(item, layer, item.first_position + i) = item.tokens[i];
        }
      }
      if (!loop.AwaitLayer(layer, [this] { return WaitsInVain(); })) {
        left_in_layer = layer;
        gate_->Open(UINT32_MAX);
        return std::nullopt;
      }
      for (size_t i = 0; i < batch.size(); ++i) AddLayer(batch[i], layer, hashes[i]);
    }
    logits_.clear();
    for (const auto& rows : hashes) {
      for (const uint64_t hash : rows) {
        logits_.resize(logits_.size() + tokenizer_->vocab_size());
        FakeModel::FillRow(hash, std::span(logits_).last(tokenizer_->vocab_size()));
      }
    }
    return logits_;
  }
  void AddLayer(const BatchItem& item, uint32_t layer, std::vector<uint64_t>& hashes) {
    hashes.resize(item.num_logit_rows, 1);
    const uint32_t end = item.first_position + static_cast<uint32_t>(item.tokens.size());
    for (uint32_t row = 0; row < item.num_logit_rows; ++row) {
      for (uint32_t p = 0; p <= end - item.num_logit_rows + row; ++p) {
        hashes[row] = FakeModel::Extend(hashes[row], Slot(item, layer, p));
      }
    }
  }

  const std::shared_ptr<Gate> gate_;
  double late_seconds_ = 0;
  KvArena arena_;
  std::unique_ptr<KvDisk> disk_;
  std::unique_ptr<Tokenizer> tokenizer_;
  EngineMetrics metrics_;
  std::vector<float> logits_;
  uint64_t last_ = 0;

 public:
  StepLoop loop;
};

class StepLoopAhead : public testing::Test {
 protected:
  // Ten blocks are a record, read in four groups of layers: 11 reads each.
  static constexpr uint32_t kReadsOfGroup = 11;

  StepLoopAhead() {
    std::string path = testing::TempDir() + "ahead.XXXXXX";
    folder_ = mkdtemp(path.data());
    DiskServer server(folder_, std::make_shared<Gate>());
    computed = server.RunToEnd(request);
    server.disk().Flush();
  }
  ~StepLoopAhead() override { std::filesystem::remove_all(folder_); }

  // The same again, in a process of its own. What its reads from number `from` on give; those after
  // the first group of layers end only once the model runs.
  Story Again(uint32_t from, const Gate::Result& result) {
    auto gate = std::make_shared<Gate>();
    gate->Spoil(from, result);
    gate->Open(kReadsOfGroup);
    DiskServer server(folder_, gate);
    server.is_late = is_late;
    server.is_in_vain = is_in_vain;
    server.seems_long = seems_long;
    const Story story = server.RunToEnd(request);
    left_in_layer = server.left_in_layer;
    ahead_spans = server.disk().counts().onboard.ahead_spans;
    reads_at_end = server.reads_at_end;
    seconds_per_token = server.loop.load().seconds_per_token;
    EXPECT_GE(story.done.at(0).receipt.queue_ms, 0);
    if (!story.done.at(0).error) {
      EXPECT_EQ(story.tokens, computed.tokens);
    }
    EXPECT_EQ(server.loop.stats().live_blocks, 0u);
    return story;
  }

  GenerationRequest request = Ask(Prompt(170, 1), 5);
  Story computed;
  bool is_late = false;
  bool is_in_vain = false;
  bool seems_long = false;
  uint32_t left_in_layer = 0;
  uint64_t ahead_spans = 0;
  uint32_t reads_at_end = 0;
  double seconds_per_token = 0;

 private:
  std::string folder_;
};

constexpr auto kAsItIs = [](const IoRequest&, int64_t result) { return result; };

TEST_F(StepLoopAhead, GivesTheSameAnswer) {
  const Story story = Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, kAheadShape.layers);
  EXPECT_EQ(ahead_spans, 1u);
  EXPECT_EQ(story.done[0].receipt.onboarded_tokens, 160u);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 10u);
}

TEST_F(StepLoopAhead, LeavesTheStepWhoseLaterLayersAreDamaged) {
  const Story story = Again(3 * kReadsOfGroup, [](const IoRequest& read, int64_t result) {
    read.bytes[read.bytes.size() / 2] ^= std::byte{1};
    return result;
  });
  EXPECT_LE(left_in_layer, 6u);
  EXPECT_EQ(ahead_spans, 0u);
  EXPECT_EQ(story.done[0].receipt.onboarded_tokens, 0u);
  EXPECT_EQ(story.done[0].receipt.preemptions, 1u);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 170u);
}

TEST_F(StepLoopAhead, GoesOnOnceLayersHaveComeThatWereLate) {
  is_late = true;
  request.want_timeline = true;
  const Story story = Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, 2u);
  EXPECT_EQ(ahead_spans, 0u);
  EXPECT_EQ(story.done[0].receipt.onboarded_tokens, 160u);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 10u);
  EXPECT_EQ(story.done[0].receipt.preemptions, 1u);
  // It was one wait for the disk, which a step that came to nothing does not divide.
  const auto& onboards = story.done[0].receipt.timeline->onboards;
  ASSERT_EQ(onboards.size(), 1u);
  EXPECT_EQ(onboards[0].tokens, 160u);
}

// As it is late, but nobody waits until it is.
TEST_F(StepLoopAhead, LeavesTheStepThatIsInVain) {
  is_late = is_in_vain = true;
  const Story story = Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, 2u);
  EXPECT_EQ(story.done[0].receipt.onboarded_tokens, 160u);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 10u);
}

// Or the disk would count as the model's time, and make all that follows seem slow.
TEST_F(StepLoopAhead, TimeWaitedForLayersIsNotThePace) {
  seems_long = true;
  Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, kAheadShape.layers);
  EXPECT_EQ(ahead_spans, 1u);
  EXPECT_GT(seconds_per_token, 0);
  EXPECT_LT(seconds_per_token, 10'000) << "of a year";
}

TEST_F(StepLoopAhead, SeveralChoicesGoAheadTogether) {
  request.choices = 3;
  is_late = true;
  computed.tokens = {{0, computed.tokens[0]}, {1, computed.tokens[0]}, {2, computed.tokens[0]}};
  const Story late = Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, 2u);
  EXPECT_EQ(late.done[0].receipt.onboarded_tokens, 160u);
  EXPECT_EQ(late.done[0].receipt.computed_tokens, 10u);
  is_late = false;
  const Story in_time = Again(0, kAsItIs);
  EXPECT_EQ(ahead_spans, 1u);
  EXPECT_EQ(in_time.done[0].receipt.onboarded_tokens, 160u);
  EXPECT_EQ(in_time.done[0].receipt.computed_tokens, 10u);
}

TEST_F(StepLoopAhead, WhoIsRefusedAfterItsReadIsGone) {
  request.max_tokens = 1000;
  const Story story = Again(0, kAsItIs);
  ASSERT_TRUE(story.done[0].error);
  EXPECT_EQ(story.done[0].error->code, ErrorCode::kNeverFits);
  EXPECT_EQ(reads_at_end, kReadsOfGroup) << "it did not wait for the others: it had gone ahead";
}

TEST_F(StepLoopAhead, LeavesTheStepWhoseLaterLayersCannotBeRead) {
  const Story story = Again(2 * kReadsOfGroup, [](const IoRequest&, int64_t) { return -EIO; });
  EXPECT_LE(left_in_layer, 4u);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 170u);
}

}  // namespace
}  // namespace quire
