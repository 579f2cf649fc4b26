// Steps whose first layers are computed while later layers of their KV come from the disk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "tests/engine/disk_server.h"

namespace quire {
namespace {

using test::Ask;
using test::DiskServer;
using test::kAheadShape;
using test::Prompt;
using test::Story;

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
    tokens_per_second = server.loop.load().tokens_per_second;
    EXPECT_GE(story.done.at(0).receipt.queue_ms, 0);
    if (!story.done.at(0).error && !computed.tokens.empty()) {
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
  double tokens_per_second = 0;

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
  const std::vector<TokenId> more = Prompt(40, 2);  // fewer say nothing of the pace
  request.prompt.insert(request.prompt.end(), more.begin(), more.end());
  computed.tokens.clear();  // of less
  Again(0, kAsItIs);
  EXPECT_EQ(left_in_layer, kAheadShape.layers);
  EXPECT_EQ(ahead_spans, 1u);
  EXPECT_GT(tokens_per_second, 1e-3) << "a few tokens in a year";
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
