#include "engine/step_loop.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <random>

#include "tests/engine/fake_model.h"

namespace quire {
namespace {

using test::Ask;
using test::LoopHarness;
using test::Prompt;
using test::Story;

TEST(StepLoop, AnswersAndTellsTheReceipt) {
  LoopHarness harness(16);
  const Story story = harness.RunToEnd(Ask(Prompt(20, 1), 5));
  ASSERT_EQ(story.done.size(), 1u);
  EXPECT_FALSE(story.done[0].error);
  EXPECT_EQ(story.tokens.at(0).size(), 5u);
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kLength);
  EXPECT_EQ(story.ends.at(0).logit_hash.size(), 32u);
  const Receipt& receipt = story.done[0].receipt;
  EXPECT_EQ(receipt.prompt_tokens, 20u);
  EXPECT_EQ(receipt.computed_tokens, 20u);
  EXPECT_EQ(receipt.cached_tokens, 0u);
  EXPECT_EQ(receipt.generated_tokens, 5u);
  EXPECT_EQ(receipt.peak_blocks, 2u);
  EXPECT_GE(receipt.ttft_ms, receipt.prefill_ms);
}

TEST(StepLoop, SecondTimeReadsOnlyTheLastBlock) {
  LoopHarness harness(16);
  const Story cold = harness.RunToEnd(Ask(Prompt(40, 1), 5));
  const Story warm = harness.RunToEnd(Ask(Prompt(40, 1), 5));
  EXPECT_EQ(warm.done[0].receipt.cached_tokens, 32u);
  EXPECT_EQ(warm.done[0].receipt.computed_tokens, 8u);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
  EXPECT_EQ(harness.loop.stats().prompt_tokens_cached, 32u);
  EXPECT_EQ(harness.loop.stats().prompt_tokens_computed, 48u);
}

TEST(StepLoop, WhatIsYetToBeGeneratedIsKnownFromAnswersAndFromLimits) {
  LoopHarness harness(64);
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 0) << "no answer has ended";
  harness.RunToEnd(Ask(Prompt(20, 1), 40));
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 40);
  const auto queued = harness.Start(Ask(Prompt(20, 2), 100));
  harness.loop.Cancel(harness.last());
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 40) << "who never began says nothing";
  const auto first = harness.Start(Ask(Prompt(20, 3), 10));
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 10) << "it may have no more";
  const auto second = harness.Start(Ask(Prompt(20, 4), 100));
  EXPECT_EQ(harness.loop.load().tokens_per_choice, (10 + 40) / 2.0);
  while (harness.loop.Step()) harness.loop.CheckInvariants();
}

TEST(StepLoop, AnAnswerThatWasBrokenOffHadThatManyTokensAtLeast) {
  LoopHarness harness(64);
  const auto cancelled_after = [&harness](int steps) {
    GenerationRequest request = Ask(Prompt(20, 1), 100);
    request.ignore_eos = true;
    const auto events = harness.Start(request);
    for (int i = 0; i < steps; ++i) ASSERT_TRUE(harness.loop.Step());
    harness.loop.Cancel(harness.last());
  };
  cancelled_after(1);
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 0) << "nobody knows what it would have been";
  harness.RunToEnd(Ask(Prompt(20, 1), 40));
  cancelled_after(1);
  EXPECT_EQ(harness.loop.load().tokens_per_choice, 40);
  cancelled_after(60);
  EXPECT_GT(harness.loop.load().tokens_per_choice, 40);
}

// A step costs a second, and each row of it ten milliseconds.
TEST(StepLoop, ATokenCostsWhatItsShareOfAStepDoesForThoseThatRunAndForAsManyAsCan) {
  LoopHarness harness(64, {.step_sequences = 16});
  harness.before_run = [&harness] {
    harness.late_seconds += 1 + 0.01 * static_cast<double>(harness.step_rows);
    return true;
  };
  harness.RunToEnd(Ask(Prompt(20, 1), 10));
  EXPECT_EQ(harness.loop.load().running, 0u);
  EXPECT_NEAR(harness.loop.load().seconds_per_token, 1.01, 0.1) << "as if one ran";
  for (uint32_t i = 0; i < 4; ++i) {
    GenerationRequest request = Ask(Prompt(20, 2 + i), 20);
    request.ignore_eos = true;
    harness.Start(request);
  }
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(harness.loop.Step());
  const Load load = harness.loop.load();
  EXPECT_EQ(load.running, 4u);
  EXPECT_NEAR(load.seconds_per_token, 1.04 / 4, 0.04);
  EXPECT_NEAR(load.seconds_per_token_full, 1.16 / 16, 0.02);
}

