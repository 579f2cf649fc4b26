#include "engine/engine.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <thread>

#include "base/worker_pool.h"
#include "engine/view/engine_view.h"
#include "model/model.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::Ask;
using test::Story;

struct TinyParts {
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Tokenizer> tokenizer;
};

const TinyParts& Parts() {
  static const std::vector<std::byte> bytes = test::MakeTinyModel({.context = 512});
  static const TinyParts parts = [] {
    auto file = std::make_shared<GgufFile>(std::move(*GgufFile::Parse(bytes)));
    WorkerPool pool(1);
    return TinyParts{std::move(*Model::Load(file, {}, pool)), std::move(*Tokenizer::Create(*file))};
  }();
  return parts;
}

uint64_t BlockBytes() { return Parts().model->kv_shape(KvFormat::kF16).block_bytes(); }

std::unique_ptr<Engine> MakeEngine(EngineOptions options = {}) {
  if (options.kv_memory_bytes == 0) options.kv_memory_bytes = 64 * BlockBytes();
  auto engine =
      Engine::Create(options, Parts().model, Parts().tokenizer, std::make_unique<WorkerPool>(2));
  EXPECT_TRUE(engine) << engine.error().message;
  return std::move(*engine);
}

// Waits for the end of a request and returns all that it was told.
Story Wait(EventQueue& events) {
  Story story;
  auto all = std::make_shared<EventQueue>();
  while (true) {
    Event event = events.WaitPop();
    const bool last = std::holds_alternative<DoneEvent>(event);
    all->Push(std::move(event));
    if (last) break;
  }
  story.Read(*all);
  return story;
}

Story RunOne(Engine& engine, GenerationRequest request) {
  auto events = std::make_shared<EventQueue>();
  const auto id = engine.Submit(std::move(request), events);
  EXPECT_TRUE(id) << id.error().message;
  return Wait(*events);
}

void WaitUntilIdle(const Engine& engine) {
  while (!engine.idle()) std::this_thread::yield();
}

GenerationRequest Endless(uint32_t max_tokens = 400) {
  GenerationRequest request = Ask(std::vector<TokenId>(40, 5), max_tokens);
  request.ignore_eos = true;
  return request;
}

TEST(Engine, AnswersAndFindsThePrefixAgain) {
  const auto engine = MakeEngine();
  const GenerationRequest request = Ask(std::vector<TokenId>(40, 7), 6);
  const Story cold = RunOne(*engine, request);
  const Story warm = RunOne(*engine, request);
  EXPECT_FALSE(cold.tokens.at(0).empty());
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
  EXPECT_EQ(cold.done[0].receipt.cached_tokens, 0u);
  EXPECT_EQ(warm.done[0].receipt.cached_tokens, 32u);
  WaitUntilIdle(*engine);
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.blocks, 64u);
  EXPECT_EQ(stats.free_blocks + stats.idle_blocks, 64u);
  EXPECT_EQ(engine->numerics(), "1/f16/full");
  EXPECT_EQ(engine->context_tokens(), 512u);
}

// All tenants find a public prefix, with the same bits as without; nothing after it, and nothing
// with a salt of one's own.
TEST(Engine, SharesPublicPrefixesAndNothingElse) {
  const auto engine = MakeEngine();
  const auto request = [](const char* tenant, const char* salt) {
    std::vector<TokenId> prompt(40, 7);
    prompt.insert(prompt.end(), 30, 9);
    GenerationRequest one = Ask(std::move(prompt), 6);
    one.tenant = tenant;
    one.cache_salt = salt;
    return one;
  };
  const Story alone = RunOne(*engine, request("salted", "salt"));
  EXPECT_EQ(alone.done[0].receipt.cached_tokens, 0u);
  ASSERT_TRUE(engine->SharePrefix(std::vector<TokenId>(45, 7)));  // two whole blocks
  const auto cached = [&](const char* tenant, const char* salt) {
    const Story story = RunOne(*engine, request(tenant, salt));
    EXPECT_EQ(story.tokens, alone.tokens);
    EXPECT_EQ(story.ends.at(0).logit_hash, alone.ends.at(0).logit_hash);
    return story.done[0].receipt.cached_tokens;
  };
  EXPECT_EQ(cached("a", ""), 32u);
  EXPECT_EQ(cached("a", ""), 64u);
  EXPECT_EQ(cached("b", ""), 32u);
  EXPECT_EQ(cached("b", "salt"), 0u);
  EXPECT_EQ(cached("b", ""), 64u);
  WaitUntilIdle(*engine);
  EXPECT_EQ(engine->stats().pinned_blocks, 2u);
  for (const auto& usage : engine->tenant_usage()) {
    EXPECT_EQ(usage.pinned_bytes, usage.tenant == kPublicTenant ? 2 * BlockBytes() : 0u);
  }
  EXPECT_TRUE(engine->SharePrefix(std::vector<TokenId>(15, 7)));  // no whole block
  EXPECT_EQ(engine->SharePrefix(std::vector<TokenId>(600, 7)).error().code,
            ErrorCode::kContextLength);
}

