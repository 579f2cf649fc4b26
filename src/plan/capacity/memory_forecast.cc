#include "plan/capacity/memory_forecast.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/size.h"
#include "model/forward_memory.h"

namespace quire {
namespace {

// Code, libraries, stacks and heaps of the threads: of a server whose model is next to nothing,
// once 64 clients were answered at the same time.
constexpr uint64_t kProgramBytes = 21 * kMiB;

// Of a block: its place in the pool, its entry in the prefix cache with 16 token ids, what the
// policy of eviction knows of it.
constexpr uint64_t kBlockBookkeeping = 450;

// The disk tier: buffers for reading and writing runs of blocks, and its index of names.
constexpr uint64_t kDiskBuffers = 13;
constexpr uint64_t kDiskRunBytes = 4 * kMiB;
constexpr uint64_t kDiskRunBlocks = 16;
constexpr uint64_t kDiskIndexBytes = 200;  // of a block

Term Bytes(const char* name, uint64_t bytes, std::string arithmetic) {
  return {name, static_cast<double>(bytes), std::move(arithmetic)};
}

std::string DescribeWeights(const ModelShape& shape) {
  uint64_t matrices = 0;
  uint64_t values = 0;
  for (const ShapeTensor& tensor : shape.tensors) {
    if (!tensor.is_matrix()) continue;
    ++matrices;
    values += uint64_t{tensor.rows} * tensor.columns;
  }
  const double bits = 8.0 * static_cast<double>(shape.weight_bytes()) /
                      static_cast<double>(std::max<uint64_t>(1, values));
  return fmt::format("{} matrices of {:.1f} million weights, {:.2f} bits each as repacked for {}",
                     matrices, static_cast<double>(values) / 1e6, bits,
                     "the kernels, and vectors as floats");
}

void AddBuffers(const ModelShape& shape, const ServerSetting& setting, uint32_t context,
                MemoryForecast& forecast) {
  std::vector<Term>& terms = forecast.fixed;
  const uint32_t logit_rows = std::min(setting.max_sequences, setting.step_tokens);
  const ForwardMemory memory = ForwardMemoryOf(
      shape.config,
      {.max_tokens = setting.step_tokens, .max_logit_rows = logit_rows, .max_context = context},
      setting.threads, shape.has_float_matrices());
  terms.push_back(Bytes(
      "rows of a step", memory.rows_bytes,
      fmt::format("residual, queries and activations of {} rows, and of {} "
                  "threads with {} rows in hand each",
                  setting.step_tokens, setting.threads, std::min(setting.step_tokens, 128u))));
  terms.push_back(Bytes("logits", memory.logits_bytes,
                        fmt::format("{} sequences x {} tokens of vocabulary x 4 bytes, on pages of "
                                    "2 MiB",
                                    logit_rows, shape.config.vocab_size)));
  forecast.attention =
      Bytes("attention", memory.attention_bytes,
            fmt::format("{} threads x records of {} tiles of 256 tokens, as far as KV memory goes",
                        setting.threads, context / 256 + 1));
  forecast.context_blocks = std::max<uint64_t>(1, context / kBlockTokens);
}

}  // namespace

uint64_t MemoryForecast::fixed_bytes() const {
  double bytes = 0;
  for (const Term& term : fixed) bytes += term.value;
  return static_cast<uint64_t>(bytes);
}

uint64_t MemoryForecast::AttentionBytes(uint64_t blocks) const {
  const auto whole = static_cast<uint64_t>(attention.value);
  if (blocks >= context_blocks) return whole;
  return whole * blocks / context_blocks;
}

uint64_t MemoryForecast::BlocksIn(uint64_t memory_bytes, uint64_t bytes_of_block) const {
  const uint64_t fixed_part = fixed_bytes();
  if (memory_bytes <= fixed_part) return 0;
  const uint64_t left = memory_bytes - fixed_part;
  const uint64_t each = bytes_of_block + bookkeeping_bytes;
  const auto whole = static_cast<uint64_t>(attention.value);
  if (left >= context_blocks * each + whole) return (left - whole) / each;
  auto blocks = static_cast<uint64_t>(
      static_cast<double>(left) /
      (static_cast<double>(each) + attention.value / static_cast<double>(context_blocks)));
  while (blocks > 0 && BytesWith(blocks, bytes_of_block) > memory_bytes) --blocks;
  while (BytesWith(blocks + 1, bytes_of_block) <= memory_bytes) ++blocks;
  return blocks;
}

uint64_t MemoryForecast::BytesWith(uint64_t blocks, uint64_t bytes_of_block) const {
  return fixed_bytes() + AttentionBytes(blocks) + blocks * (bytes_of_block + bookkeeping_bytes);
}

MemoryForecast ForecastMemory(const ModelShape& shape, const ServerSetting& setting) {
  const ModelConfig& config = shape.config;
  const uint32_t context =
      setting.context_tokens == 0 ? config.context_length : setting.context_tokens;
  MemoryForecast forecast;
  forecast.block_bytes = shape.kv(setting.kv_format).block_bytes();
  forecast.bookkeeping_bytes = kBlockBookkeeping;
  std::vector<Term>& terms = forecast.fixed;
  terms.push_back(Bytes("weights", shape.weight_bytes(), DescribeWeights(shape)));
  terms.push_back(
      Bytes("embedding rows", shape.embedding_bytes,
            fmt::format("{} rows, looked up in the file as they are there", config.vocab_size)));
  AddBuffers(shape, setting, context, forecast);
  terms.push_back(Bytes(
      "tokenizer", shape.vocabulary_bytes,
      shape.vocabulary_estimated
          ? fmt::format("{} entries x about {} bytes", config.vocab_size, kVocabularyEntryBytes)
          : std::string("made from the file and counted")));
  if (setting.disk_bytes > 0) {
    const uint64_t block = forecast.block_bytes;
    const uint64_t blocks = setting.disk_bytes / block;
    const uint64_t run = block * std::clamp<uint64_t>(kDiskRunBytes / block, 1, kDiskRunBlocks);
    terms.push_back(Bytes("disk tier", kDiskBuffers * run + blocks * kDiskIndexBytes,
                          fmt::format("{} buffers of {} + {} blocks on disk x {} bytes of index",
                                      kDiskBuffers, FormatSize(run), blocks, kDiskIndexBytes)));
  }
  terms.push_back(Bytes("program", kProgramBytes, "code, libraries, stacks and heaps, measured"));
  return forecast;
}

}  // namespace quire
