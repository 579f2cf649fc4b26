#include "server/sessions/ahead_reads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "base/worker_pool.h"
#include "engine/view/engine_view.h"
#include "model/model.h"
#include "server/sessions/stream_window.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::Ask;
using test::Prompt;
using test::Story;

constexpr const char* kFeed = "acme\nfeed";

std::unique_ptr<Engine> MakeEngine(uint32_t blocks = 64) {
  static const std::vector<std::byte> bytes = test::MakeTinyModel({.context = 512});
  const auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes)));
  WorkerPool loading(1);
  std::shared_ptr<const Model> model = std::move(*Model::Load(file, {}, loading));
  EngineOptions options;
  options.kv_memory_bytes = blocks * model->kv_shape(KvFormat::kF16).block_bytes();
  options.step_tokens = options.prefill_chunk = 32;
  auto engine = Engine::Create(options, std::move(model), std::move(*Tokenizer::Create(*file)),
                               std::make_unique<WorkerPool>(1));
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

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

// However much faster than the model a feed is: of a session one read is in the engine, no token is
// computed more than twice, and the answer is that of a cold engine.
TEST(AheadReads, AFastFeedIsComputedTwiceAtMost) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  Feed feed;
  uint32_t seed = 0;
  for (const int burst : {1, 2, 9, 1, 5, 30, 1, 1, 1, 14, 3, 20, 1, 1, 40, 2, 2, 2, 7, 4}) {
    {
      const Hold hold(*engine);
      for (int i = 0; i < burst; ++i) {
        reads->Want(*engine, kFeed, feed.Append(Prompt(24, ++seed), told));
        EXPECT_EQ(InEngine(*engine), 1u);
      }
    }
    if (burst % 2 == 1) WaitUntilIdle(*engine);
  }
  WaitUntilIdle(*engine);
  EXPECT_GT(feed.state.rebases, 10u);
  EXPECT_LE(engine->stats().prompt_tokens_computed, 2 * feed.fed);
  EXPECT_EQ(engine->stats().prompt_tokens_computed, told.computed);
  const Story warm = Answer(*engine, feed.context);
  EXPECT_GE(warm.done.at(0).receipt.cached_tokens + kBlockTokens, feed.context.size());
  const Story cold = Answer(*MakeEngine(), feed.context);
  EXPECT_EQ(cold.done.at(0).receipt.cached_tokens, 0u);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
}

// What comes while a text is read waits for the end of that, and goes on from there.
TEST(AheadReads, AReadGoesOnFromTheOneThatRuns) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  std::vector<TokenId> text = Prompt(320, 1);
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, text));
  }
  for (uint32_t i = 0; i < 10; ++i) {
    text = Joined(text, Prompt(16, 2 + i));
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, text));
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.whole, told.reads) << "none was stopped";
  EXPECT_LE(told.reads, 11u);
  // The last token of a text is computed each time, and what its block held before it.
  EXPECT_LE(told.computed, text.size() + told.reads * kBlockTokens);
}

// Of a context that is gone nothing more is read.
TEST(AheadReads, AReadOfAContextThatBeganAnewIsStopped) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(400, 1), Prompt(300, 2)));
    reads->Want(*engine, kFeed, Texts(told, Prompt(200, 3)));
    EXPECT_EQ(InEngine(*engine), 1u);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 2u);
  EXPECT_EQ(told.computed, 200u);
}

// Beside an answer only that is read which it needs; the rest comes after it.
TEST(AheadReads, AnAnswerWaitsForNoTextThatItDoesNotNeed) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  const std::vector<TokenId> context = Prompt(200, 1);
  const std::vector<TokenId> next = Prompt(100, 2);
  const std::vector<TokenId> prompt = Joined(context, Prompt(8, 3));
  std::optional<AheadReads::Rest> rest;
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, context, next));
    rest = reads->MakeWay(kFeed, prompt, false);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 200u);
  EXPECT_EQ(Answer(*engine, prompt).done.at(0).receipt.cached_tokens, 192u);
  EXPECT_EQ(told.reads, 1u);
  rest.reset();
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 2u);
  EXPECT_EQ(told.computed, 300u);
  // The next context is being read already: it is stopped, and read after the answer.
  std::optional<AheadReads::Rest> second;
  const std::vector<TokenId> later = Prompt(150, 4);
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, later));
    second = reads->MakeWay(kFeed, prompt, false);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 300u);
  second.reset();
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 450u);
}