// KV from another server is placed while a step is being prepared, by a later clock than its start.
TEST(StepLoop, AStepMayBeginBeforeTheTimeOfTheCache) {
  LoopHarness harness(16);
  harness.RunToEnd(Ask(Prompt(20, 1), 2));
  harness.loop.cache().SetTime(harness.loop.cache().now() + 1'000'000);
  EXPECT_FALSE(harness.RunToEnd(Ask(Prompt(20, 2), 5)).done[0].error);
}

TEST(StepLoop, TenantsSaltsAndNoStoreDoNotShare) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(40, 1), 2);
  request.no_store = true;
  harness.RunToEnd(request);
  EXPECT_EQ(harness.loop.stats().idle_blocks, 0u) << "no_store leaves nothing behind";
  request.no_store = false;
  harness.RunToEnd(request);
  request.tenant = "other";
  EXPECT_EQ(harness.RunToEnd(request).done[0].receipt.cached_tokens, 0u);
  request.cache_salt = "salt";
  EXPECT_EQ(harness.RunToEnd(request).done[0].receipt.cached_tokens, 0u);
  EXPECT_EQ(harness.RunToEnd(request).done[0].receipt.cached_tokens, 32u);
}

// An end of pins counts for whoever came before it, however far it is, and for nobody after it.
TEST(StepLoop, PinsEndAlsoOfWhoeverIsNotOver) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(40, 1), 6);
  request.pin_seconds = 100;
  request.pin_group = 7;
  const auto running = harness.Start(request);
  ASSERT_TRUE(harness.loop.Step());
  const auto waiting = harness.Start(request);
  harness.loop.Unpin(7, harness.last());
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  EXPECT_EQ(harness.loop.stats().pinned_blocks, 0u);
  const RequestId before = harness.last();
  const auto later = harness.Start(request);
  harness.loop.Unpin(7, before);
  harness.loop.Unpin(8, harness.last());
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  EXPECT_GT(harness.loop.stats().pinned_blocks, 0u);
  harness.loop.Unpin(7, harness.last());
  harness.loop.Publish();
  EXPECT_EQ(harness.loop.stats().pinned_blocks, 0u);
}

TEST(StepLoop, ChoicesAnswerOnePromptReadOnce) {
  for (const bool prefix_cache : {true, false}) {
    LoopHarness harness(64, {}, prefix_cache);
    GenerationRequest request = Ask(Prompt(40, 1), 6);
    request.choices = 3;
    request.sampling.temperature = 1;
    request.sampling.seed = 7;
    request.ignore_eos = true;
    const Story story = harness.RunToEnd(request);
    ASSERT_EQ(story.ends.size(), 3u);
    EXPECT_NE(story.tokens.at(0), story.tokens.at(1));
    EXPECT_EQ(story.done[0].receipt.computed_tokens, 40u);
    EXPECT_EQ(story.done[0].receipt.generated_tokens, 18u);
    EXPECT_EQ(harness.loop.stats().prompt_tokens_computed, 40u);
    EXPECT_EQ(harness.rows_computed, 40u + 2 * 8 + 3 * 5) << "the others share the full blocks";
    EXPECT_EQ(harness.loop.stats().live_blocks, 0u);
  }
}

TEST(StepLoop, ChoicesThatChooseNothingReadThePromptOnce) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(40, 1), 0);
  request.choices = 3;
  request.want_prompt_logprobs = true;
  const auto neighbour = harness.Start(Ask(Prompt(30, 2), 3));
  const Story story = harness.RunToEnd(request);
  EXPECT_EQ(story.ends.size(), 3u);
  EXPECT_EQ(story.ends.at(2).reason, FinishReason::kLength);
  EXPECT_EQ(story.done.size(), 1u);
  EXPECT_EQ(story.prompt_logprobs.size(), 40u);
  EXPECT_EQ(harness.rows_computed, 40u + 30 + 2);
  // Their ids are nobody's: a cancel of this request must not reach the next one's sequences.
  const auto first = harness.Start(request);
  const RequestId id = harness.last();
  const auto second = harness.Start(Ask(Prompt(30, 3), 3));
  harness.loop.Cancel(id);
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  Story other;
  other.Read(*second);
  EXPECT_EQ(other.ends.at(0).reason, FinishReason::kLength);
}

