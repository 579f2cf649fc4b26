#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>

#include "base/size.h"
#include "engine/disk/kv_disk.h"
#include "engine/step_loop.h"
#include "tests/engine/fake_model.h"
#include "tier/kv_arena.h"

namespace quire {
namespace {

using test::Ask;
using test::Prompt;
using test::Story;

// A loop over a disk, by a clock that stands still but for the middle of a step: from its second
// look on it is a second later.
class DiskLoop {
 public:
  explicit DiskLoop(const std::string& folder)
      : tokenizer_(test::LoadTinyTokenizer()),
        arena_(KvArena::Create(kShape, kBlocks * kShape.block_bytes()).value()),
        disk_(KvDisk::Open({.folder = folder, .limit_bytes = 64 * kMiB, .scope_secret = kSecret},
                           arena_.view())
                  .value()),
        model_(kBlocks, tokenizer_->vocab_size()),
        loop_(
            {.budget = {},
             .num_blocks = kBlocks,
             .block_bytes = kShape.block_bytes(),
             .model_digest = "fake",
             .kv_format = "f16",
             .scope_secret = kSecret,
             .disk = disk_.get(),
             .disk_news = [this] { NoteNews(); },
             .clock =
                 [this] {
                   if (++looks_ == 2) now_ += 1;
                   return now_;
                 }},
            *tokenizer_, [this](std::span<const BatchItem> batch) { return model_.Run(batch); },
            metrics_) {}

  // Runs it to its end, and counts the steps until the model was asked.
  Receipt Run(GenerationRequest request) {
    const auto events = std::make_shared<EventQueue>();
    loop_.Start({RequestId{1}, std::move(request), events, SteadySeconds()});
    for (steps_ = 1; !Step(); ++steps_) AwaitNews();
    while (Step()) loop_.CheckInvariants();
    Story story;
    story.Read(*events);
    return story.done.at(0).receipt;
  }
  void Flush() { disk_->Flush(); }
  uint32_t steps() const { return steps_; }

 private:
  static constexpr KvShape kShape{
      .layers = 1, .kv_heads = 1, .head_dim = 16, .format = KvFormat::kF16};
  static constexpr uint32_t kBlocks = 16;
  static inline const std::string kSecret = std::string(32, 's');

  bool Step() {
    looks_ = 0;
    return loop_.Step();
  }
  void NoteNews() {
    const std::lock_guard lock(mutex_);
    news_ = true;
    came_.notify_one();
  }
  void AwaitNews() {
    std::unique_lock lock(mutex_);
    came_.wait_for(lock, std::chrono::milliseconds(10), [this] { return news_; });
    news_ = false;
  }

  std::mutex mutex_;
  std::condition_variable came_;
  bool news_ = false;
  double now_ = 1000;
  uint32_t looks_ = 2;
  uint32_t steps_ = 0;
  std::unique_ptr<Tokenizer> tokenizer_;
  KvArena arena_;
  std::unique_ptr<KvDisk> disk_;
  test::FakeModel model_;
  EngineMetrics metrics_;
  StepLoop loop_;
};

// As many seconds as there were steps: the one in which the blocks are taken as well.
TEST(StepLoopDisk, OnboardingLastsUntilTheBlocksAreTaken) {
  std::string folder = testing::TempDir() + "step_loop_disk.XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    DiskLoop first(folder);
    EXPECT_EQ(first.Run(Ask(Prompt(60, 1), 1)).onboard_ms, 0);
    first.Flush();
  }
  {
    DiskLoop second(folder);
    const Receipt receipt = second.Run(Ask(Prompt(60, 1), 1));
    EXPECT_EQ(receipt.onboarded_tokens, 48u);
    EXPECT_EQ(receipt.onboard_ms, 1000.0 * second.steps());
  }
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quire
