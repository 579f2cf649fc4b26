// What one engine has computed, the next one finds on disk: through the engine's own thread, with a
// real forward pass.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/worker_pool.h"
#include "engine/engine.h"
#include "model/model.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::Ask;
using test::Story;

class Restart : public testing::Test {
 protected:
  Restart() {
    std::string path = testing::TempDir() + "restart.XXXXXX";
    folder_ = mkdtemp(path.data());
    bytes_ = test::MakeTinyModel({.context = 512});
    auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes_)));
    WorkerPool pool(1);
    model_ = std::move(*Model::Load(file, {}, pool));
    tokenizer_ = std::move(*Tokenizer::Create(*file));
  }
  ~Restart() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Engine>> Start(const EngineOptions& wishes = {}) {
    EngineOptions options = wishes;
    options.kv_memory_bytes = 64 * model_->kv_shape(KvFormat::kF16).block_bytes();
    options.scope_secret = std::string(32, 's');
    options.disk_folder = folder_;
    options.disk_bytes = uint64_t{1} << 30;
    options.log = [this](std::string_view line) { log_ += line; };
    return Engine::Create(options, model_, tokenizer_, std::make_unique<WorkerPool>(2));
  }

  static Story Run(Engine& engine, uint32_t seed, const std::string& tenant = "default") {
    std::vector<TokenId> prompt(200);
    for (uint32_t i = 0; i < prompt.size(); ++i) {
      prompt[i] = static_cast<TokenId>((seed * 7 + i * i) % 200);
    }
    GenerationRequest request = Ask(prompt, 6);
    request.tenant = tenant;
    request.return_logit_hash = true;
    auto events = std::make_shared<EventQueue>();
    EXPECT_TRUE(engine.Submit(std::move(request), events));
    auto all = std::make_shared<EventQueue>();
    for (bool last = false; !last;) {
      Event event = events->WaitPop();
      last = std::holds_alternative<DoneEvent>(event);
      all->Push(std::move(event));
    }
    Story story;
    story.Read(*all);
    return story;
  }

  static uint32_t Onboarded(const Story& story) { return story.done[0].receipt.onboarded_tokens; }

  std::string folder_;
  std::string log_;
  std::vector<std::byte> bytes_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

TEST_F(Restart, ReadsNothingTwice) {
  Story cold;
  {
    const auto engine = std::move(*Start());
    cold = Run(*engine, 1);
    EXPECT_EQ(Onboarded(cold), 0u);
    EXPECT_NE(engine->disk().find(folder_), std::string::npos);
  }
  const auto engine = std::move(*Start());
  const Story warm = Run(*engine, 1);
  EXPECT_EQ(Onboarded(warm), 192u);
  EXPECT_EQ(warm.done[0].receipt.cached_tokens, 192u);
  EXPECT_GT(warm.done[0].receipt.onboard_ms, 0);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(Onboarded(Run(*engine, 1)), 0u) << "it is in memory now";
}