// An engine that has nothing to do lets a pin end all the same.
TEST(Engine, APinEndsWhileNothingIsDone) {
  const auto engine = MakeEngine();
  GenerationRequest request = Ask(std::vector<TokenId>(40, 7), 6);
  request.pin_seconds = 1;
  RunOne(*engine, request);
  WaitUntilIdle(*engine);
  EXPECT_EQ(engine->stats().pinned_blocks, 2u);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (engine->stats().pinned_blocks > 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  EXPECT_EQ(engine->stats().pinned_blocks, 0u);
  EXPECT_GE(engine->stats().idle_blocks, 2u);
}

bool WarmsUp(const Engine& engine) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (engine.warming_up() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  return !engine.warming_up();
}

TEST(Engine, WarmsUpWhileNothingIsToBeDone) {
  const auto engine = MakeEngine();
  ASSERT_TRUE(WarmsUp(*engine));
  const EngineStats stats = engine->stats();
  EXPECT_EQ(stats.steps, 0u);
  EXPECT_EQ(stats.free_blocks, stats.blocks);
  const GenerationRequest request = Ask(std::vector<TokenId>(40, 7), 6);
  const Story warm = RunOne(*engine, request);
  EXPECT_EQ(warm.done[0].receipt.cached_tokens, 0u);
  const Story at_once = RunOne(*MakeEngine(), request);
  EXPECT_EQ(warm.ends.at(0).logit_hash, at_once.ends.at(0).logit_hash);
}

// Several engines: one may be warm before anybody looks.
TEST(Engine, WhoLooksAllTheTimeDoesNotKeepItFromWarmingUp) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> looks_on = true;
    std::function<void()> look;
    const auto engine = MakeEngine();
    look = [&] {
      engine->Look([&](const EngineView&) {
        if (looks_on) look();
      });
    };
    look();
    ASSERT_TRUE(WarmsUp(*engine));
    looks_on = false;
  }
}

TEST(Engine, RefusesOptionsThatCannotWork) {
  const auto create = [](uint64_t kv_bytes, uint32_t context_tokens, std::string secret) {
    EngineOptions options;
    options.kv_memory_bytes = kv_bytes;
    options.context_tokens = context_tokens;
    options.scope_secret = std::move(secret);
    return Engine::Create(options, Parts().model, Parts().tokenizer,
                          std::make_unique<WorkerPool>(1));
  };
  const auto small = create(BlockBytes() - 1, 0, "");
  ASSERT_FALSE(small);
  EXPECT_EQ(small.error().param, "kv-memory");
  EXPECT_FALSE(create(64 * BlockBytes(), 513, ""));
  const auto narrow = create(64 * BlockBytes(), 1, "");
  ASSERT_FALSE(narrow);
  EXPECT_EQ(narrow.error().param, "context");
  EXPECT_TRUE(create(64 * BlockBytes(), 2, ""));
  EXPECT_FALSE(create(64 * BlockBytes(), 0, "short"));
  EXPECT_TRUE(create(BlockBytes(), 0, "")) << "one block can serve";
}

TEST(Engine, RefusesAtTheDoor) {
  EngineOptions options;
  options.kv_memory_bytes = 10 * BlockBytes();
  const auto engine = MakeEngine(options);
  auto events = std::make_shared<EventQueue>();
  const auto never = engine->Submit(Endless(300), events);
  ASSERT_FALSE(never);
  EXPECT_EQ(never.error().code, ErrorCode::kNeverFits);
  const auto longer = engine->Submit(Endless(500), events);
  ASSERT_FALSE(longer);
  EXPECT_EQ(longer.error().code, ErrorCode::kContextLength);
  engine->StopAdmission();
  const auto late = engine->Submit(Endless(2), events);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(events->Pop()) << "a refused request is told nothing";
}

TEST(Engine, AFullQueueIsOverloadedAndStillServesEverybodyInIt) {
  EngineOptions options;
  options.queue_limit = 3;
  options.max_sequences = 1;
  const auto engine = MakeEngine(options);
  std::vector<std::shared_ptr<EventQueue>> accepted;
  uint32_t refused = 0;
  for (int i = 0; i < 12; ++i) {
    auto events = std::make_shared<EventQueue>();
    const auto id = engine->Submit(Endless(60), events);
    if (id) {
      accepted.push_back(events);
      continue;
    }
    EXPECT_EQ(id.error().code, ErrorCode::kOverloaded);
    ++refused;
  }
  EXPECT_GT(refused, 0u);
  EXPECT_GE(accepted.size(), 3u);
  EXPECT_GE(engine->RetryAfterSeconds(), 1u);
  for (const auto& events : accepted) EXPECT_EQ(Wait(*events).tokens.at(0).size(), 60u);
}

TEST(Engine, TheQueueCountsChoices) {
  EngineOptions options;
  options.queue_limit = 4;
  options.max_sequences = 1;
  const auto engine = MakeEngine(options);
  auto many = std::make_shared<EventQueue>();
  GenerationRequest request = Endless(200);
  request.choices = 6;
  const auto id = engine->Submit(request, many);
  ASSERT_TRUE(id) << "nobody waits";
  auto one = std::make_shared<EventQueue>();
  const auto refused = engine->Submit(Endless(2), one);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  engine->Cancel(*id);
  EXPECT_EQ(Wait(*many).ends.size(), 6u);
}

