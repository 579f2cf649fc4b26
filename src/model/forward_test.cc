// Law 2 at the level of the forward pass: a row's logits depend on its sequence alone. All
// comparisons are of bits.
#include "model/forward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "kernels/dispatch.h"
#include "model/huge_buffer.h"
#include "tests/support/tiny_model.h"

namespace quire {
namespace {

using test::TinyModelOptions;

constexpr uint32_t kContext = 640;  // beyond two attention tiles
constexpr uint32_t kBlocks = 4 * kContext / kBlockTokens;
constexpr ForwardLimits kLimits{.max_tokens = 700, .max_logit_rows = 400, .max_context = kContext};

struct SequenceState {
  std::vector<TokenId> tokens;
  std::vector<uint32_t> table;
  uint32_t done = 0;
};

// A model with an arena for a few sequences, on a number of workers.
class Bench {
 public:
  Bench(const std::vector<std::byte>& bytes, uint32_t workers) : pool_(workers) {
    auto file = std::make_shared<const GgufFile>(std::move(*GgufFile::Parse(bytes)));
    model_ = std::move(*Model::Load(std::move(file), {}, pool_));
    const KvShape shape = model_->kv_shape(KvFormat::kF16);
    arena_ = std::move(*HugeBuffer::Allocate(shape.block_bytes() * kBlocks));
    std::memset(arena_.data(), 0x7f, arena_.size());  // what was there before must not matter
    kv_ = {.base = arena_.data(), .shape = shape, .num_blocks = kBlocks};
    forward_ = std::make_unique<ForwardPass>(*model_, kv_, kLimits, pool_);
  }

  uint32_t vocab() const { return model_->config().vocab_size; }
  std::span<const float> Run(std::span<const BatchItem> items) { return forward_->Run(items); }
  uint32_t layers() const { return model_->config().layers; }
  ForwardPass& forward() { return *forward_; }
  std::optional<std::span<const float>> RunUnless(const ForwardPass::Stop& stop,
                                                  std::span<const BatchItem> items) {
    return forward_->RunUnless(stop, items);
  }

 private:
  WorkerPool pool_;
  std::unique_ptr<Model> model_;
  HugeBuffer arena_;
  KvView kv_;
  std::unique_ptr<ForwardPass> forward_;
};

std::vector<TokenId> RandomTokens(uint32_t count, uint32_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % vocab);
  return tokens;
}

std::vector<uint32_t> Table(uint32_t first_block, bool scattered) {
  std::vector<uint32_t> table(kContext / kBlockTokens);
  for (uint32_t i = 0; i < table.size(); ++i) {
    table[i] = scattered ? (first_block + i * 7) % kBlocks : first_block + i;
  }
  return table;
}

// The logits after the last token, prefilled in chunks of `chunk`.
std::vector<float> Prefill(Bench& bench, const SequenceState& sequence, uint32_t chunk) {
  std::span<const float> logits;
  const std::span<const TokenId> tokens = sequence.tokens;
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    const auto part = tokens.subspan(at, std::min<size_t>(chunk, tokens.size() - at));
    const BatchItem item{part, static_cast<uint32_t>(at), sequence.table, 1};
    logits = bench.Run({&item, 1});
  }
  return {logits.begin(), logits.end()};
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

struct Variant {
  const char* name;
  TinyModelOptions options;
};
const Variant kVariants[] = {
    {"llama", {}},
    {"llama_q4_k", {.type = TensorType::kQ4_K, .tied = false}},
    {"llama_f16_hd80", {.head_dim = 80, .type = TensorType::kF16}},
    {"llama_q4_1_yarn", {.head_dim = 32, .type = TensorType::kQ4_1, .rope = test::TinyRope::kYarn}},
    {"qwen2_q5_0_hd96", {.architecture = "qwen2", .head_dim = 96, .type = TensorType::kQ5_0}},
    {"qwen3_q6_k_hd128", {.architecture = "qwen3", .head_dim = 128, .type = TensorType::kQ6_K}},
    {"gemma3_hd256", {.architecture = "gemma3", .layers = 6, .kv_heads = 1, .head_dim = 256}},
};

class ForwardLaw2 : public testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    bytes_ = test::MakeTinyModel(GetParam().options);
    bench_ = std::make_unique<Bench>(bytes_, 2);
    sequence_ = {RandomTokens(kLength, bench_->vocab(), 1), Table(0, false)};
    reference_ = Prefill(*bench_, sequence_, kLength);
  }
  void TearDown() override { SelectIsa(AvailableIsas().back()); }

  static constexpr uint32_t kLength = 301;
  std::vector<std::byte> bytes_;
  std::unique_ptr<Bench> bench_;
  SequenceState sequence_;
  std::vector<float> reference_;
};

