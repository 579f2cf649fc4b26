#include "apps/bench/bench_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/machine.h"
#include "base/size.h"

namespace quire {
namespace {

constexpr uint32_t kSeedTokens = 256;  // whose KV fills the arena

uint32_t BlocksFor(uint32_t tokens) { return (tokens + kBlockTokens - 1) / kBlockTokens; }

uint64_t BlocksOf(const BenchCase& bench) {
  const uint64_t shared = bench.shared_prefix / kBlockTokens;
  return shared + (BlocksFor(bench.end_position()) - shared) * bench.sequences();
}

ForwardLimits LimitsFor(std::span<const BenchCase> cases, uint32_t chunk_tokens, uint32_t context) {
  ForwardLimits limits{.max_tokens = chunk_tokens,
                       .max_logit_rows = 1,
                       .max_context = std::min(kSeedTokens, context)};
  for (const BenchCase& bench : cases) {
    limits.max_tokens = std::max(limits.max_tokens, bench.sequences());
    limits.max_logit_rows = std::max(limits.max_logit_rows, bench.sequences());
    limits.max_context = std::max(limits.max_context, bench.end_position());
  }
  return limits;
}

Result<KvArena> CreateArena(const KvShape& shape, std::span<const BenchCase> cases,
                            const ForwardLimits& limits) {
  uint64_t blocks = BlocksFor(std::min(kSeedTokens, limits.max_context));
  const BenchCase* largest = nullptr;
  for (const BenchCase& bench : cases) {
    if (BlocksOf(bench) <= blocks) continue;
    blocks = BlocksOf(bench);
    largest = &bench;
  }
  const uint64_t bytes = blocks * shape.block_bytes();
  const uint64_t available = AvailableMemory();
  if (largest != nullptr && available != 0 && bytes > available) {
    return Refuse(ErrorCode::kInvalidArgument,
                  fmt::format("{} sequences of {} tokens, {} of them shared, take {} of KV; {} of "
                              "memory is free",
                              largest->sequences(), largest->end_position(), largest->shared_prefix,
                              FormatSize(bytes), FormatSize(available)),
                  largest->clients > 1 ? "clients" : "depth");
  }
  return KvArena::Create(shape, bytes);
}

}  // namespace

Result<std::unique_ptr<BenchStage>> BenchStage::Create(const Model& model, WorkerPool& pool,
                                                       std::span<const BenchCase> cases,
                                                       const Options& options) {
  const ForwardLimits limits =
      LimitsFor(cases, options.chunk_tokens, model.config().context_length);
  QUIRE_TRY(KvArena arena, CreateArena(model.kv_shape(options.format), cases, limits));
  std::unique_ptr<BenchStage> stage(
      new BenchStage(model, pool, std::move(arena), limits, options.chunk_tokens));
  stage->FillArena();
  return stage;
}

BenchStage::BenchStage(const Model& model, WorkerPool& pool, KvArena arena,
                       const ForwardLimits& limits, uint32_t chunk_tokens)
    : arena_(std::move(arena)),
      vocab_size_(model.config().vocab_size),
      chunk_tokens_(chunk_tokens),
      max_context_(limits.max_context),
      forward_(model, arena_.view(), limits, pool) {}

void BenchStage::FillArena() {
  const KvView& kv = arena_.view();
  const uint32_t seed_tokens = std::min(kSeedTokens, max_context_);
  Prefill({.tokens = seed_tokens});
  const uint32_t seeds = BlocksFor(seed_tokens);
  for (uint32_t layer = 0; layer < kv.shape.layers; ++layer) {
    for (uint32_t block = seeds; block < kv.num_blocks; ++block) {
      std::memcpy(kv.keys(layer, block, 0), kv.keys(layer, block % seeds, 0),
                  kv.shape.block_layer_bytes());
    }
  }
}

double BenchStage::Run(const BenchCase& bench) {
  LayTables(bench);
  forward_.MeasureTimes(true);
  const auto start = std::chrono::steady_clock::now();
  bench.prefill() ? Prefill(bench) : Decode(bench);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return took.count();
}

// The shared blocks first, then each sequence's own, in one run.
void BenchStage::LayTables(const BenchCase& bench) {
  const uint32_t shared = bench.shared_prefix / kBlockTokens;
  const uint32_t count = BlocksFor(bench.end_position());
  tables_.resize(bench.sequences());
  for (uint32_t s = 0; s < tables_.size(); ++s) {
    tables_[s].resize(count);
    for (uint32_t i = 0; i < count; ++i) {
      tables_[s][i] = i < shared ? i : i + s * (count - shared);
    }
  }
}

void BenchStage::Prefill(const BenchCase& bench) {
  LayTables(bench);
  for (uint32_t done = 0; done < bench.tokens; done += chunk_tokens_) {
    const uint32_t count = std::min(chunk_tokens_, bench.tokens - done);
    tokens_.resize(count);
    for (TokenId& token : tokens_) token = NextToken();
    const BatchItem item{.tokens = tokens_,
                         .first_position = bench.depth + done,
                         .table = tables_[0],
                         .num_logit_rows = done + count == bench.tokens ? 1u : 0u};
    forward_.Run({&item, 1});
  }
}

void BenchStage::Decode(const BenchCase& bench) {
  tokens_.resize(bench.clients);
  std::vector<BatchItem> items(bench.clients);
  for (uint32_t position = bench.depth; position < bench.end_position(); ++position) {
    for (uint32_t s = 0; s < bench.clients; ++s) {
      tokens_[s] = NextToken();
      items[s] = {.tokens = {&tokens_[s], 1},
                  .first_position = position,
                  .table = tables_[s],
                  .num_logit_rows = 1};
    }
    forward_.Run(items);
  }
}

// Any token will do, but each another, as in a text.
TokenId BenchStage::NextToken() {
  random_ = random_ * 6364136223846793005u + 1442695040888963407u;
  return static_cast<TokenId>((random_ >> 33) % vocab_size_);
}

}  // namespace quire
