#include "server/sessions/ahead_reads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "engine/view/engine_view.h"
#include "server/sessions/stream_window.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_engine.h"

namespace quire {
namespace {

using test::Ask;
using test::Prompt;
using test::Story;

constexpr const char* kFeed = "acme\nfeed";

// Keeps the engine between two steps while it lives.
class Hold {
 public:
  explicit Hold(Engine& engine) {
    const auto held = std::make_shared<std::promise<void>>();
    engine.Look([held, go = std::shared_future<void>(go_.get_future())](const EngineView&) {
      held->set_value();
      go.wait();
    });
    held->get_future().wait();
  }
  ~Hold() { go_.set_value(); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  std::promise<void> go_;
};

void WaitUntilIdle(const Engine& engine) {
  while (!engine.idle()) std::this_thread::yield();
}

uint64_t InEngine(const Engine& engine) {
  const EngineStats stats = engine.stats();
  return uint64_t{stats.running} + stats.waiting;
}

// What reads told when they ended.
struct Told {
  std::atomic<uint32_t> reads = 0;
  std::atomic<uint32_t> whole = 0;  // whose whole text was read
  std::atomic<uint64_t> computed = 0;
};

AheadReads::Text Read(std::vector<TokenId> tokens, Told& told) {
  GenerationRequest request = Ask(std::move(tokens), 0);
  request.on_end = [&told](const Receipt& receipt) {
    ++told.reads;
    told.whole += receipt.cached_tokens + receipt.computed_tokens == receipt.prompt_tokens;
    told.computed += receipt.computed_tokens;
  };
  return {std::move(request)};
}

std::deque<AheadReads::Text> Texts(Told& told, std::vector<TokenId> first,
                                   std::vector<TokenId> second = {}) {
  std::deque<AheadReads::Text> texts;
  texts.push_back(Read(std::move(first), told));
  if (!second.empty()) texts.push_back(Read(std::move(second), told));
  return texts;
}

Story Answer(Engine& engine, const std::vector<TokenId>& prompt) {
  const auto events = std::make_shared<EventQueue>();
  EXPECT_TRUE(engine.Submit(Ask(prompt, 4), events));
  WaitUntilIdle(engine);
  Story story;
  story.Read(*events);
  return story;
}

std::vector<TokenId> Joined(std::vector<TokenId> tokens, const std::vector<TokenId>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

// A stream session as append has it.
struct Feed {
  SessionState state;
  std::vector<TokenId> context;
  uint64_t fed = 0;

  Feed() { state.stream = {16, 256, 0, ""}; }
  std::deque<AheadReads::Text> Append(const std::vector<TokenId>& piece, Told& told) {
    fed += piece.size();
    auto fit = FitWindow(state, Joined(context, piece), 0);
    EXPECT_TRUE(fit);
    if (fit->anew) ++state.rebases;
    context = std::move(fit->tokens);
    return Texts(told, context, NextContext(state, context));
  }
};

class AheadReadsTest : public ::testing::Test {
 protected:
  ~AheadReadsTest() override { reads_->CheckInvariants(); }

  void Want(std::vector<TokenId> first, std::vector<TokenId> second = {}) {
    reads_->Want(*engine_, kFeed, Texts(told_, std::move(first), std::move(second)));
  }
  AheadReads::Rest MakeWay(const std::vector<TokenId>& prompt, bool anew = false) {
    return reads_->MakeWay(kFeed, prompt, anew);
  }
  void WaitUntilIdle() { quire::WaitUntilIdle(*engine_); }

  Told told_;
  std::unique_ptr<Engine> engine_ = test::MakeEngine();
  const std::shared_ptr<AheadReads> reads_ = std::make_shared<AheadReads>();
};

// However much faster than the model a feed is: of a session one read is in the engine, no token is
// computed more than twice, and the answer is that of a cold engine.
TEST_F(AheadReadsTest, AFastFeedIsComputedTwiceAtMost) {
  Feed feed;
  uint32_t seed = 0;
  for (const int burst : {1, 2, 9, 1, 5, 30, 1, 1, 1, 14, 3, 20, 1, 1, 40, 2, 2, 2, 7, 4}) {
    {
      const Hold hold(*engine_);
      for (int i = 0; i < burst; ++i) {
        reads_->Want(*engine_, kFeed, feed.Append(Prompt(24, ++seed), told_));
        EXPECT_EQ(InEngine(*engine_), 1u);
      }
    }
    if (burst % 2 == 1) WaitUntilIdle();
  }
  WaitUntilIdle();
  EXPECT_GT(feed.state.rebases, 10u);
  EXPECT_LE(engine_->stats().prompt_tokens_computed, 2 * feed.fed);
  EXPECT_EQ(engine_->stats().prompt_tokens_computed, told_.computed);
  const Story warm = Answer(*engine_, feed.context);
  EXPECT_GE(warm.done.at(0).receipt.cached_tokens + kBlockTokens, feed.context.size());
  const Story cold = Answer(*test::MakeEngine(), feed.context);
  EXPECT_EQ(cold.done.at(0).receipt.cached_tokens, 0u);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
}

// What comes while a text is read waits for the end of that, and goes on from there.
TEST_F(AheadReadsTest, AReadGoesOnFromTheOneThatRuns) {
  std::vector<TokenId> text = Prompt(320, 1);
  {
    const Hold hold(*engine_);
    Want(text);
  }
  for (uint32_t i = 0; i < 10; ++i) {
    text = Joined(text, Prompt(16, 2 + i));
    const Hold hold(*engine_);
    Want(text);
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.whole, told_.reads) << "none was stopped";
  EXPECT_LE(told_.reads, 11u);
  // The last token of a text is computed each time, and what its block held before it.
  EXPECT_LE(told_.computed, text.size() + told_.reads * kBlockTokens);
}

// Of a context that is gone nothing more is read.
TEST_F(AheadReadsTest, AReadOfAContextThatBeganAnewIsStopped) {
  {
    const Hold hold(*engine_);
    Want(Prompt(400, 1), Prompt(300, 2));
    Want(Prompt(200, 3));
    EXPECT_EQ(InEngine(*engine_), 1u);
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 2u);
  EXPECT_EQ(told_.computed, 200u);
}

// Beside an answer only that is read which it needs; the rest comes after it.
TEST_F(AheadReadsTest, AnAnswerWaitsForNoTextThatItDoesNotNeed) {
  const std::vector<TokenId> context = Prompt(200, 1);
  const std::vector<TokenId> next = Prompt(100, 2);
  const std::vector<TokenId> prompt = Joined(context, Prompt(8, 3));
  AheadReads::Rest rest;
  {
    const Hold hold(*engine_);
    Want(context, next);
    rest = MakeWay(prompt);
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 200u);
  EXPECT_EQ(Answer(*engine_, prompt).done.at(0).receipt.cached_tokens, 192u);
  EXPECT_EQ(told_.reads, 1u);
  rest.Answered();
  rest = {};
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 2u);
  EXPECT_EQ(told_.computed, 300u);
  // The next context is being read already: it is stopped, and read after the answer.
  AheadReads::Rest second;
  const std::vector<TokenId> later = Prompt(150, 4);
  {
    const Hold hold(*engine_);
    Want(later);
    second = MakeWay(prompt);
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 300u);
  second = {};
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 450u);
}

// The second comes before the read has ended that the first one stopped.
TEST_F(AheadReadsTest, TwoAnswersInARowPutAReadOffAndLoseNothing) {
  const std::vector<TokenId> prompt = Prompt(100, 3);
  {
    const Hold hold(*engine_);
    Want(Prompt(150, 4));
    for (int i = 0; i < 2; ++i) MakeWay(prompt).Answered();
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 150u);
}

// The context that an answer reads anew is not read beside, nor the one before after it.
TEST_F(AheadReadsTest, AfterAnAnswerNothingIsReadOfTheContextBefore) {
  const std::vector<TokenId> prompt = Prompt(100, 3);
  {
    AheadReads::Rest rest;
    const Hold hold(*engine_);
    Want(Prompt(200, 1), Prompt(100, 2));
    rest = MakeWay(prompt, true);
    rest.Answered();
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 1u);
  EXPECT_EQ(told_.computed, 0u);
  // Nor what the answer has read, whoever wanted it.
  {
    const Hold hold(*engine_);
    Want(Prompt(64, 5), prompt);
    MakeWay(prompt).Answered();
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 64u);
}

// An answer that failed has perhaps read nothing, and no context began anew with it.
TEST_F(AheadReadsTest, WhatWasLeftToAnAnswerThatFailsIsReadAfterIt) {
  const std::vector<TokenId> prompt = Prompt(100, 3);
  for (const bool anew : {false, true}) {
    told_.computed = 0;
    {
      const Hold hold(*engine_);
      Want(Prompt(150, anew ? 4 : 5), prompt);
      const AheadReads::Rest rest = MakeWay(prompt, anew);
    }
    WaitUntilIdle();
    EXPECT_EQ(told_.computed, anew ? 154u : 250u) << "the prompt is found the second time";
  }
}

TEST_F(AheadReadsTest, WhatIsForgottenIsNotRead) {
  {
    const Hold hold(*engine_);
    Want(Prompt(200, 1), Prompt(100, 2));
    reads_->Forget(kFeed);
    reads_->Forget("acme\nunknown");
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 1u);
  EXPECT_EQ(told_.computed, 0u);
  {
    const Hold hold(*engine_);
    Want(Prompt(50, 3), Prompt(40, 4));
    reads_->ForgetOthers({{"acme", 0}, {"other", 7}});
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 3u) << "nobody's generation has changed";
  EXPECT_EQ(told_.computed, 90u);
  {
    const Hold hold(*engine_);
    Want(Prompt(70, 5), Prompt(60, 6));
    reads_->ForgetOthers({{"default", 1}});
  }
  WaitUntilIdle();
  EXPECT_EQ(told_.reads, 4u);
  EXPECT_EQ(told_.computed, 90u);
}

// Nor does what the engine refuses stand in the way of what comes.
TEST_F(AheadReadsTest, WhatIsRefusedIsDropped) {
  engine_ = test::MakeEngine(8);
  GenerationRequest request = Ask(Prompt(200, 1), 0);
  EXPECT_EQ(engine_->Check(request).error().code, ErrorCode::kNeverFits);
  Want(Prompt(200, 1));
  Want(Prompt(50, 2));
  WaitUntilIdle();
  EXPECT_EQ(told_.computed, 50u);
  request = Ask(Prompt(100, 1), 0);
  EXPECT_TRUE(engine_->Check(request));
  engine_->StopAdmission();
  EXPECT_EQ(engine_->Check(request).error().code, ErrorCode::kUnavailable);
}

// A pin that was taken back stays so, also for what is still to be read.
TEST_F(AheadReadsTest, AnUnpinnedSessionIsReadWithoutAPin) {
  for (const bool unpin : {true, false}) {
    std::deque<AheadReads::Text> texts = Texts(told_, Prompt(64, 1), Prompt(96, 2));
    for (AheadReads::Text& text : texts) text.request.pin_seconds = text.request.pin_group = 60;
    {
      const Hold hold(*engine_);
      reads_->Want(*engine_, kFeed, std::move(texts));
      if (unpin) reads_->Unpin(kFeed);
      if (unpin) engine_->Unpin(60);
    }
    WaitUntilIdle();
    EXPECT_EQ(engine_->stats().pinned_blocks, unpin ? 0u : 10u);
  }
}

}  // namespace
}  // namespace quire