TEST_P(ForwardLaw2, LogitsAreFiniteAndDependOnTheTokens) {
  for (const float logit : reference_) ASSERT_TRUE(std::isfinite(logit));
  SequenceState other = sequence_;
  other.tokens[kLength - 2] ^= 1;
  EXPECT_FALSE(SameBits(Prefill(*bench_, other, kLength), reference_));
}

TEST_P(ForwardLaw2, ChunksOfAnySize) {
  for (const uint32_t chunk : {1u, 2u, 3u, 4u, 5u, 7u, 16u, 64u, 256u}) {
    EXPECT_TRUE(SameBits(Prefill(*bench_, sequence_, chunk), reference_)) << "chunk " << chunk;
  }
}

TEST_P(ForwardLaw2, BlocksAnywhere) {
  SequenceState scattered = sequence_;
  scattered.table = Table(5, true);
  EXPECT_TRUE(SameBits(Prefill(*bench_, scattered, 64), reference_));
}

TEST_P(ForwardLaw2, AnyNumberOfWorkers) {
  for (const uint32_t workers : {1u, 3u, 5u}) {
    Bench bench(bytes_, workers);
    // One team, several of unequal size, every worker alone.
    for (const uint32_t chunk : {2u, 43u, kLength}) {
      EXPECT_TRUE(SameBits(Prefill(bench, sequence_, chunk), reference_))
          << workers << " workers, chunks of " << chunk;
    }
  }
}

TEST_P(ForwardLaw2, EveryInstructionSet) {
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    Bench bench(bytes_, 2);
    EXPECT_TRUE(SameBits(Prefill(bench, sequence_, 100), reference_)) << IsaName(isa);
  }
}

// Others come, go on in random pieces and are decoded beside the sequence under test.
TEST_P(ForwardLaw2, AnyNeighbours) {
  std::mt19937 random(7);
  const uint32_t per_sequence = kContext / kBlockTokens;
  std::vector<SequenceState> all = {sequence_};
  for (uint32_t i = 1; i < 4; ++i) {
    all.push_back({RandomTokens(kLength, bench_->vocab(), i + 1), Table(i * per_sequence, false)});
  }
  std::vector<float> logits;
  while (all[0].done < kLength) {
    std::vector<BatchItem> items;
    size_t rows_before = 0;
    for (const size_t index : {2, 0, 1, 3}) {
      SequenceState& state = all[index];
      const uint32_t count = std::min<uint32_t>(1 + random() % 40, kLength - state.done);
      if (count == 0) continue;
      const uint32_t rows = index == 0 ? 1 : random() % std::min(3u, count + 1);
      items.push_back(
          {std::span(state.tokens).subspan(state.done, count), state.done, state.table, rows});
      if (index == 2) rows_before = rows;
      state.done += count;
    }
    const auto all_logits = bench_->Run(items);
    const auto mine = all_logits.subspan(rows_before * bench_->vocab(), bench_->vocab());
    logits.assign(mine.begin(), mine.end());
  }
  EXPECT_TRUE(SameBits(logits, reference_));
}

