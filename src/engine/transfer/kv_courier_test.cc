#include "engine/transfer/kv_courier.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <future>
#include <thread>

#include "base/worker_pool.h"
#include "engine/engine.h"
#include "engine/view/engine_view.h"
#include "gguf/gguf_file.h"
#include "model/model.h"
#include "tests/engine/fake_model.h"
#include "tests/support/tiny_model.h"
#include "text/tokenizer.h"

namespace quire {
namespace {

constexpr std::string_view kWay = "between the two";
constexpr uint32_t kPromptTokens = 200;  // 12 blocks and a half

class Couriers : public testing::Test {
 protected:
  void SetUp() override {
    bytes_ = test::MakeTinyModel({.context = 512});
    const auto file = std::make_shared<GgufFile>(*GgufFile::Parse(bytes_));
    WorkerPool pool(1);
    model_ = *Model::Load(file, {}, pool);
    tokenizer_ = *Tokenizer::Create(*file);
    for (uint32_t i = 0; i < kPromptTokens; ++i) {
      prompt_.push_back(static_cast<TokenId>(i * 7 % 200 + 10));
    }
    char name[] = "/tmp/quire_courier_XXXXXX";
    folder_ = mkdtemp(name);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Engine> Make(char secret = 's', const std::string& disk = {},
                               uint32_t blocks = 64) {
    EngineOptions options;
    options.kv_memory_bytes = blocks * model_->kv_shape(KvFormat::kF16).block_bytes();
    options.scope_secret = std::string(32, secret);
    if (!disk.empty()) {
      options.disk_folder = folder_ + "/" + disk;
      options.disk_bytes = uint64_t{64} << 20;
      options.disk_required = true;
    }
    auto engine = Engine::Create(options, model_, tokenizer_, std::make_unique<WorkerPool>(1));
    EXPECT_TRUE(engine) << engine.error().message;
    return *std::move(engine);
  }

  test::Story Run(Engine& engine, const std::string& tenant = "default") {
    GenerationRequest request = test::Ask(prompt_, 6);
    request.ignore_eos = true;
    request.tenant = tenant;
    auto events = std::make_shared<EventQueue>();
    EXPECT_TRUE(engine.Submit(request, events));
    auto all = std::make_shared<EventQueue>();
    for (bool last = false; !last;) {
      Event event = events->WaitPop();
      last = std::holds_alternative<DoneEvent>(event);
      all->Push(std::move(event));
    }
    test::Story story;
    story.Read(*all);
    return story;
  }

  KvChainPtr Chain(Engine& engine, const std::string& tenant = "default") {
    auto chain = engine.courier().Chain(tenant, prompt_);
    EXPECT_NE(chain, nullptr);
    return chain;
  }

  struct Brought {
    uint32_t offered = 0;
    uint32_t taken = 0;
    uint32_t held = 0;
    ParcelFlaw flaw = ParcelFlaw::kNone;
  };
  static Brought Place(Engine& to, const KvChainPtr& chain, std::string_view way,
                       std::string parcel) {
    const OpenedParcel opened = to.courier().Open(chain, way, Bytes(parcel));
    const auto placed = to.courier().Place(chain, opened);
    return {opened.offered, placed.taken, placed.held, opened.flaw};
  }

  // All of it from one engine to another.
  Brought Bring(Engine& from, Engine& to, const std::string& tenant = "default") {
    return Place(to, Chain(to, tenant), kWay,
                 from.courier().Collect(Chain(from, tenant), 0, 99, kWay, true));
  }
  static std::span<std::byte> Bytes(std::string& text) {
    return std::as_writable_bytes(std::span(text.data(), text.size()));
  }

  std::vector<std::byte> bytes_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Tokenizer> tokenizer_;
  std::vector<TokenId> prompt_;
  std::string folder_;
};

TEST_F(Couriers, WhatIsBroughtIsFoundWithTheSameBits) {
  const auto one = Make();
  const auto cold = Run(*one);
  const auto two = Make();
  const auto placed = Bring(*one, *two);
  EXPECT_EQ(placed.offered, 12u);
  EXPECT_EQ(placed.taken, 12u);
  const auto warm = Run(*two);
  EXPECT_EQ(warm.done[0].receipt.cached_tokens, 192u);
  EXPECT_EQ(warm.tokens, cold.tokens);
  EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
  const auto again = Bring(*one, *two);
  EXPECT_EQ(again.taken, 0u);
  EXPECT_EQ(again.held, 12u);
}

// A warm-up writes into blocks that nobody owns. Several engines, and each is held until there is
// something to be placed: one may be warm before.
TEST_F(Couriers, NoWarmUpTouchesWhatWasBrought) {
  const auto one = Make();
  const auto cold = Run(*one);
  const auto chain = Chain(*one);  // the same for all with this secret
  const std::string parcel = one->courier().Collect(chain, 0, 99, kWay, true);
  uint32_t held_cold = 0;
  for (int i = 0; i < 100 && held_cold < 3; ++i) {
    std::promise<bool> looked;
    std::promise<void> let_go;
    const auto two = Make();
    two->Look([&](const EngineView&) {
      looked.set_value(two->warming_up());
      let_go.get_future().wait();
    });
    held_cold += looked.get_future().get();
    std::string copy = parcel;
    const OpenedParcel opened = two->courier().Open(chain, kWay, Bytes(copy));
    std::thread letter([&let_go] { let_go.set_value(); });
    EXPECT_EQ(two->courier().Place(chain, opened).taken, 12u);
    letter.join();
    while (two->warming_up()) std::this_thread::yield();
    const auto warm = Run(*two);
    EXPECT_EQ(warm.done[0].receipt.cached_tokens, 192u);
    EXPECT_EQ(warm.ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
  }
  EXPECT_GT(held_cold, 0u);
}

TEST_F(Couriers, InPiecesAndOnlyInOrder) {
  const auto one = Make();
  (void)Run(*one);
  const auto two = Make();
  const auto chain = Chain(*two);
  std::string late = one->courier().Collect(Chain(*one), 5, 4, kWay, true);
  std::string early = one->courier().Collect(Chain(*one), 0, 5, kWay, false);
  EXPECT_EQ(Place(*two, chain, kWay, late).taken, 0u) << "its parent is not there";
  EXPECT_EQ(Place(*two, chain, kWay, early).taken, 5u);
  EXPECT_EQ(Place(*two, chain, kWay, late).taken, 4u);
  EXPECT_EQ(two->courier().HeldOf(chain).memory, 9u);
  EXPECT_TRUE(one->courier().Collect(Chain(*one), 12, 1, kWay, true).empty());
}

TEST_F(Couriers, AnotherKeyTenantOrWayTakesNothing) {
  const auto one = Make();
  (void)Run(*one);
  std::string parcel = one->courier().Collect(Chain(*one), 0, 99, kWay, true);
  const auto stranger = Make('t');
  const auto two = Make();
  EXPECT_NE(Chain(*one)->identity, Chain(*stranger)->identity);
  EXPECT_EQ(Chain(*one)->identity, Chain(*two)->identity);
  EXPECT_EQ(Place(*stranger, Chain(*stranger), kWay, parcel).flaw, ParcelFlaw::kOtherOwner);
  EXPECT_EQ(Place(*two, Chain(*two, "other"), kWay, parcel).flaw, ParcelFlaw::kOtherOwner);
  EXPECT_EQ(Place(*two, Chain(*two), "another way", parcel).taken, 0u);
  prompt_[3] += 1;
  EXPECT_EQ(Place(*two, Chain(*two), kWay, parcel).flaw, ParcelFlaw::kOtherText);
}

// Wherever a bit flips or the end is cut off: what is taken is right, the rest is computed.
TEST_F(Couriers, DamageCostsBlocksAndNeverABit) {
  const auto one = Make();
  const auto cold = Run(*one);
  const std::string parcel = one->courier().Collect(Chain(*one), 0, 99, kWay, true);
  for (size_t i = 0; i < 40; ++i) {
    std::string copy = parcel;
    if (i % 4 == 3) {
      copy.resize(i * copy.size() / 40);
    } else {
      copy[i * (copy.size() - 1) / 39] ^= static_cast<char>(1 << (i % 8));
    }
    const auto two = Make();
    const auto placed = Place(*two, Chain(*two), kWay, copy);
    EXPECT_LE(placed.taken, 12u);
    if (i % 13 == 0) {
      EXPECT_EQ(Run(*two).ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
    }
  }
}

TEST_F(Couriers, BringsWhatIsOnlyOnDiskAndKeepsWhatIsOnDiskAlready) {
  std::string logit_hash;
  {
    const auto one = Make('s', "one");
    logit_hash = Run(*one).ends.at(0).logit_hash;
  }
  const auto one = Make('s', "one");
  const auto held = one->courier().HeldOf(Chain(*one));
  EXPECT_EQ(held.memory, 0u);
  EXPECT_EQ(held.disk, 12u);
  {
    const auto two = Make('s', "two");
    EXPECT_EQ(Bring(*one, *two).taken, 12u);
  }
  const auto two = Make('s', "two");
  EXPECT_EQ(two->courier().HeldOf(Chain(*two)).disk, 12u) << "what was brought is written";
  EXPECT_EQ(two->courier().Lift(Chain(*two), 0, 12), 12u);
  EXPECT_EQ(two->courier().HeldOf(Chain(*two)).memory, 12u);
  EXPECT_EQ(Run(*two).ends.at(0).logit_hash, logit_hash);
}

TEST_F(Couriers, APurgedTenantGetsNothingThatWasOnItsWay) {
  const auto one = Make();
  (void)Run(*one, "acme");
  std::string parcel = one->courier().Collect(Chain(*one, "acme"), 0, 99, kWay, true);
  const auto two = Make();
  const auto chain = Chain(*two, "acme");
  Tenant acme;
  acme.name = "acme";
  acme.generation = 5;
  ASSERT_TRUE(two->SetTenants({acme}));
  EXPECT_NE(Chain(*two, "acme")->identity, chain->identity);
  EXPECT_EQ(Place(*two, chain, kWay, parcel).taken, 0u);
}

TEST_F(Couriers, AMemoryTooSmallTakesNothingAndServesOn) {
  const auto one = Make();
  const auto cold = Run(*one);
  const auto two = Make('s', {}, 14);
  const auto three = Make('s', {}, 11);
  EXPECT_EQ(Bring(*one, *three).taken, 0u);
  EXPECT_EQ(Bring(*one, *two).taken, 12u);
  EXPECT_EQ(Run(*two).ends.at(0).logit_hash, cold.ends.at(0).logit_hash);
}

}  // namespace
}  // namespace quire