TEST(StepLoop, PromptLogprobsComeFromEveryRowAndIgnoreTheCache) {
  LoopHarness harness(64);
  harness.RunToEnd(Ask(Prompt(150, 1), 1));
  GenerationRequest request = Ask(Prompt(150, 1), 0);
  request.want_prompt_logprobs = true;
  request.top_logprobs = 2;
  const Story story = harness.RunToEnd(request);
  ASSERT_EQ(story.prompt_logprobs.size(), 150u);
  EXPECT_EQ(story.done[0].receipt.cached_tokens, 0u);
  EXPECT_TRUE(story.tokens.empty());
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kLength);
  uint64_t hash = 1;
  std::vector<float> row(harness.tokenizer->vocab_size());
  for (size_t i = 0; i + 1 < request.prompt.size(); ++i) {
    hash = test::FakeModel::Extend(hash, request.prompt[i]);
    test::FakeModel::FillRow(hash, row);
    const SampledToken expected = LogprobOf(row, request.prompt[i + 1], 2);
    ASSERT_EQ(story.prompt_logprobs[i + 1].token, expected.token);
    ASSERT_EQ(story.prompt_logprobs[i + 1].logprob, expected.logprob) << "token " << i + 1;
    ASSERT_EQ(story.prompt_logprobs[i + 1].top.size(), 2u);
  }
}

// A conversation that waits for its tool, and strangers that need all the memory there is.
struct ToolTurn {
  explicit ToolTurn(bool calls) {
    GenerationRequest first = Ask(Prompt(64, 1), 5);
    first.ignore_eos = true;
    first.calls_tool = [this, calls](std::string_view text) {
      said += text;
      ++asked;
      return calls;
    };
    told = harness.RunToEnd(first);
    for (uint32_t i = 0; i < 5; ++i) harness.RunToEnd(Ask(Prompt(100, 10 + i), 1));
    std::vector<TokenId> next = first.prompt;
    next.insert(next.end(), told.tokens.at(0).begin(), told.tokens.at(0).end());
    next.resize(90, 3);
    GenerationRequest second = Ask(next, 1);
    second.turn = TurnKind::kToolReturn;
    returned = harness.RunToEnd(second);
  }

  LoopHarness harness{16};
  std::string said;
  int asked = 0;
  Story told;
  Story returned;
};

TEST(StepLoop, AToolFindsWarmWhatItsCallLeftBehind) {
  const ToolTurn turn(true);
  EXPECT_EQ(turn.returned.done[0].receipt.cached_tokens, 64u);
  EXPECT_EQ(turn.asked, 1);
  EXPECT_EQ(turn.said, turn.told.text.at(0));
  const ToolTurn other(false);
  EXPECT_EQ(other.asked, 1);
  EXPECT_EQ(other.returned.done[0].receipt.cached_tokens, 0u) << "the memory is too small for all";
  EXPECT_EQ(other.returned.ends.at(0).logit_hash, turn.returned.ends.at(0).logit_hash);
}

TEST(StepLoop, NobodyWaitsForTheToolOfACancelledAnswer) {
  LoopHarness harness(16);
  int asked = 0;
  GenerationRequest request = Ask(Prompt(20, 1), 50);
  request.ignore_eos = true;
  request.calls_tool = [&asked](std::string_view) {
    ++asked;
    return true;
  };
  const auto events = harness.Start(request);
  for (int i = 0; i < 4; ++i) harness.loop.Step();
  harness.loop.Cancel(harness.last());
  harness.RunToEnd(Ask(Prompt(20, 2), 1));
  EXPECT_EQ(asked, 0);
}

