// Law 2 on tiny models of every architecture, tensor type, head size and rope: one hash each.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "tests/law2/golden_hashes.h"
#include "tests/law2/stage.h"
#include "tests/law2/texts.h"

namespace quire::test {
namespace {

constexpr uint32_t kPromptTokens = 150;  // more than gemma3's window here (48) and 9 blocks

class TinyModels : public testing::TestWithParam<TinySubject> {
 protected:
  void SetUp() override {
    subject_ = LoadTiny(GetParam());
    prompt_ = subject_->Prompt(Prose(), kPromptTokens);
    ASSERT_EQ(prompt_.size(), kPromptTokens);
    hash_ = quire::test::Run(*subject_, prompt_, {}).hash;
    ASSERT_EQ(hash_.size(), 32u);
  }

  void ExpectSame(const Conditions& conditions) {
    EXPECT_EQ(quire::test::Run(*subject_, prompt_, conditions).hash, hash_)
        << subject_->name << ": " << Describe(conditions);
  }

  std::unique_ptr<Subject> subject_;
  std::vector<TokenId> prompt_;
  std::string hash_;
};

TEST_P(TinyModels, HaveTheHashesOnRecord) {
  ExpectGoldenHash(subject_->name, "prose", hash_);
  const auto code = subject_->Prompt(Code(), 70);
  ExpectGoldenHash(subject_->name, "code", quire::test::Run(*subject_, code, {}).hash);
}

TEST_P(TinyModels, AnswerTheSameOnEachAxisAlone) {
  for (const Isa isa : AvailableIsas()) ExpectSame({.isa = isa});
  for (const uint32_t threads : {2u, 3u}) ExpectSame({.threads = threads});
  for (const uint32_t chunk : {1u, 7u, 16u, 512u}) ExpectSame({.chunk = chunk});
  for (const uint32_t others : {2u, 5u, 8u}) ExpectSame({.others = others});
  ExpectSame({.memory = Memory::kWarm});
  ExpectSame({.memory = Memory::kPartlyEvicted});
  ExpectSame({.preempt = true});
}

TEST_P(TinyModels, AnswerTheSameAfterARestart) {
  ExpectSame({.memory = Memory::kDisk});
  ExpectSame({.memory = Memory::kPlainDisk});
  ExpectSame({.threads = 2, .chunk = 7, .others = 3, .memory = Memory::kDisk});
}

TEST_P(TinyModels, AnswerTheSameWithKvOfAnotherEngine) {
  ExpectSame({.memory = Memory::kBrought});
  ExpectSame({.threads = 2, .chunk = 7, .others = 3, .memory = Memory::kBrought});
}

TEST_P(TinyModels, AnswerTheSamePacedAndAmongStrangers) {
  ExpectSame({.chunk = 512, .paced = true});
  ExpectSame({.chunk = 512, .others = 5, .paced = true, .strangers = true});
  ExpectSame({.others = 8, .memory = Memory::kWarm, .strangers = true});
  const Outcome greedy = quire::test::Run(*subject_, prompt_, {.choices = 2});
  EXPECT_EQ(greedy.hash, hash_ + hash_) << "the likeliest tokens are the same for every choice";
}

TEST_P(TinyModels, AnswerTheSameWhereStepsAreLeft) {
  ExpectSame({.left = true});
  ExpectSame({.threads = 2, .chunk = 7, .others = 5, .left = true});
  ExpectSame({.others = 3, .memory = Memory::kWarm, .left = true});
}

TEST_P(TinyModels, DrawTheSameChoices) {
  const std::string all =
      quire::test::Run(*subject_, prompt_, {.sampled = true, .choices = 3}).hash;
  ASSERT_EQ(all.size(), 3 * hash_.size());
  EXPECT_NE(all.substr(0, hash_.size()), all.substr(hash_.size(), hash_.size()));
  for (const Conditions& conditions :
       {Conditions{.threads = 2, .chunk = 512, .memory = Memory::kWarm, .paced = true},
        Conditions{.chunk = 16, .others = 3, .strangers = true}, Conditions{.preempt = true}}) {
    Conditions drawn = conditions;
    drawn.sampled = true;
    drawn.choices = 3;
    EXPECT_EQ(quire::test::Run(*subject_, prompt_, drawn).hash, all)
        << subject_->name << ": " << Describe(drawn);
  }
}

TEST_P(TinyModels, AnswerTheSameInRandomCombinations) {
  std::mt19937 random(static_cast<uint32_t>(std::stoul(hash_.substr(0, 8), nullptr, 16)));
  constexpr uint32_t kChunks[] = {1, 7, 16, 64, 512};
  constexpr uint32_t kOthers[] = {0, 2, 5, 8};
  for (int i = 0; i < 4; ++i) {
    const auto isas = AvailableIsas();
    ExpectSame({.isa = isas[random() % isas.size()],
                .threads = static_cast<uint32_t>(1 + random() % 3),
                .chunk = kChunks[random() % 5],
                .others = kOthers[random() % 4],
                .memory = static_cast<Memory>(random() % 3),
                .preempt = random() % 3 == 0,
                .seed = static_cast<uint32_t>(random())});
  }
}

std::string SubjectName(const testing::TestParamInfo<TinySubject>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Law2, TinyModels, testing::ValuesIn(TinySubjects()), SubjectName);

}  // namespace
}  // namespace quire::test