TEST(Engine, CancelFreesTheBlocks) {
  const auto engine = MakeEngine();
  auto events = std::make_shared<EventQueue>();
  GenerationRequest request = Endless();
  request.no_store = true;
  const auto id = engine->Submit(request, events);
  ASSERT_TRUE(id);
  events->WaitPop();
  engine->Cancel(*id);
  engine->Cancel(*id);
  engine->Cancel(RequestId{999});
  const Story story = Wait(*events);
  EXPECT_EQ(story.ends.at(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(engine->stats().live_blocks, 0u) << "free before Done is told";
}

TEST(Engine, DestructionEndsEveryRequestOnce) {
  std::vector<std::shared_ptr<EventQueue>> all;
  {
    const auto engine = MakeEngine();
    for (int i = 0; i < 10; ++i) {
      all.push_back(std::make_shared<EventQueue>());
      ASSERT_TRUE(engine->Submit(Endless(), all.back()));
    }
  }
  for (const auto& events : all) {
    Story story;
    story.Read(*events);
    EXPECT_EQ(story.done.size(), 1u);
    EXPECT_EQ(story.ends.size(), 1u);
  }
}

// Many threads ask at once; every answer is the one its request gets alone.
TEST(Engine, ServesManyCallersWithTheSameBits) {
  const auto engine = MakeEngine();
  std::map<int, Story> alone;
  const auto request_of = [](int i) {
    GenerationRequest request = Ask(std::vector<TokenId>(20 + 3 * i, 3 + i % 4), 30);
    request.ignore_eos = true;
    return request;
  };
  for (int i = 0; i < 8; ++i) alone[i] = RunOne(*MakeEngine(), request_of(i));
  std::vector<std::thread> callers;
  std::vector<std::string> hashes(8);
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        hashes[i] = RunOne(*engine, request_of(i)).ends.at(0).logit_hash;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (int i = 0; i < 8; ++i) EXPECT_EQ(hashes[i], alone[i].ends.at(0).logit_hash);
  EXPECT_GT(engine->stats().batched_steps, 0u);
}

double Total(Engine& engine, const std::string& name) {
  double total = 0;
  for (const auto& family : engine.metrics().Collect()) {
    if (family.name != name) continue;
    for (const auto& metric : family.metric) total += metric.counter.value;
  }
  return total;
}

TEST(Engine, TokenCountersMoveWhileARequestRuns) {
  const auto engine = MakeEngine();
  auto events = std::make_shared<EventQueue>();
  const auto id = engine->Submit(Endless(), events);
  ASSERT_TRUE(id);
  for (int i = 0; i < 3; ++i) events->WaitPop();
  EXPECT_GE(Total(*engine, "quire_generated_tokens_total"), 2) << "the last one told may follow";
  EXPECT_EQ(Total(*engine, "quire_prompt_tokens_total"), 40);
  EXPECT_EQ(Total(*engine, "quire_requests_total"), 0);
  engine->Cancel(*id);
  Wait(*events);
}

TEST(Engine, SeriesStartAtZero) {
  const auto engine = MakeEngine();
  std::map<std::string, size_t> series;
  for (const auto& family : engine->metrics().Collect()) series[family.name] = family.metric.size();
  EXPECT_EQ(series["quire_rejections_total"], 6u);
  EXPECT_EQ(series["quire_requests_total"], 3u);
  EXPECT_EQ(series["quire_prompt_tokens_total"], 4u);  // computed, ram, disk, remote
}

TEST(Engine, MetricsHaveTheNamesOfTheInterface) {
  const auto engine = MakeEngine();
  RunOne(*engine, Ask(std::vector<TokenId>(40, 7), 6));
  RunOne(*engine, Ask(std::vector<TokenId>(40, 7), 6));
  std::map<std::string, double> totals;
  std::set<std::string> names;
  for (const auto& family : engine->metrics().Collect()) {
    names.insert(family.name);
    for (const auto& metric : family.metric) totals[family.name] += metric.counter.value;
  }
  for (const char* name : {"quire_requests_total",
                           "quire_request_queue_seconds",
                           "quire_time_to_first_token_seconds",
                           "quire_time_per_output_token_seconds",
                           "quire_inter_token_seconds",
                           "quire_prompt_tokens_total",
                           "quire_generated_tokens_total",
                           "quire_kv_blocks",
                           "quire_kv_bytes",
                           "quire_kv_evictions_total",
                           "quire_prefix_miss_total",
                           "quire_requests_running",
                           "quire_requests_waiting",
                           "quire_preemptions_total",
                           "quire_step_seconds",
                           "quire_step_tokens",
                           "quire_kv_bytes_per_request",
                           "quire_kv_allocation_failures_total",
                           "quire_kv_contiguous_run_blocks",
                           "quire_kv_tokens"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  EXPECT_EQ(totals["quire_requests_total"], 2);
  EXPECT_EQ(totals["quire_prompt_tokens_total"], 80);
}

}  // namespace
}  // namespace quire