// The greedy answer to this prompt, so that ends can be placed in it.
Story Greedy(uint32_t max_tokens) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(20, 3), max_tokens);
  request.ignore_eos = true;
  return harness.RunToEnd(request);
}

TEST(StepLoop, StopTextEndsTheAnswerBeforeIt) {
  LoopHarness harness(64);
  const Story all = Greedy(12);
  const std::string& text = all.text.at(0);
  GenerationRequest request = Ask(Prompt(20, 3), 12);
  request.ignore_eos = true;
  request.stop = {"never comes", text.substr(text.size() / 2, 3)};
  const Story story = harness.RunToEnd(request);
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kStop);
  EXPECT_EQ(story.ends.at(0).stopped_by, request.stop[1]);
  EXPECT_EQ(story.text.at(0), text.substr(0, text.find(request.stop[1])));
  EXPECT_LT(story.tokens.at(0).size(), 12u);
}

TEST(StepLoop, EndTokensEndUnlessIgnoredOrTooEarly) {
  LoopHarness harness(64);
  const TokenId end = harness.tokenizer->end_of_generation().at(0);
  GenerationRequest request = Ask(Prompt(20, 3), 6);
  request.sampling.logit_bias = {{end, 100.0f}};
  Story story = harness.RunToEnd(request);
  EXPECT_EQ(story.tokens.at(0), std::vector<TokenId>{end});
  EXPECT_EQ(story.text.at(0), "");
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kStop);
  request.min_tokens = 3;
  story = harness.RunToEnd(request);
  EXPECT_EQ(story.tokens.at(0).size(), 4u);
  EXPECT_EQ(story.tokens.at(0).back(), end);
  request.ignore_eos = true;
  EXPECT_EQ(harness.RunToEnd(request).tokens.at(0).size(), 6u);
}

TEST(StepLoop, LogprobsAreOfTheChosenTokens) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(20, 3), 4);
  request.want_logprobs = true;
  request.top_logprobs = 3;
  const Story story = harness.RunToEnd(request);
  ASSERT_EQ(story.logprobs.size(), story.tokens.at(0).size());
  for (size_t i = 0; i < story.logprobs.size(); ++i) {
    EXPECT_EQ(story.logprobs[i].token, story.tokens.at(0)[i]);
    EXPECT_EQ(story.logprobs[i].top.at(0).token, story.tokens.at(0)[i])
        << "greedy is the likeliest";
  }
}

TEST(StepLoop, CancelEndsEveryChoiceAndFreesTheBlocks) {
  LoopHarness harness(64);
  GenerationRequest request = Ask(Prompt(40, 1), 50);
  request.choices = 2;
  request.no_store = true;
  request.ignore_eos = true;
  const auto events = harness.Start(request);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(harness.loop.Step());
  harness.loop.Cancel(harness.last());
  harness.loop.Cancel(harness.last());
  Story story;
  story.Read(*events);
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(story.ends.at(1).reason, FinishReason::kCancelled);
  ASSERT_EQ(story.done.size(), 1u);
  EXPECT_EQ(harness.loop.stats().live_blocks, 0u);
  EXPECT_FALSE(harness.loop.Step());
}

TEST(StepLoop, ACancelledAnswerIsCancelledWhateverWasHeldBack) {
  LoopHarness harness(64);
  const TokenId half = harness.tokenizer->Encode("\xc3\xa9", {.add_special = false}).at(0);
  GenerationRequest request = Ask(Prompt(20, 3), 6);
  request.sampling.logit_bias = {{half, 100.0f}};
  request.stop = {"\xef\xbf\xbd"};  // what half a character becomes at the end
  const auto events = harness.Start(request);
  ASSERT_TRUE(harness.loop.Step());
  harness.loop.Cancel(harness.last());
  Story story;
  story.Read(*events);
  EXPECT_EQ(story.tokens.at(0).size(), 1u);
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kCancelled);
  EXPECT_FALSE(story.ends.at(0).stopped_by);
  request.max_tokens = 1;
  EXPECT_EQ(harness.RunToEnd(request).ends.at(0).reason, FinishReason::kStop);
}

