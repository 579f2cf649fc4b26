// Memory runs out at every single allocation that taking a request in makes: exactly one Done is
// told, nothing is left behind, and the engine serves on.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "tests/engine/disk_server.h"
#include "tests/memory/failing_malloc.h"
#include "tests/memory/spare.h"

namespace quire {
namespace {

using test::Ask;
using test::DiskServer;
using test::FailNth;
using test::has_failed;
using test::LoopHarness;
using test::Story;

GenerationRequest ThreeChoices() {
  GenerationRequest request = Ask(std::vector<TokenId>(40, 7), 4);
  request.choices = 3;
  request.ignore_eos = true;
  request.sampling.repetition_penalty = 1.5f;
  return request;
}

// Starts a request whose allocation number `k` fails. Returns whether that many were made.
bool StartWithFailureAt(LoopHarness& harness, uint64_t k,
                        const std::shared_ptr<EventQueue>& events) {
  Arrival arrival{RequestId{1000 + k}, ThreeChoices(), events, 0};
  FailNth(k);
  harness.loop.Start(std::move(arrival));
  const bool failed = has_failed();
  harness.loop.CheckInvariants();
  return failed;
}

TEST(OutOfMemory, AStartThatFailsEndsOneRequestOnceAndTheEngineServesOn) {
  LoopHarness harness(64);
  const Story healthy = harness.RunToEnd(ThreeChoices());
  long failures = 0;
  for (uint64_t k = 0;; ++k) {
    const auto other = harness.Start(ThreeChoices());
    const auto events = std::make_shared<EventQueue>();
    const bool failed = StartWithFailureAt(harness, k, events);
    while (harness.loop.Step()) harness.loop.CheckInvariants();
    harness.loop.CancelAll();  // whatever was left behind would be told an end again
    Story story;
    story.Read(*events);
    ASSERT_EQ(story.done.size(), 1u) << "allocation " << k;
    ASSERT_EQ(story.ends.size(), 3u) << "allocation " << k;
    Story served;
    served.Read(*other);
    ASSERT_EQ(served.tokens, healthy.tokens) << "allocation " << k;
    ASSERT_EQ(harness.loop.stats().live_blocks, 0u);
    if (!failed) break;
    ASSERT_TRUE(story.done[0].error) << "allocation " << k;
    EXPECT_EQ(story.done[0].error->code, ErrorCode::kUnavailable);
    EXPECT_EQ(story.ends.at(2).reason, FinishReason::kFailed);
    ++failures;
  }
  EXPECT_GT(failures, 30) << "hardly any allocation was made to fail";
}

// As a request waits for the disk first: it is taken in by a step, which must not fail with it.
TEST(OutOfMemory, ARequestThatComesFromTheDiskEndsOnceAndTheEngineServesOn) {
  test::KeepSpare();
  std::string path = testing::TempDir() + "memory.XXXXXX";
  const std::string folder = mkdtemp(path.data());
  GenerationRequest request = ThreeChoices();
  request.prompt = test::Prompt(170, 1);
  Story healthy;
  {
    DiskServer server(folder, std::make_shared<Gate>());
    healthy = server.RunToEnd(request);
    server.disk().Flush();
  }
  uint32_t failures = 0;
  for (uint64_t k = 0, steps = 1; steps > 0; ++k) {
    DiskServer server(folder, std::make_shared<Gate>());
    const auto events = server.Start(request);
    const SparePermit permit(SpareUse::kAll);  // as the engine's thread has it
    steps = 0;
    bool goes_on = true;
    while (goes_on) {
      FailNth(k);
      goes_on = server.loop.Step();
      if (has_failed()) ++steps;
      FailNth(UINT64_MAX);
      server.loop.CheckInvariants();
      goes_on = goes_on || server.loop.WaitsForDisk();
    }
    Story story;
    story.Read(*events);
    ASSERT_EQ(story.done.size(), 1u) << "allocation " << k;
    ASSERT_EQ(story.ends.size(), 3u) << "allocation " << k;
    ASSERT_EQ(server.loop.stats().live_blocks, 0u);
    if (story.done[0].error) {
      EXPECT_EQ(story.done[0].error->code, ErrorCode::kUnavailable);
      ++failures;
    } else {
      EXPECT_EQ(story.tokens, healthy.tokens);
    }
    ASSERT_FALSE(server.loop.Step()) << "something was left behind, allocation " << k;
  }
  EXPECT_GT(failures, 10u) << "hardly any allocation was made to fail";
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace quire
