// tests/engine/fake_model.h -- a model without arithmetic, and a step loop around it, for tests.
//
// Its "KV" is the token and position of every slot. Logits are a function of all tokens it reads
// back through a block table, so a wrong table, a stale block or a foreign one changes the answer
// (and is noticed at once).
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/step_loop.h"
#include "tests/support/gguf_writer.h"
#include "tests/support/tiny_vocab.h"

namespace quire::test {

inline std::unique_ptr<Tokenizer> LoadTinyTokenizer() {
  GgufWriter writer;
  AddByteLevelVocab(writer, 0);
  static const std::vector<std::byte> bytes = writer.Finish();
  const auto file = GgufFile::Parse(bytes);
  EXPECT_TRUE(file) << file.error().message;
  auto tokenizer = Tokenizer::Create(*file);
  EXPECT_TRUE(tokenizer) << tokenizer.error().message;
  return std::move(*tokenizer);
}

// Any tokens, the same for the same seed.
inline std::vector<TokenId> Prompt(uint32_t length, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(length);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 200);
  return tokens;
}

class FakeModel {
 public:
  FakeModel(uint32_t num_blocks, uint32_t vocab_size)
      : slots_(size_t{num_blocks} * kBlockTokens, kNoToken), vocab_size_(vocab_size) {}

  std::span<const float> Run(std::span<const BatchItem> batch) {
    logits_.clear();
    for (const BatchItem& item : batch) {
      const uint32_t end = item.first_position + static_cast<uint32_t>(item.tokens.size());
      for (uint32_t p = item.first_position; p < end; ++p) {
        Slot(item, p) = item.tokens[p - item.first_position];
      }
      for (uint32_t row = end - item.num_logit_rows; row < end; ++row) AddRow(item, row);
    }
    return logits_;
  }

  // A small chance of "end", else any token: by a hash of everything before.
  static void FillRow(uint64_t hash, std::span<float> row) {
    for (float& logit : row) {
      hash = hash * 6364136223846793005u + 1442695040888963407u;
      logit = static_cast<float>(hash >> 40) * 0x1p-22f;
    }
  }
  static uint64_t Extend(uint64_t hash, TokenId token) {
    return (hash ^ static_cast<uint64_t>(token + 1)) * 0x9e3779b97f4a7c15u;
  }

 private:
  TokenId& Slot(const BatchItem& item, uint32_t position) {
    return slots_[size_t{item.table[position / kBlockTokens]} * kBlockTokens +
                  position % kBlockTokens];
  }
  void AddRow(const BatchItem& item, uint32_t row) {
    uint64_t hash = 1;
    for (uint32_t p = 0; p <= row; ++p) hash = Extend(hash, Slot(item, p));
    logits_.resize(logits_.size() + vocab_size_);
    FillRow(hash, std::span(logits_).last(vocab_size_));
  }

  std::vector<TokenId> slots_;
  const uint32_t vocab_size_;
  std::vector<float> logits_;
};

// All that a request was told.
struct Story {
  std::vector<SampledToken> prompt_logprobs;
  std::map<uint32_t, std::vector<TokenId>> tokens;  // by choice
  std::map<uint32_t, std::string> text;
  std::map<uint32_t, ChoiceEndEvent> ends;
  std::vector<SampledToken> logprobs;
  std::vector<DoneEvent> done;

  // Reads what has come so far; nothing may come after Done.
  void Read(EventQueue& events) {
    while (auto event = events.Pop()) {
      EXPECT_TRUE(done.empty()) << "an event after Done";
      std::visit([this](auto& e) { Take(e); }, *event);
    }
  }

 private:
  void Take(PromptEvent& event) { prompt_logprobs = std::move(event.logprobs); }
  void Take(TokenEvent& event) {
    EXPECT_FALSE(ends.contains(event.choice)) << "a token after the end of its choice";
    tokens[event.choice].push_back(event.token);
    text[event.choice] += event.text;
    if (event.logprobs) logprobs.push_back(*event.logprobs);
  }
  void Take(ChoiceEndEvent& event) {
    EXPECT_FALSE(ends.contains(event.choice)) << "a choice ended twice";
    text[event.choice] += event.text;
    ends[event.choice] = event;
  }
  void Take(DoneEvent& event) { done.push_back(event); }
};

struct LoopHarness {
  explicit LoopHarness(uint32_t num_blocks, StepBudget budget = {}, bool prefix_cache = true,
                       double target_itl_seconds = 0)
      : tokenizer(LoadTinyTokenizer()),
        model(num_blocks, tokenizer->vocab_size()),
        loop(
            {.budget = budget,
             .queue_limit = 1000,
             .num_blocks = num_blocks,
             .block_bytes = 1024,
             .prefix_cache = prefix_cache,
             .tool_keep_ms = 600'000,
             .target_itl_seconds = target_itl_seconds,
             .model_digest = "fake",
             .kv_format = "f16",
             .scope_secret = std::string(32, 's'),
             .clock = [this] { return SteadySeconds() + late_seconds; }},
            *tokenizer, [this](std::span<const BatchItem> batch) { return Run(batch); }, metrics) {}

  std::shared_ptr<EventQueue> Start(GenerationRequest request) {
    auto events = std::make_shared<EventQueue>();
    loop.Start({RequestId{++last_id}, std::move(request), events, SteadySeconds()});
    return events;
  }
  RequestId last() const { return RequestId{last_id}; }

  Story RunToEnd(GenerationRequest request) {
    const auto events = Start(std::move(request));
    while (loop.Step()) loop.CheckInvariants();
    Story story;
    story.Read(*events);
    return story;
  }

  std::optional<std::span<const float>> Run(std::span<const BatchItem> batch) {
    step_rows = 0;
    for (const BatchItem& item : batch) step_rows += item.tokens.size();
    if (before_run && !before_run()) return std::nullopt;
    rows_computed += step_rows;
    return model.Run(batch);
  }

  std::function<bool()> before_run;  // false: the step is left early
  double late_seconds = 0;           // that steps seem to have taken
  uint64_t step_rows = 0;            // of the step at hand
  uint64_t rows_computed = 0;
  std::unique_ptr<Tokenizer> tokenizer;
  FakeModel model;
  EngineMetrics metrics;
  StepLoop loop;
  uint64_t last_id = 0;
};

inline GenerationRequest Ask(std::vector<TokenId> prompt, uint32_t max_tokens) {
  GenerationRequest request;
  request.prompt = std::move(prompt);
  request.max_tokens = max_tokens;
  request.sampling.temperature = 0;
  request.return_logit_hash = true;
  return request;
}

}  // namespace quire::test