// Steps left early cost nothing but time: tokens, receipts and counts are those of steps that ran.
TEST(StepLoop, AStepLeftEarlyIsPlannedAnew) {
  const auto told = [](uint32_t run_every) {
    LoopHarness harness(64);
    uint32_t calls = 0;
    harness.before_run = [&] { return ++calls % run_every == 0; };
    const auto a = harness.Start(Ask(Prompt(40, 1), 6));
    const auto b = harness.Start(Ask(Prompt(70, 2), 4));
    while (harness.loop.Step()) harness.loop.CheckInvariants();
    std::vector<Story> stories(2);
    stories[0].Read(*a);
    stories[1].Read(*b);
    EXPECT_EQ(harness.loop.stats().prompt_tokens_computed, 110u);
    EXPECT_EQ(harness.loop.stats().generated_tokens, 10u);
    return stories;
  };
  const std::vector<Story> undisturbed = told(1);
  const std::vector<Story> disturbed = told(3);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(disturbed[i].tokens, undisturbed[i].tokens);
    EXPECT_EQ(disturbed[i].ends.at(0).logit_hash, undisturbed[i].ends.at(0).logit_hash);
    const Receipt& receipt = disturbed[i].done.at(0).receipt;
    EXPECT_EQ(receipt.computed_tokens, undisturbed[i].done.at(0).receipt.computed_tokens);
    EXPECT_EQ(receipt.cached_tokens, 0u);
  }
}

TEST(StepLoop, AStepIsLeftOnlyWhereMostOfItHasGone) {
  LoopHarness harness(64);
  std::vector<std::vector<RequestId>> left;  // sets of requests for which the step would be left
  harness.before_run = [&] {
    for (const std::vector<RequestId>& gone :
         {std::vector{RequestId{1}}, std::vector{RequestId{2}}, std::vector{RequestId{3}},
          std::vector{RequestId{1}, RequestId{2}}}) {
      if (harness.loop.IsMostlyFor(gone)) left.push_back(gone);
    }
    return true;
  };
  const auto a = harness.Start(Ask(Prompt(20, 1), 2));
  const auto b = harness.Start(Ask(Prompt(90, 2), 2));
  ASSERT_TRUE(harness.loop.Step());
  const std::vector<std::vector<RequestId>> expected = {{RequestId{2}},
                                                        {RequestId{1}, RequestId{2}}};
  EXPECT_EQ(left, expected);
}

TEST(StepLoop, AStepIsLeftForShortWorkAndTheNextOneIsNot) {
  LoopHarness harness(200, {.step_tokens = 512}, true, 100);
  const auto slowly = [&harness] {
    harness.late_seconds += 20;
    return true;
  };
  harness.before_run = slowly;
  const auto events = harness.Start(Ask(Prompt(2000, 1), 1));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(harness.loop.Step());  // 64, 512: now it is measured
  std::vector<bool> worth;
  harness.before_run = [&] {
    worth.push_back(harness.loop.IsWorthLeavingFor(Ask(Prompt(4, 2), 1)));
    EXPECT_FALSE(harness.loop.IsWorthLeavingFor(Ask(Prompt(1000, 2), 1))) << "not short";
    GenerationRequest crowd = Ask(Prompt(4, 2), 1);
    crowd.choices = 64;
    EXPECT_FALSE(harness.loop.IsWorthLeavingFor(crowd)) << "no place to run";
    return worth.size() > 1 && slowly();
  };
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  EXPECT_EQ(worth, (std::vector{true, false, true, false}))
      << "left; computed to its end; might be left again; gives a token";
  Story story;
  story.Read(*events);
  LoopHarness undisturbed(200);
  EXPECT_EQ(story.ends.at(0).logit_hash,
            undisturbed.RunToEnd(Ask(Prompt(2000, 1), 1)).ends.at(0).logit_hash);
  EXPECT_EQ(story.done[0].receipt.computed_tokens, 2000u);
}