// The second comes before the read has ended that the first one stopped.
TEST(AheadReads, TwoAnswersInARowPutAReadOffAndLoseNothing) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  const std::vector<TokenId> prompt = Prompt(100, 3);
  {
    std::optional<AheadReads::Rest> first;
    std::optional<AheadReads::Rest> second;
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(150, 4)));
    first = reads->MakeWay(kFeed, prompt, false);
    second = reads->MakeWay(kFeed, prompt, false);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 150u);
}

// The context that an answer reads anew is not read beside, nor the one before after it.
TEST(AheadReads, AfterAnAnswerNothingIsReadOfTheContextBefore) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  const std::vector<TokenId> prompt = Prompt(100, 3);
  {
    std::optional<AheadReads::Rest> rest;
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(200, 1), Prompt(100, 2)));
    rest = reads->MakeWay(kFeed, prompt, true);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 1u);
  EXPECT_EQ(told.computed, 0u);
  // Nor what the answer has read, whoever wanted it.
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(64, 5), prompt));
    const AheadReads::Rest rest = reads->MakeWay(kFeed, prompt, false);
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 64u);
}

TEST(AheadReads, WhatIsForgottenIsNotRead) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(200, 1), Prompt(100, 2)));
    reads->Forget(kFeed);
    reads->Forget("acme\nunknown");
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 1u);
  EXPECT_EQ(told.computed, 0u);
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(50, 3), Prompt(40, 4)));
    reads->ForgetOthers({{"acme", 0}, {"other", 7}});
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 3u) << "nobody's generation has changed";
  EXPECT_EQ(told.computed, 90u);
  {
    const Hold hold(*engine);
    reads->Want(*engine, kFeed, Texts(told, Prompt(70, 5), Prompt(60, 6)));
    reads->ForgetOthers({{"default", 1}});
  }
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.reads, 4u);
  EXPECT_EQ(told.computed, 90u);
}

// Nor does what the engine refuses stand in the way of what comes.
TEST(AheadReads, WhatIsRefusedIsDropped) {
  const auto engine = MakeEngine(8);
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  GenerationRequest request = Ask(Prompt(200, 1), 0);
  EXPECT_EQ(engine->Check(request).error().code, ErrorCode::kNeverFits);
  reads->Want(*engine, kFeed, Texts(told, Prompt(200, 1)));
  reads->Want(*engine, kFeed, Texts(told, Prompt(50, 2)));
  WaitUntilIdle(*engine);
  EXPECT_EQ(told.computed, 50u);
  request = Ask(Prompt(100, 1), 0);
  EXPECT_TRUE(engine->Check(request));
  engine->StopAdmission();
  EXPECT_EQ(engine->Check(request).error().code, ErrorCode::kUnavailable);
}

// A pin that was taken back stays so, also for what is still to be read.
TEST(AheadReads, AnUnpinnedSessionIsReadWithoutAPin) {
  const auto engine = MakeEngine();
  const auto reads = std::make_shared<AheadReads>();
  Told told;
  for (const bool unpin : {true, false}) {
    std::deque<AheadReads::Text> texts = Texts(told, Prompt(64, 1), Prompt(96, 2));
    for (AheadReads::Text& text : texts) text.request.pin_seconds = text.request.pin_group = 60;
    {
      const Hold hold(*engine);
      reads->Want(*engine, kFeed, std::move(texts));
      if (unpin) reads->Unpin(kFeed);
      if (unpin) engine->Unpin(60);
    }
    WaitUntilIdle(*engine);
    EXPECT_EQ(engine->stats().pinned_blocks, unpin ? 0u : 10u);
  }
}

}  // namespace
}  // namespace quire
