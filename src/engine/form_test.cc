// Answers in a form, from a model whose weights are random.
#include "engine/form.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "base/worker_pool.h"
#include "engine/engine.h"
#include "engine/token_trie_of.h"
#include "grammar/grammar_cache.h"
#include "grammar/source/regex.h"
#include "model/model.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

struct Subject {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  std::unique_ptr<GrammarCache> grammars;
};

const Subject& Tiny() {
  static const std::vector<std::byte> bytes = test::MakeTinyModel({.context = 512});
  static const Subject subject = [] {
    auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes)));
    WorkerPool pool(1);
    Subject made{std::move(*Model::Load(file, {}, pool)), std::move(*Tokenizer::Create(*file)), {}};
    made.grammars = std::make_unique<GrammarCache>(TokenTrieOf(*made.tokenizer));
    return made;
  }();
  return subject;
}

std::shared_ptr<const Grammar> Regex(const std::string& pattern) {
  return *Tiny().grammars->Get(
      pattern, [&](Parts& parts) { return AddRegex(parts, pattern, RegexUse::kWhole); });
}

std::unique_ptr<Engine> MakeEngine(uint32_t blocks) {
  EngineOptions options;
  options.kv_memory_bytes = blocks * Tiny().model->kv_shape(KvFormat::kF16).block_bytes();
  options.kv_format = KvFormat::kF16;
  return std::move(
      *Engine::Create(options, Tiny().model, Tiny().tokenizer, std::make_unique<WorkerPool>(2)));
}

GenerationRequest Ask(const std::string& pattern, uint32_t max_tokens) {
  GenerationRequest request = test::Ask(std::vector<TokenId>(40, 7), max_tokens);
  request.grammar = Regex(pattern);
  request.sampling.temperature = 2;
  request.sampling.seed = 9;
  return request;
}

struct Told {
  std::string text;
  FinishReason reason = FinishReason::kFailed;
  uint32_t tokens = 0;
  std::string hash;
};

std::map<uint32_t, Told> Wait(EventQueue& events) {
  std::map<uint32_t, Told> told;
  while (true) {
    const Event event = events.WaitPop();
    if (const auto* token = std::get_if<TokenEvent>(&event)) {
      told[token->choice].text += token->text;
      ++told[token->choice].tokens;
    } else if (const auto* end = std::get_if<ChoiceEndEvent>(&event)) {
      told[end->choice].text += end->text;
      told[end->choice].reason = end->reason;
      told[end->choice].hash = end->logit_hash;
    } else if (std::holds_alternative<DoneEvent>(event)) {
      return told;
    }
  }
}

std::map<uint32_t, Told> RunOne(Engine& engine, GenerationRequest request) {
  auto events = std::make_shared<EventQueue>();
  const auto id = engine.Submit(std::move(request), events);
  EXPECT_TRUE(id) << id.error().message;
  return Wait(*events);
}

bool IsDigits(const std::string& text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

TEST(FormTest, EveryChoiceHasTheForm) {
  const auto engine = MakeEngine(128);
  GenerationRequest request = Ask("[0-9]{5,9}", 20);
  request.choices = 8;
  for (const auto& [choice, told] : RunOne(*engine, request)) {
    EXPECT_EQ(told.reason, FinishReason::kStop);
    EXPECT_TRUE(IsDigits(told.text) && told.text.size() >= 5 && told.text.size() <= 9) << told.text;
  }
}

TEST(FormTest, EndsByItselfWhereNothingCanFollow) {
  const auto engine = MakeEngine(64);
  GenerationRequest request = Ask("abc", 20);
  request.ignore_eos = true;
  request.min_tokens = 10;
  const Told told = RunOne(*engine, request)[0];
  EXPECT_EQ(told.text, "abc");
  EXPECT_EQ(told.reason, FinishReason::kStop);
  EXPECT_LE(told.tokens, 3u);
}

TEST(FormTest, TheEndIsHeldBackWhereMoreCanFollow) {
  const auto engine = MakeEngine(64);
  GenerationRequest request = Ask("[a-c]*", 30);
  request.min_tokens = 25;
  EXPECT_GE(RunOne(*engine, request)[0].tokens, 25u);
  request.min_tokens = 0;
  request.ignore_eos = true;
  const Told told = RunOne(*engine, request)[0];
  EXPECT_EQ(told.tokens, 30u);
  EXPECT_EQ(told.reason, FinishReason::kLength);
}

// Little memory, so that choices are preempted: the same tokens, the same logits.
TEST(FormTest, MemoryChangesNothing) {
  GenerationRequest request = Ask("([a-z]{3}-)*[0-9]", 100);
  request.choices = 4;
  request.return_logit_hash = true;
  request.ignore_eos = true;
  auto roomy = RunOne(*MakeEngine(128), request);
  auto tight = RunOne(*MakeEngine(12), request);
  ASSERT_EQ(roomy.size(), 4u);
  for (uint32_t i = 0; i < 4; ++i) {
    EXPECT_EQ(roomy[i].text, tight[i].text);
    EXPECT_EQ(roomy[i].hash, tight[i].hash);
  }
}

}  // namespace
}  // namespace quire