// The pool holds 64 blocks, and 13 are needed for each.
TEST_F(Restart, WhatMemoryLostComesBack) {
  const auto engine = std::move(*Start());
  const Story cold = Run(*engine, 1);
  for (uint32_t seed = 2; seed < 12; ++seed) Run(*engine, seed);
  const Story again = Run(*engine, 1);
  EXPECT_GT(again.done[0].receipt.cached_tokens, 0u);
  EXPECT_EQ(again.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
}

// Three answers need 96 blocks in the end, and there are 64: somebody has to go, and its blocks are
// evicted by those who stay. What it had computed is on disk.
TEST_F(Restart, WhoeverWasPreemptedReadsItsBlocksBack) {
  const auto engine = std::move(*Start());
  const auto prompt = [](uint32_t seed) {
    std::vector<TokenId> tokens(200);
    for (uint32_t i = 0; i < tokens.size(); ++i) {
      tokens[i] = static_cast<TokenId>((seed * 7 + i * i) % 200);
    }
    return tokens;
  };
  std::vector<std::shared_ptr<EventQueue>> queues;
  for (uint32_t seed = 0; seed < 3; ++seed) {
    GenerationRequest request = Ask(prompt(seed), 300);
    request.ignore_eos = true;
    queues.push_back(std::make_shared<EventQueue>());
    ASSERT_TRUE(engine->Submit(std::move(request), queues.back()));
  }
  uint32_t preemptions = 0;
  uint64_t computed = 0;
  for (const auto& queue : queues) {
    Event event = queue->WaitPop();
    while (!std::holds_alternative<DoneEvent>(event)) event = queue->WaitPop();
    const Receipt& receipt = std::get<DoneEvent>(event).receipt;
    preemptions += receipt.preemptions;
    computed += receipt.computed_tokens;
  }
  EXPECT_GT(preemptions, 0u);
  EXPECT_LT(computed, 3 * 200u + 100u) << "prompts are computed once, but for some blocks";
}

// An end of pins counts for what is still on its way from the disk, too.
TEST_F(Restart, WhatIsUnpinnedWhileItIsReadIsNotPinned) {
  {
    Run(*std::move(*Start()), 1);
  }
  const auto engine = std::move(*Start());
  std::vector<TokenId> prompt(200);
  for (uint32_t i = 0; i < prompt.size(); ++i) prompt[i] = static_cast<TokenId>((7 + i * i) % 200);
  for (const bool unpinned : {true, false}) {
    GenerationRequest request = Ask(prompt, 0);
    request.pin_seconds = 1000;
    request.pin_group = 7;
    auto events = std::make_shared<EventQueue>();
    ASSERT_TRUE(engine->Submit(std::move(request), events));
    if (unpinned) engine->Unpin(7);
    Event event = events->WaitPop();
    while (!std::holds_alternative<DoneEvent>(event)) event = events->WaitPop();
    EXPECT_EQ(std::get<DoneEvent>(event).receipt.onboarded_tokens, unpinned ? 192u : 0u);
    while (!engine->idle()) std::this_thread::yield();
    EXPECT_EQ(engine->stats().pinned_blocks > 0, !unpinned);
  }
}

TEST_F(Restart, TenantsAndGenerationsFindOnlyTheirOwn) {
  const auto described = [](uint64_t generation) {
    return std::vector<Tenant>{{.name = "acme", .generation = generation}, {.name = "beta"}};
  };
  {
    const auto engine = std::move(*Start());
    ASSERT_TRUE(engine->SetTenants(described(1)));
    Run(*engine, 1, "acme");
  }
  {
    const auto engine = std::move(*Start());
    ASSERT_TRUE(engine->SetTenants(described(1)));
    EXPECT_EQ(Run(*engine, 1, "beta").done[0].receipt.cached_tokens, 0u);
    EXPECT_EQ(Onboarded(Run(*engine, 1, "acme")), 192u);
  }
  const auto engine = std::move(*Start());
  ASSERT_TRUE(engine->SetTenants(described(2)));
  EXPECT_EQ(Run(*engine, 1, "acme").done[0].receipt.cached_tokens, 0u);
}

TEST_F(Restart, AFolderInUseIsRefusedOrDoneWithout) {
  const auto first = std::move(*Start());
  EngineOptions required;
  required.disk_required = true;
  const auto refused = Start(required);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  const auto without = Start();
  ASSERT_TRUE(without);
  EXPECT_TRUE((*without)->disk().empty());
  EXPECT_NE(log_.find("in use"), std::string::npos) << log_;
  Run(**without, 1);
}

TEST_F(Restart, CancelsAndEndsWhileBlocksAreOnTheirWay) {
  {
    Run(*std::move(*Start()), 1);
  }
  for (int i = 0; i < 20; ++i) {
    const auto engine = std::move(*Start());
    std::vector<std::shared_ptr<EventQueue>> queues;
    for (uint32_t k = 0; k < 3; ++k) {
      std::vector<TokenId> prompt(200);
      for (uint32_t t = 0; t < prompt.size(); ++t) {
        prompt[t] = static_cast<TokenId>((7 + t * t) % 200);
      }
      queues.push_back(std::make_shared<EventQueue>());
      const auto id = engine->Submit(Ask(prompt, 50), queues.back());
      ASSERT_TRUE(id);
      if (k == 1) engine->Cancel(*id);
    }
  }
}

}  // namespace
}  // namespace quire