TEST_P(ForwardLaw2, AsManyRowsOfLogitsAsAreAskedFor) {
  SequenceState shorter = sequence_;
  shorter.tokens.resize(kLength - 3);
  const auto before = Prefill(*bench_, shorter, kLength);
  const BatchItem item{sequence_.tokens, 0, sequence_.table, 4};
  const auto logits = bench_->Run({&item, 1});
  ASSERT_EQ(logits.size(), size_t{4} * bench_->vocab());
  EXPECT_TRUE(SameBits(logits.first(bench_->vocab()), before));
  EXPECT_TRUE(SameBits(logits.last(bench_->vocab()), reference_));

  // A pass may ask for none and only fill the KV.
  const BatchItem silent{std::span(sequence_.tokens).first(kLength - 1), 0, sequence_.table, 0};
  EXPECT_TRUE(bench_->Run({&silent, 1}).empty());
  const BatchItem last{std::span(sequence_.tokens).last(1), kLength - 1, sequence_.table, 1};
  EXPECT_TRUE(SameBits(bench_->Run({&last, 1}), reference_));
}

// Far more rows of logits than one worker takes at once.
TEST_P(ForwardLaw2, LogitsOfEveryRow) {
  constexpr uint32_t kRows = kLength - 1;
  const auto rows_of = [&](Bench& bench, uint32_t chunk) {
    std::vector<float> all;
    for (uint32_t at = 0; at < kRows; at += chunk) {
      const uint32_t count = std::min(chunk, kRows - at);
      const auto part = std::span(sequence_.tokens).subspan(at, count);
      const BatchItem item{part, at, sequence_.table, count};
      const auto logits = bench.Run({&item, 1});
      all.insert(all.end(), logits.begin(), logits.end());
    }
    return all;
  };
  const std::vector<float> together = rows_of(*bench_, kRows);
  EXPECT_TRUE(SameBits(rows_of(*bench_, 30), together));
  Bench bench(bytes_, 3);
  EXPECT_TRUE(SameBits(rows_of(bench, kRows), together));
  EXPECT_TRUE(SameBits(rows_of(bench, 50), together));
}

// What was left undone is done again with the same bits, wherever the pass was left.
TEST_P(ForwardLaw2, InterruptedAtEveryLayerAndRunAgain) {
  for (const uint32_t workers : {1u, 3u}) {
    Bench bench(bytes_, workers);
    for (const uint32_t chunk : {20u, kLength}) {  // one team; every worker alone
      SequenceState shorter = sequence_;
      shorter.tokens.resize(kLength - chunk);
      Prefill(bench, shorter, kLength);
      const auto rest = std::span(sequence_.tokens).last(chunk);
      const BatchItem item{rest, kLength - chunk, sequence_.table, 1};
      for (uint32_t layer = 0; layer < bench.layers(); ++layer) {
        uint32_t asked = 0;
        const auto stop = [&](uint32_t at) {
          EXPECT_EQ(at, asked++);
          return at == layer;
        };
        EXPECT_FALSE(bench.RunUnless(stop, {&item, 1}).has_value());
        EXPECT_EQ(asked, layer + 1);  // nobody went on
      }
      const auto logits = bench.RunUnless([](uint32_t) { return false; }, {&item, 1});
      ASSERT_TRUE(logits.has_value());
      EXPECT_TRUE(SameBits(*logits, reference_)) << workers << " workers, " << chunk << " tokens";
    }
  }
}

// A worker's phases add up to the pass, and meetings are as few as promised.
TEST_P(ForwardLaw2, TimesAddUpAndMeetingsAreFew) {
  const auto measured = [&](std::span<const TokenId> tokens) {
    const BatchItem item{tokens, 0, sequence_.table, 1};
    bench_->forward().MeasureTimes(true);
    bench_->Run({&item, 1});
    const PassTimes times = bench_->forward().times();
    bench_->forward().MeasureTimes(false);
    EXPECT_EQ(times.passes, 1u);
    EXPECT_EQ(times.rows, tokens.size());
    uint64_t sum = 0;
    for (const uint64_t ns : times.ns) sum += ns;
    EXPECT_EQ(sum, 2 * times.wall_ns);
    return times.barriers;
  };
  const uint32_t layers = bench_->layers();
  EXPECT_LE(measured(std::span(sequence_.tokens).first(1)), 5 * layers + 1);
  EXPECT_LE(measured(std::span(sequence_.tokens).first(20)), 5 * layers + 1);
  EXPECT_LE(measured(sequence_.tokens), 2 * layers + 4);
}

