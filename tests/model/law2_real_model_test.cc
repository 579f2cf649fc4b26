// Law 2 on a real model over real text: one hash per prompt, whatever the chunks, the workers or
// the instruction set, and equal to the constants in tests/golden/forward_hashes.txt: so another
// CPU vendor, compiler or libc that changes a bit is found where it runs.
//
// A deliberate change of the arithmetic bumps kNumericsVersion and writes the printed lines there.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "base/worker_pool.h"
#include "kernels/dispatch.h"
#include "model/candidates.h"
#include "model/logit_hash.h"
#include "model/single_sequence.h"
#include "tests/model/golden_logits.h"

namespace quire::test {
namespace {

constexpr uint32_t kGenerated = 8;

// The receipt of reading `tokens` in chunks and choosing some tokens greedily.
std::string Receipt(const Model& model, WorkerPool& pool, std::span<const TokenId> tokens,
                    uint32_t chunk) {
  SingleSequence sequence(
      model, pool,
      {.format = KvFormat::kF16,
       .limits = {.max_tokens = chunk, .max_logit_rows = 1, .max_context = 1024}});
  LogitHash hash;
  std::span<const float> logits = sequence.Append(tokens);
  for (uint32_t i = 0; i < kGenerated; ++i) {
    hash.Add(logits);
    const TokenId token = ArgMax(logits);
    logits = sequence.Append({&token, 1});
  }
  return hash.Hex();
}

// "model prompt" -> hash.
std::map<std::string, std::string> ReadHashes() {
  std::ifstream file(QUIRE_SOURCE_DIR "/tests/golden/forward_hashes.txt");
  std::map<std::string, std::string> hashes;
  std::string model, prompt, hash;
  while (file >> model >> prompt >> hash) hashes[model + " " + prompt] = hash;
  return hashes;
}

struct Case {
  const char* model;
  const char* golden;
};
const Case kCases[] = {{"smollm2-135m", "smollm2-135m-instruct-q4_1.json"},
                       {"gemma3-270m", "gemma3-270m-q4_k_m.json"},
                       {"qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b.json"}};

class Law2RealModel : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    const auto path = FindModelFile(GetParam().model);
    if (!path) GTEST_SKIP() << GetParam().model << ".gguf is not here (tools/fetch_model gets it)";
    const auto golden = ReadGolden(GetParam().golden);
    if (!golden) GTEST_SKIP() << GetParam().golden << " is not here";
    for (const GoldenPrompt& prompt : golden->prompts) prompts_[prompt.name] = prompt.tokens;
    model_ = LoadModel(*path, Precision::kQuantised, pool_);
    ASSERT_NE(model_, nullptr);
  }
  void TearDown() override { SelectIsa(AvailableIsas().back()); }

  WorkerPool pool_{2};
  std::map<std::string, std::vector<TokenId>> prompts_;
  std::unique_ptr<Model> model_;
};

TEST_P(Law2RealModel, HashesAreTheCommittedOnes) {
  const auto hashes = ReadHashes();
  for (const char* prompt : {"capital", "prose_short", "code_py"}) {
    const std::string key = std::string(GetParam().model) + " " + prompt;
    const std::string hash = Receipt(*model_, pool_, prompts_.at(prompt), 512);
    const auto found = hashes.find(key);
    EXPECT_EQ(hash, found == hashes.end() ? "none" : found->second) << key << " " << hash;
  }
}

TEST_P(Law2RealModel, ChunksAndWorkersChangeNothing) {
  const std::vector<TokenId>& tokens = prompts_.at("prose_short");
  const std::string hash = Receipt(*model_, pool_, tokens, 512);
  for (const uint32_t chunk : {1u, 7u, 16u, 64u}) {
    EXPECT_EQ(Receipt(*model_, pool_, tokens, chunk), hash) << "chunk " << chunk;
  }
  for (const uint32_t workers : {1u, 3u}) {
    WorkerPool pool(workers);
    EXPECT_EQ(Receipt(*model_, pool, tokens, 32), hash) << workers << " workers";
  }
}

TEST_P(Law2RealModel, InstructionSetsChangeNothing) {
  const std::vector<TokenId>& tokens = prompts_.at("capital");
  const std::string hash = Receipt(*model_, pool_, tokens, 512);
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    EXPECT_EQ(Receipt(*model_, pool_, tokens, 512), hash) << IsaName(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(RealModels, Law2RealModel, testing::ValuesIn(kCases),
                         [](const testing::TestParamInfo<Case>& item) {
                           std::string name = item.param.model;
                           for (char& c : name) {
                             if (c == '-' || c == '.') c = '_';
                           }
                           return name;
                         });

}  // namespace
}  // namespace quire::test