TEST(StepLoop, AFailureInsideOneRequestEndsOnlyThatOne) {
  LoopHarness harness(64);
  // A client whose wake-up throws: the nearest thing to memory running out that a test can place.
  auto broken = std::make_shared<EventQueue>([count = 0]() mutable {
    if (++count == 2) throw std::bad_alloc();
  });
  GenerationRequest request = Ask(Prompt(20, 1), 8);
  request.ignore_eos = true;
  request.choices = 2;
  const auto healthy = harness.Start(request);
  harness.loop.Start({RequestId{77}, request, broken, SteadySeconds()});
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  Story story;
  story.Read(*broken);
  ASSERT_EQ(story.done.size(), 1u);
  ASSERT_TRUE(story.done[0].error);
  EXPECT_EQ(story.done[0].error->code, ErrorCode::kUnavailable);
  EXPECT_EQ(story.ends.at(1).reason, FinishReason::kFailed);
  Story other;
  other.Read(*healthy);
  ASSERT_EQ(other.done.size(), 1u);
  EXPECT_FALSE(other.done[0].error);
  EXPECT_EQ(other.tokens.at(0).size(), 8u);
  EXPECT_EQ(harness.loop.stats().live_blocks, 0u);
}

// Whoever listens for the end of a request hears it, also if there is no room for it after all.
TEST(StepLoop, ARequestThatCannotBeginHasAnEnd) {
  LoopHarness harness(4);
  GenerationRequest request = Ask(Prompt(200, 1), 1);
  std::vector<Receipt> heard;
  request.on_end = [&](const Receipt& receipt) { heard.push_back(receipt); };
  const Story story = harness.RunToEnd(request);
  EXPECT_EQ(story.done.at(0).error->code, ErrorCode::kNeverFits);
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(heard[0].prompt_tokens, 200u);
  EXPECT_EQ(heard[0].computed_tokens, 0u);
}

// What each request is told when it is alone in a fresh engine.
Story Alone(const GenerationRequest& request) {
  LoopHarness harness(64);
  return harness.RunToEnd(request);
}

// Requests at random in too little memory: each is told exactly what it would be told alone.
TEST(StepLoop, ACrowdGetsTheAnswersEachWouldGetAlone) {
  std::mt19937 random(5);
  LoopHarness harness(
      24, {.step_tokens = 48, .step_sequences = 8, .step_logit_rows = 64, .prefill_chunk = 17});
  struct Open {
    GenerationRequest request;
    std::shared_ptr<EventQueue> events;
  };
  std::vector<Open> open;
  for (int i = 0; i < 300; ++i) {
    GenerationRequest request = Ask(Prompt(1 + random() % 90, random() % 12), random() % 160);
    request.choices = 1 + (random() % 5 == 0) * (1 + random() % 3);
    request.sampling.temperature = static_cast<float>(random() % 2);
    request.sampling.seed = i;
    request.no_store = random() % 6 == 0;
    request.want_prompt_logprobs = random() % 10 == 0;
    open.push_back({request, harness.Start(request)});
    for (uint32_t step = random() % 24; step > 0; --step) harness.loop.Step();
    harness.loop.CheckInvariants();
  }
  while (harness.loop.Step()) harness.loop.CheckInvariants();
  for (const Open& one : open) {
    Story story;
    story.Read(*one.events);
    const Story alone = Alone(one.request);
    ASSERT_EQ(story.done.size(), 1u);
    ASSERT_EQ(story.tokens, alone.tokens);
    ASSERT_EQ(story.text, alone.text);
    for (const auto& [choice, end] : alone.ends) {
      ASSERT_EQ(story.ends.at(choice).logit_hash, end.logit_hash);
      ASSERT_EQ(story.ends.at(choice).reason, end.reason);
    }
    ASSERT_EQ(story.prompt_logprobs.size(), alone.prompt_logprobs.size());
    for (size_t i = 0; i < alone.prompt_logprobs.size(); ++i) {
      ASSERT_EQ(story.prompt_logprobs[i].token, alone.prompt_logprobs[i].token);
      ASSERT_EQ(story.prompt_logprobs[i].logprob, alone.prompt_logprobs[i].logprob);
    }
  }
  const EngineStats stats = harness.loop.stats();
  EXPECT_GT(stats.preemptions, 20u);
  EXPECT_GT(stats.evicted_blocks, 200u);
  EXPECT_GT(stats.prompt_tokens_cached, 1000u);
  EXPECT_GT(stats.batched_steps, stats.steps / 2);
  EXPECT_EQ(stats.live_blocks, 0u);
}

}  // namespace
}  // namespace quire
