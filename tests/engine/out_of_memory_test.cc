// Memory runs out at every single allocation that taking a request in makes: exactly one Done is
// told, nothing is left behind, and the engine serves on.
#include <gtest/gtest.h>

#include <cstdlib>
#include <new>

#include "tests/engine/fake_model.h"

namespace {

long allocations_left = -1;  // -1: as many as wanted

void* Allocate(std::size_t bytes) {
  if (allocations_left == 0) {
    allocations_left = -1;
    throw std::bad_alloc();
  }
  if (allocations_left > 0) --allocations_left;
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t bytes) { return Allocate(bytes); }
void* operator new[](std::size_t bytes) { return Allocate(bytes); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace quire {
namespace {

using test::Ask;
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
bool StartWithFailureAt(LoopHarness& harness, long k, const std::shared_ptr<EventQueue>& events) {
  Arrival arrival{RequestId{1000 + static_cast<uint64_t>(k)}, ThreeChoices(), events, 0};
  allocations_left = k;
  harness.loop.Start(std::move(arrival));
  const bool failed = allocations_left == -1;
  allocations_left = -1;
  harness.loop.CheckInvariants();
  return failed;
}

TEST(OutOfMemory, AStartThatFailsEndsOneRequestOnceAndTheEngineServesOn) {
  LoopHarness harness(64);
  const Story healthy = harness.RunToEnd(ThreeChoices());
  long failures = 0;
  for (long k = 0;; ++k) {
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

}  // namespace
}  // namespace quire