// A file whose embedding of token `token` is infinite or no number in every column.
std::vector<std::byte> WithBrokenToken(const TinyModelOptions& options, TokenId token) {
  std::vector<std::byte> bytes = test::MakeTinyModel(options);
  const GgufFile file = std::move(*GgufFile::Parse(bytes));
  const TensorInfo& table = *file.FindTensor("token_embd.weight");
  const size_t row_bytes = table.data.size() / table.rows();
  const size_t row = static_cast<size_t>(table.data.data() - bytes.data()) +
                     static_cast<size_t>(token) * row_bytes;
  const size_t block_bytes = Info(table.type).block_bytes;
  const uint16_t infinity = 0x7c00;
  for (size_t at = 0; at < row_bytes; at += block_bytes) {
    std::memcpy(bytes.data() + row + at, &infinity, sizeof(infinity));
  }
  return bytes;
}

// Whatever a broken weight makes of one sequence, its neighbours and those who get its blocks
// after it do not notice.
TEST(ForwardTest, WhatIsNoNumberStaysInItsSequence) {
  constexpr TokenId kBroken = 5;
  constexpr uint32_t kLength = 41;
  const auto bytes = WithBrokenToken({.type = TensorType::kQ8_0, .tied = false}, kBroken);
  for (const Isa isa : AvailableIsas()) {
    SelectIsa(isa);
    Bench bench(bytes, 2);
    SequenceState sane = {RandomTokens(kLength, bench.vocab(), 1), Table(0, false)};
    std::ranges::replace(sane.tokens, kBroken, kBroken + 1);
    SequenceState broken = {sane.tokens, Table(kContext / kBlockTokens, false)};
    broken.tokens[3] = kBroken;
    const auto reference = Prefill(bench, sane, kLength);
    for (const float logit : reference) ASSERT_TRUE(std::isfinite(logit));

    const BatchItem items[] = {{broken.tokens, 0, broken.table, 1},
                               {sane.tokens, 0, sane.table, 1}};
    const auto logits = bench.Run(items);
    EXPECT_TRUE(SameBits(logits.last(bench.vocab()), reference)) << IsaName(isa);
    EXPECT_FALSE(SameBits(logits.first(bench.vocab()), reference));
    sane.table = broken.table;
    EXPECT_TRUE(SameBits(Prefill(bench, sane, 7), reference)) << IsaName(isa);
  }
  SelectIsa(AvailableIsas().back());
}

TEST(ForwardDeathTest, RefusesWhatIsNotWithinItsLimits) {
  const auto bytes = test::MakeTinyModel({});
  Bench bench(bytes, 1);
  const std::vector<uint32_t> table = Table(0, false);
  const auto run = [&](std::vector<TokenId> tokens, uint32_t first_position, uint32_t rows) {
    const BatchItem item{tokens, first_position, table, rows};
    bench.Run({&item, 1});
  };
  run({1}, kContext - 1, 1);  // the last position there is
  const auto past_vocabulary = static_cast<TokenId>(bench.vocab());
  EXPECT_DEATH(run({past_vocabulary}, 0, 1), "no such token");
  EXPECT_DEATH(run({-1}, 0, 1), "no such token");
  EXPECT_DEATH(run({1}, kContext, 1), "beyond max_context");
  EXPECT_DEATH(run({1, 1}, UINT32_MAX, 1), "beyond max_context");
  EXPECT_DEATH(run({1}, 0, 2), "more rows of logits than tokens");
  EXPECT_DEATH(run({}, 0, 0), "without tokens");
  const std::vector<TokenId> nine(kLimits.max_logit_rows + 1, 1);
  EXPECT_DEATH(run(nine, 0, kLimits.max_logit_rows + 1), "max_logit_rows");
}

INSTANTIATE_TEST_SUITE_P(TinyModels, ForwardLaw2, testing::ValuesIn(kVariants),
                         [](const testing::TestParamInfo<Variant>& item) {
                           return std::string(item.param.name);
                         });

}  // namespace
}  // namespace quire
