// Law 2 on the default model over real text: one hash per prompt, whatever the conditions.
#include <gtest/gtest.h>

#include <random>

#include "tests/law2/golden_hashes.h"
#include "tests/law2/stage.h"
#include "tests/law2/texts.h"

namespace quire::test {
namespace {

constexpr const char* kDefaultModel = "smollm2-135m";

class RealModel : public testing::Test {
 protected:
  static void SetUpTestSuite() { subject_ = LoadReal(kDefaultModel); }
  static void TearDownTestSuite() { subject_.reset(); }

  void SetUp() override {
    if (subject_ == nullptr) {
      GTEST_SKIP() << kDefaultModel << ".gguf is neither in the cache directory nor in models/: "
                   << "tools/fetch_model gets it";
    }
    prompt_ = subject_->Prompt(Prose(), 150);
    if (hash_.empty()) hash_ = quire::test::Run(*subject_, prompt_, {.threads = 2}).hash;
  }

  void ExpectSame(const Conditions& conditions) {
    EXPECT_EQ(quire::test::Run(*subject_, prompt_, conditions).hash, hash_) << Describe(conditions);
  }

  static std::unique_ptr<Subject> subject_;
  static std::string hash_;  // of prompt_, cold and alone
  std::vector<TokenId> prompt_;
};

std::unique_ptr<Subject> RealModel::subject_;
std::string RealModel::hash_;

TEST_F(RealModel, HasTheHashesOnRecord) {
  ExpectGoldenHash(kDefaultModel, "prose", hash_);
  for (const auto& [name, text] :
       {std::pair{"code", &Code()}, {"scripts", &Scripts()}, {"long", &LongText()}}) {
    const auto prompt = subject_->Prompt(*text, 1000);
    ExpectGoldenHash(kDefaultModel, name,
                     quire::test::Run(*subject_, prompt, {.threads = 2, .chunk = 512}).hash);
  }
}

TEST_F(RealModel, InstructionSets) {
  for (const Isa isa : AvailableIsas()) ExpectSame({.isa = isa, .threads = 2});
}

TEST_F(RealModel, Threads) {
  for (const uint32_t threads : {1u, 2u, 3u}) ExpectSame({.threads = threads});
}

TEST_F(RealModel, PrefillChunks) {
  for (const uint32_t chunk : {1u, 7u, 16u, 64u, 512u}) ExpectSame({.threads = 2, .chunk = chunk});
}

TEST_F(RealModel, Batches) {
  for (const uint32_t others : {2u, 5u, 8u}) ExpectSame({.threads = 2, .others = others});
}

TEST_F(RealModel, WarmPrefix) { ExpectSame({.threads = 2, .memory = Memory::kWarm}); }

TEST_F(RealModel, PartlyEvictedPrefix) {
  ExpectSame({.threads = 2, .memory = Memory::kPartlyEvicted});
}

TEST_F(RealModel, PreemptedAndResumed) { ExpectSame({.threads = 2, .preempt = true}); }

TEST_F(RealModel, PacedAmongStrangers) {
  ExpectSame({.threads = 2, .chunk = 512, .others = 3, .paced = true, .strangers = true});
}

TEST_F(RealModel, StepsThatAreLeft) { ExpectSame({.threads = 2, .others = 3, .left = true}); }

TEST_F(RealModel, ChoicesDrawnWithPenalties) {
  const Conditions alone{.threads = 2, .sampled = true, .choices = 2};
  const Conditions warm{
      .threads = 2, .others = 2, .memory = Memory::kWarm, .sampled = true, .choices = 2};
  EXPECT_EQ(quire::test::Run(*subject_, prompt_, warm).hash,
            quire::test::Run(*subject_, prompt_, alone).hash);
}

// More than two KV tiles, so that tiles are merged and chunks cross their borders.
TEST_F(RealModel, LongPromptInPiecesAndFromMemory) {
  const auto prompt = subject_->Prompt(LongText(), 1000);
  const auto expected = quire::test::Run(*subject_, prompt, {.threads = 2, .chunk = 512}).hash;
  for (const Conditions& conditions :
       {Conditions{.threads = 3, .chunk = 64, .others = 2},
        Conditions{.threads = 1, .chunk = 512, .memory = Memory::kWarm},
        Conditions{
            .threads = 2, .chunk = 512, .memory = Memory::kPartlyEvicted, .preempt = true}}) {
    EXPECT_EQ(quire::test::Run(*subject_, prompt, conditions).hash, expected)
        << Describe(conditions);
  }
}

TEST_F(RealModel, RandomCombinations) {
  std::mt19937 random(20);
  constexpr uint32_t kChunks[] = {1, 7, 16, 64, 512};
  constexpr uint32_t kOthers[] = {0, 2, 5, 8};
  const auto isas = AvailableIsas();
  for (int i = 0; i < 8; ++i) {
    // The portable path is some ten times slower: it has its own test above.
    const Isa isa = isas[isas.size() > 1 ? 1 + random() % (isas.size() - 1) : 0];
    ExpectSame({.isa = isa,
                .threads = static_cast<uint32_t>(1 + random() % 3),
                .chunk = kChunks[random() % 5],
                .others = kOthers[random() % 4],
                .memory = static_cast<Memory>(random() % 3),
                .preempt = random() % 3 == 0,
                .seed = static_cast<uint32_t>(random())});
  }
}

}  // namespace
}  // namespace quire::test
