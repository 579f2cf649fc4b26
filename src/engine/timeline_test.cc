#include "engine/timeline.h"

#include <gtest/gtest.h>

#include "tests/engine/fake_model.h"

namespace quire {
namespace {

using test::Ask;
using test::LoopHarness;
using test::Prompt;
using test::Story;

GenerationRequest Traced(std::vector<TokenId> prompt, uint32_t max_tokens) {
  GenerationRequest request = Ask(std::move(prompt), max_tokens);
  request.want_timeline = true;
  request.ignore_eos = true;
  return request;
}

uint32_t TokensOf(const std::vector<TimePiece>& pieces) {
  uint32_t tokens = 0;
  for (const TimePiece& piece : pieces) tokens += piece.tokens;
  return tokens;
}

// In order, none empty or over before it began, all between the first and the last moment.
void CheckPieces(const Timeline& line, const std::vector<TimePiece>& pieces) {
  double at = line.arrived;
  for (const TimePiece& piece : pieces) {
    EXPECT_GE(piece.begin, at);
    EXPECT_GE(piece.end, piece.begin);
    EXPECT_LE(piece.end, line.ended);
    at = piece.begin;
  }
}

TEST(Timeline, IsThereForWhoeverAsks) {
  LoopHarness harness(16);
  EXPECT_EQ(harness.RunToEnd(Ask(Prompt(20, 1), 5)).done[0].receipt.timeline, nullptr);
  EXPECT_NE(harness.RunToEnd(Traced(Prompt(20, 1), 5)).done[0].receipt.timeline, nullptr);
}

TEST(Timeline, TellsTheChunksOfThePrompt) {
  LoopHarness harness(64, {.step_tokens = 16, .step_sequences = 4});
  const Story story = harness.RunToEnd(Traced(Prompt(100, 1), 5));
  const Receipt& receipt = story.done[0].receipt;
  const Timeline& line = *receipt.timeline;
  EXPECT_EQ(line.chunks.size(), 7u);
  EXPECT_EQ(TokensOf(line.chunks), 100u);
  CheckPieces(line, line.chunks);
  EXPECT_EQ(line.chunks.front().begin, line.started);
  EXPECT_EQ(line.chunks.back().end, line.first_token);
  EXPECT_TRUE(line.preemptions.empty());
  EXPECT_LE(line.first_token, line.last_token);
  EXPECT_LE(line.last_token, line.ended);
  EXPECT_NEAR((line.first_token - line.started) * 1000, receipt.prefill_ms, 1e-6);
  EXPECT_NEAR((line.last_token - line.first_token) * 1000, receipt.decode_ms, 1e-6);
}

TEST(Timeline, TellsOfManyChunksTheFirstOnes) {
  LoopHarness harness(256, {.step_tokens = 16, .step_sequences = 4});
  const uint32_t tokens = 16 * (Timeline::kMost + 10);
  const Story story = harness.RunToEnd(Traced(Prompt(tokens, 1), 2));
  const Timeline& line = *story.done[0].receipt.timeline;
  EXPECT_EQ(line.chunks.size(), Timeline::kMost);
  EXPECT_EQ(TokensOf(line.chunks), tokens);
  EXPECT_EQ(line.chunks.back().steps, 11u);
  EXPECT_EQ(line.chunks.back().end, line.first_token);
}

// Two that together want more than there is: one is preempted, and computes what it lost again.
TEST(Timeline, TellsPreemptions) {
  LoopHarness harness(16, {.step_tokens = 64, .step_sequences = 4});
  std::vector<std::shared_ptr<EventQueue>> queues;
  for (uint32_t seed : {1, 2}) queues.push_back(harness.Start(Traced(Prompt(64, seed), 120)));
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  uint32_t told = 0;
  for (const auto& queue : queues) {
    Story story;
    story.Read(*queue);
    const Receipt& receipt = story.done.at(0).receipt;
    const Timeline& line = *receipt.timeline;
    EXPECT_EQ(line.preemptions.size(), receipt.preemptions);
    CheckPieces(line, line.preemptions);
    CheckPieces(line, line.chunks);
    for (const TimePiece& gap : line.preemptions) {
      for (const TimePiece& chunk : line.chunks) {
        EXPECT_TRUE(chunk.end <= gap.begin || chunk.begin >= gap.end);
      }
    }
    told += static_cast<uint32_t>(line.preemptions.size());
  }
  EXPECT_GT(told, 0u) << "there was room for both";
}

TEST(Timeline, APreemptionLastsUntilItIsCancelled) {
  TimelineRecorder recorder(1, 2);
  recorder.Ran({.choice = 1, .tokens = 5, .is_chunk = true, .begin = 2, .end = 3});
  recorder.Left(1, 1, 9);
  recorder.Left(0, 0, 9);
  const auto line = recorder.Close(2, -1, -1, 9);
  ASSERT_EQ(line->preemptions.size(), 1u);
  EXPECT_EQ(line->preemptions[0].begin, 3);
  EXPECT_EQ(line->preemptions[0].end, 9);
  EXPECT_EQ(line->preemptions[0].choice, 1u);
}

TEST(Timeline, ChoicesAreTold) {
  LoopHarness harness(64);
  GenerationRequest request = Traced(Prompt(40, 1), 6);
  request.choices = 3;
  request.sampling.temperature = 1;
  const auto told = harness.RunToEnd(std::move(request)).done[0].receipt.timeline;
  const Timeline& line = *told;
  EXPECT_EQ(line.chunks.front().choice, 0u);
  CheckPieces(line, line.chunks);
}

TEST(Timeline, OfWhoeverIsCancelledInTheQueue) {
  LoopHarness harness(16);
  const auto events = harness.Start(Traced(Prompt(20, 1), 5));
  harness.loop.Cancel(harness.last());
  Story story;
  story.Read(*events);
  const Timeline& line = *story.done.at(0).receipt.timeline;
  EXPECT_LT(line.started, 0);
  EXPECT_GE(line.ended, line.arrived);
  EXPECT_TRUE(line.chunks.empty());
}

}  // namespace
}  // namespace quire
